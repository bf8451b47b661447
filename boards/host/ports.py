"""A model's inputs and outputs as the host sees them: arrays to codes and codes to arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thresher.boards.host.errors import InputError
from thresher.boards.host.values import Function

__all__ = ["Input", "Output", "codes_of", "named", "values_of"]


@dataclass(frozen=True, eq=False)
class Input:
    """A stream into the core, and how a model input becomes its codes.

    :param stream: its name in the frame; None where no result depends on it.
    :param source: the model input; several may share one.
    :param dtype: NumPy's name of the source's element type.
    :param shape: of one sample.
    :param lo: least code.
    :param hi: greatest code.
    :param place: of a frame's samples in the stream's shape.
    :param order: axis k of the stream is axis order[k] of the shape; None where they are the same.
    :param quantise: float32 values to codes; None where the source is integer.
    :param exact: only values that a code stands for are taken.
    :param scale: with `exact`, float64 value of one code.
    """

    stream: str | None
    source: str
    dtype: str
    shape: tuple[int, ...]
    lo: int
    hi: int
    place: int
    quantise: Function | None
    exact: bool
    scale: np.ndarray | None
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Output:
    """A stream out of the core, and what its codes mean in the model's units.

    :param dequantise: codes to float32; None where the codes are the output.
    """

    stream: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    place: int
    dequantise: Function | None
    order: tuple[int, ...] | None = None


def named(given: object, inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    """Arrays by model input, from a dictionary, or from one array for a single input.

    :raises InputError: one is missing or unknown, they disagree in N, or N is 0.
    """
    names = list(dict.fromkeys(p.source for p in inputs))
    if not isinstance(given, Mapping):
        if len(names) > 1:
            raise InputError(f"inputs must be a dictionary with {names}, not one array")
        given = {names[0]: given}
    for name in names:
        if name not in given:
            raise InputError(f"inputs must hold '{name}', which is missing; give all of {names}")
    for name in given:
        if name not in names:
            raise InputError(f"inputs must be among {names}, not '{name}'; remove it")
    arrays = {name: np.asarray(given[name]) for name in names}
    counts = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if 0 in counts.values():
        raise InputError(
            f"inputs must hold at least one sample, not {counts}; stack the samples along a "
            "leading axis"
        )
    if len(set(counts.values())) > 1:
        raise InputError(f"inputs must hold one number of samples, not {counts}; give the same N")
    return arrays


def codes_of(inputs: Sequence[Input], arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """int64 codes (N, *shape) of each input; an integer array for a float input is codes already.

    :raises InputError: wrong shape or type, NaN, infinity, or a value that has no code.
    """
    sources = [p.source for p in inputs]
    return [_codes(p, arrays[p.source], sources.count(p.source) > 1) for p in inputs]


def values_of(output: Output, codes: np.ndarray) -> np.ndarray:
    """The model's output (N, *shape) from its int64 codes."""
    values = codes if output.dequantise is None else output.dequantise(codes)
    return values.astype(output.dtype)


def _codes(port: Input, x: np.ndarray, shared: bool) -> np.ndarray:
    if x.shape[1:] != port.shape:
        want = "(N, " + ", ".join(map(str, port.shape)) + ")"
        raise InputError(
            f"input '{port.source}' must have shape {want}, not {x.shape}; stack the samples "
            "along a leading axis"
        )
    floating = np.dtype(port.dtype).kind == "f"
    if x.dtype.kind in ("iu" if floating else "iub"):
        if floating and shared:
            raise InputError(
                f"input '{port.source}' must hold floats, not {x.dtype}: codes of one of its "
                "quantisers do not tell those of the others"
            )
        _in_interval(port, x, x)
        return x.astype(np.int64)
    return _quantised(port, _narrowed(port, x))


def _narrowed(port: Input, x: np.ndarray) -> np.ndarray:
    """The array in the model's own type, where nothing is lost by that."""
    name, dtype = port.source, np.dtype(port.dtype)
    if x.dtype == np.float64 and dtype == np.float32:
        with np.errstate(over="ignore"):
            narrow = x.astype(np.float32)
        if not ((narrow == x) | np.isnan(x)).all():
            raise InputError(
                f"input '{name}' must hold float32 values, not float64 values between them; "
                "convert it with .astype('float32')"
            )
        x = narrow
    if dtype.kind != "f" or not np.can_cast(x.dtype, dtype, "safe"):
        raise InputError(
            f"input '{name}' must be {dtype}, not {x.dtype}; convert it with .astype('{dtype}')"
        )
    _refuse(~np.isfinite(x), name, x, "must be finite", "remove NaN and infinity")
    return x


def _quantised(port: Input, x: np.ndarray) -> np.ndarray:
    if port.quantise is None:
        _refuse(x != np.rint(x), port.source, x, "must hold integers", "round the values")
        _in_interval(port, x, x)
        return x.astype(np.int64)
    code = port.quantise(x.astype(np.float32))
    _in_interval(port, code, x)
    if port.exact:
        scale = np.ones(()) if port.scale is None else port.scale
        stands = (code.astype(np.float64) * scale).astype(np.float32)
        _refuse(
            (stands != x) | (code != np.rint(code)), port.source, x,
            "must be a value of its quantiser", "quantise the values first, or give codes",
        )  # fmt: skip
    return np.broadcast_to(code, x.shape).astype(np.int64)


def _in_interval(port: Input, code: np.ndarray, x: np.ndarray) -> None:
    rule = f"must have codes in [{port.lo}, {port.hi}]"
    bad = ~((code >= port.lo) & (code <= port.hi))
    _refuse(bad, port.source, x, rule, "clip or rescale the values")


def _refuse(bad: np.ndarray, name: str, x: np.ndarray, rule: str, remedy: str) -> None:
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"input '{name}' {rule}, not {x[at]} at index {at}; {remedy}")
