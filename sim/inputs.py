"""Arrays of a verification or a run: read from files, or drawn at random; floats or codes."""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from thresher.compiler import analysis
from thresher.compiler.errors import ThresherError
from thresher.compiler.expr import evaluate
from thresher.compiler.integer.ir import InputPort, IntegerGraph
from thresher.gen.files import check_folder, replace_file

__all__ = ["check_output", "load_inputs", "model_values", "random_inputs", "save_outputs"]

_EDGES = 0.25
_BEYOND = 0.02
_GREATEST = 0x7F7FFFFF  # bits of the greatest finite float32


def load_inputs(path: Path, graph: IntegerGraph) -> dict[str, np.ndarray]:
    """Arrays (N, *shape) by model input: a `.npy` for a single input, else a `.npz` keyed by name.

    Integer arrays for an input that the model takes as float are codes, and are turned into values
    of these codes. A `.npz` may hold other arrays too.

    :raises ThresherError: the file is no such file, lacks an input, or holds no samples or codes
        out of range.
    """
    names = list(dict.fromkeys(p.source for p in graph.inputs))
    found = _read(path)
    if len(found) == len(names) == 1:
        found = {names[0]: next(iter(found.values()))}
    missing = [n for n in names if n not in found]
    if missing and list(found) == [""]:
        raise ThresherError(
            f"input '{path}' holds one array but the model has inputs {names}; give an .npz "
            "keyed by input name"
        )
    if missing:
        raise ThresherError(
            f"input '{path}' must hold {names}, not {list(found)}; '{missing[0]}' is missing"
        )
    arrays = {n: found[n] for n in names}
    for name, array in arrays.items():
        if not array.ndim or not len(array):
            raise ThresherError(
                f"input '{name}' must hold at least one sample, not shape {array.shape}; "
                "stack the samples along a leading axis"
            )
    return model_values(graph, arrays)


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; that of a `.npy` has the name ""."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as e:
        raise ThresherError(
            f"input '{path}' cannot be read as .npy or .npz; save numbers with numpy.save or "
            "numpy.savez"
        ) from e


