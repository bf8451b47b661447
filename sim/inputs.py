"""Arrays of a verification or a run: read from files, or drawn at random; floats or codes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from thresher.compiler.errors import ThresherError
from thresher.compiler.expr import Apply, Constant, evaluate
from thresher.compiler.integer.ir import InputPort, IntegerGraph
from thresher.gen.files import replace_file

__all__ = ["load_inputs", "model_values", "random_inputs", "save_outputs"]


def load_inputs(path: Path, graph: IntegerGraph) -> dict[str, np.ndarray]:
    """Arrays (N, *shape) by model input: a `.npy` for a single input, else a `.npz` keyed by name.

    Integer arrays for an input that the model takes as float are codes, and are turned into the
    values that they stand for.

    :raises ThresherError: the file is no such file, or holds other names.
    """
    names = list(dict.fromkeys(p.source for p in graph.inputs))
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise ThresherError(
            f"input '{path}' cannot be read as .npy or .npz; save it with numpy.save or numpy.savez"
        ) from e
    if isinstance(loaded, np.ndarray):
        if len(names) != 1:
            raise ThresherError(
                f"input '{path}' holds one array but the model has inputs {names}; give an .npz "
                "keyed by input name"
            )
        return model_values(graph, {names[0]: loaded})
    missing = [n for n in names if n not in loaded.files]
    if missing and len(names) == 1 and len(loaded.files) == 1:
        return model_values(graph, {names[0]: loaded[loaded.files[0]]})
    if missing:
        raise ThresherError(
            f"input '{path}' lacks '{missing[0]}'; it holds {loaded.files} and must hold {names}"
        )
    return model_values(graph, {n: loaded[n] for n in names})


def model_values(graph: IntegerGraph, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays in the model's own element types; codes of float inputs become their values."""
    found = {}
    for name, array in arrays.items():
        port = _port(graph, name)
        if array.dtype.kind in "iu" and np.dtype(port.dtype).kind == "f":
            found[name] = _from_codes(port, array)
        elif array.dtype == np.float64 and np.dtype(port.dtype).kind == "f":
            narrow = array.astype(np.float32)
            if not ((narrow == array) | np.isnan(array)).all():
                raise ThresherError(
                    f"input '{name}' holds float64 values that float32 cannot hold; "
                    "convert it with .astype('float32')"
                )
            found[name] = narrow
        else:
            found[name] = array
    return found


def _port(graph: IntegerGraph, name: str) -> InputPort:
    return next(p for p in graph.inputs if p.source == name)


def _from_codes(port: InputPort, codes: np.ndarray) -> np.ndarray:
    lo, hi = port.tensor.lo, port.tensor.hi
    if codes.size and (codes.min() < lo or codes.max() > hi):
        raise ThresherError(
            f"input '{port.source}' must have codes in [{lo}, {hi}], not "
            f"[{codes.min()}, {codes.max()}]; give floats, or codes of its quantiser"
        )
    values = (codes * _step(port)).astype(np.float32)
    assert port.quantise is not None
    if codes.shape[1:] == port.tensor.shape and (evaluate(port.quantise, values) != codes).any():
        raise ThresherError(
            f"input '{port.source}' has a quantiser whose codes stand for no float; give floats"
        )
    return values


def _step(port: InputPort) -> np.ndarray:
    """The scale of the port's quantiser; 1 where it has none."""
    if port.scale is not None:
        return np.asarray(port.scale, np.float64)
    expr = port.quantise
    if isinstance(expr, Apply) and expr.op == "Quantize" and isinstance(expr.args[1], Constant):
        return expr.args[1].array.astype(np.float64)
    return np.ones(())


def random_inputs(graph: IntegerGraph, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Random model inputs (samples, *shape) that use the whole range of every input's codes.

    Of float inputs a quarter of the values lie exactly between two codes, where rounding is
    decided, and some lie beyond the ends, where the quantiser saturates.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for port in graph.inputs:
        if port.source not in found:
            shape = (samples, *port.tensor.shape)
            found[port.source] = _draw(port, shape, rng)
    return found


def _draw(port: InputPort, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    codes = rng.integers(port.tensor.lo, port.tensor.hi, shape, endpoint=True)
    if port.quantise is None:
        return codes.astype(port.dtype)
    if port.exact:
        return (codes * _step(port)).astype(port.dtype)
    if isinstance(port.quantise, Apply) and port.quantise.op == "MultiThreshold":
        return _near_thresholds(port.quantise, codes, rng).astype(port.dtype)
    span = port.tensor.hi - port.tensor.lo + 1
    ties = rng.random(shape) < 0.25
    noise = np.where(ties, 0.5, rng.normal(0, 0.3, shape))
    beyond = np.where(rng.random(shape) < 0.02, span * rng.choice([-1, 1], shape), 0)
    return ((codes + noise + beyond) * _step(port)).astype(port.dtype)


def _near_thresholds(expr: Apply, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    levels = [np.asarray(a.array, np.float64) for a in expr.args[1:] if isinstance(a, Constant)]
    table = np.stack([np.broadcast_to(t, codes.shape[1:]) for t in levels])
    picked = np.take_along_axis(table[:, None], codes[None].clip(0, len(levels) - 1), axis=0)[0]
    spread = (table.max() - table.min()) / max(1, len(levels)) + 1e-3
    noise = np.where(rng.random(codes.shape) < 0.25, 0.0, rng.normal(0, spread, codes.shape))
    return picked + noise


def save_outputs(path: Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Write arrays (N, *shape): a `.npy` for a single output, a `.npz` keyed by name for any.

    :raises ThresherError: several outputs and a `.npy`, another ending, or a path that cannot be
        written.
    """
    if path.suffix not in (".npy", ".npz"):
        raise ThresherError(f"output '{path}' must end in .npy or .npz; rename it")
    if path.suffix == ".npy" and len(outputs) != 1:
        raise ThresherError(
            f"output '{path}' holds one array but the model has outputs {list(outputs)}; "
            "name an .npz"
        )

    def write(part: Path) -> None:
        if path.suffix == ".npy":
            np.save(part, next(iter(outputs.values())))
        else:
            np.savez(part, **outputs)  # type: ignore[arg-type]

    replace_file(path, write)