def model_values(graph: IntegerGraph, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays in the model's own element types; codes of float inputs become values of theirs.

    :raises ThresherError: codes out of range or of no value; float64 values that no float32 holds.
    """
    found = {}
    for name, array in arrays.items():
        ports = _ports(graph, name)
        floating = np.dtype(ports[0].dtype).kind == "f"
        if array.dtype.kind in "iu" and floating:
            found[name] = _from_codes(ports, array)
        elif array.dtype == np.float64 and floating:
            found[name] = _narrowed(name, array)
        else:
            found[name] = array
    return found


def _ports(graph: IntegerGraph, name: str) -> list[InputPort]:
    return [p for p in graph.inputs if p.source == name]


def _narrowed(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    if not ((narrow == array) | np.isnan(array)).all():
        raise ThresherError(
            f"input '{name}' must hold float32 values, not float64 values between them; "
            "convert it with .astype('float32')"
        )
    return narrow


def _from_codes(ports: list[InputPort], codes: np.ndarray) -> np.ndarray:
    port = ports[0]
    if len(ports) > 1:
        raise ThresherError(
            f"input '{port.source}' must hold floats, not {codes.dtype}: it has {len(ports)} "
            "quantisers, so codes of one do not tell its values; give floats"
        )
    lo, hi = port.tensor.lo, port.tensor.hi
    if codes.min() < lo or codes.max() > hi:
        raise ThresherError(
            f"input '{port.source}' must have codes in [{lo}, {hi}], not "
            f"[{codes.min()}, {codes.max()}]; give floats, or codes of its quantiser"
        )
    if codes.shape[1:] != port.shape:
        return codes.astype(np.float32)  # refused with the shape that it must have
    values = _values_of(port, codes.astype(np.int64))
    assert port.quantise is not None
    wrong = evaluate(port.quantise, values) != codes
    if wrong.any():
        raise ThresherError(
            f"input '{port.source}' holds code {codes[wrong][0]}, which stands for no float; "
            "give floats"
        )
    return values


def random_inputs(graph: IntegerGraph, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Random model inputs (samples, *shape) that use the whole range of every input's codes.

    Of float inputs a quarter of the values lie at the edge of two codes, where rounding is decided,
    and some lie beyond the ends, where the quantiser saturates.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(p.source for p in graph.inputs):
        ports = _ports(graph, name)
        exact = [p for p in ports if p.exact or p.quantise is None]
        drawn = [_draw(p, samples, rng) for p in exact[:1] or ports]
        picked = rng.integers(len(drawn), size=drawn[0].shape)
        found[name] = np.choose(picked, drawn)
    return found


def _draw(port: InputPort, samples: int, rng: np.random.Generator) -> np.ndarray:
    shape = (samples, *port.shape)
    codes = rng.integers(port.tensor.lo, port.tensor.hi, shape, endpoint=True)
    if port.quantise is None:
        return codes.astype(port.dtype)
    if port.exact:
        return _values_of(port, codes)
    sign, low, high, span = _cells(port, codes)
    inside = low + rng.random(shape) * (high - low)
    below = np.nextafter(low.astype(np.float32), np.float32(-np.inf))
    edge = np.where(rng.random(shape) < 0.5, low, below)
    values = np.where(rng.random(shape) < _EDGES, edge, inside)
    beyond = rng.choice([-1, 1], shape) * span * (port.tensor.hi - port.tensor.lo + 1)
    values = np.where(rng.random(shape) < _BEYOND, values + beyond, values)
    return _finite(sign * values)


def _values_of(port: InputPort, codes: np.ndarray) -> np.ndarray:
    """float32 values of these codes; of a quantiser the middle of what it rounds to the code."""
    if port.exact:
        scale = np.ones(()) if port.scale is None else np.asarray(port.scale, np.float64)
        return (codes * scale).astype(np.float32)
    sign, low, high, _ = _cells(port, codes)
    return _finite(sign * (low + (high - low) / 2))


def _finite(values: np.ndarray) -> np.ndarray:
    limit = np.finfo(np.float32).max
    return values.clip(-limit, limit).astype(np.float32)


def _cells(
    port: InputPort, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(sign, low, high, span): sign * x has a code of `codes` for low <= x < high.

    The outermost cells are endless; they are cut at the usual `span` of a cell.
    """
    assert port.quantise is not None
    expr, lo, hi = port.quantise, port.tensor.lo, port.tensor.hi
    way = analysis.monotone(expr)
    assert way is not None
    sign = np.where(way < 0, -1.0, 1.0)

    def edge(code: np.ndarray) -> np.ndarray:
        return _least(lambda x: evaluate(expr, sign * x) >= code, code.shape)

    ends = [edge(np.full(codes.shape[1:], code)) for code in (lo + 1, hi)]
    span = (ends[1] - ends[0]) / max(1, hi - lo - 1)
    span = np.where(span > 0, span, np.maximum(np.abs(ends[0]), 1.0))
    low, high = edge(np.maximum(codes, lo + 1)), edge(np.minimum(codes + 1, hi))
    low = np.where(codes == lo, high - span, low)
    return sign, low, np.where(codes == hi, low + span, high), span


def _least(holds: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """float64: the least float32 for which a property holds that holds from some value on."""
    low, high = np.full(shape, -_GREATEST, np.int64), np.full(shape, _GREATEST, np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        found = holds(_float(middle))
        low, high = np.where(found, low, middle + 1), np.where(found, middle, high)
        low = np.minimum(low, high)
    return _float(low).astype(np.float64)


def _float(key: np.ndarray) -> np.ndarray:
    """The float32 of this place in the order of all of them, 0 at 0."""
    return np.copysign(np.abs(key).astype(np.int32).view(np.float32), key).astype(np.float32)


def check_output(path: Path, names: list[str]) -> None:
    """Refuse, before the work, a path that `save_outputs` could not write.

    :raises ThresherError: several outputs and a `.npy`, another ending, or a path that cannot be
        written.
    """
    if path.suffix not in (".npy", ".npz"):
        raise ThresherError(f"output '{path}' must end in .npy or .npz; rename it")
    if path.suffix == ".npy" and len(names) != 1:
        raise ThresherError(
            f"output '{path}' holds one array but the model has outputs {names}; name an .npz"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ThresherError(f"output '{path}' must be a file in an existing folder; make it first")
    check_folder(path)


def save_outputs(path: Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Write arrays (N, *shape): a `.npy` for a single output, a `.npz` keyed by name for any.

    :raises ThresherError: as `check_output`.
    """
    check_output(path, list(outputs))

    def write(part: Path) -> None:
        if path.suffix == ".npy":
            np.save(part, next(iter(outputs.values())))
            return
        with zipfile.ZipFile(part, "w") as archive:  # numpy.savez refuses some names
            for name, array in outputs.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)

    replace_file(path, write)
