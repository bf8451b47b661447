"""The host's side of the integer graph: inputs to codes, codes to outputs, and what it refuses."""

from collections.abc import Mapping, Sequence

import numpy as np

from thresher.compiler.errors import ThresherError
from thresher.compiler.expr import evaluate
from thresher.compiler.integer.ir import InputPort, OutputPort

__all__ = ["checked_codes", "dequantised", "quantised"]


def checked_codes(
    inputs: Sequence[InputPort], codes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The codes by tensor name, all with one N; ThresherError where they do not fit the ports."""
    tensors = {p.tensor.name: p for p in inputs}
    _same_names(tensors.keys(), codes.keys(), "codes")
    found = {}
    for name, port in tensors.items():
        array = np.asarray(codes[name])
        _shape(name, array, port)
        if array.dtype.kind not in "iub":
            raise ThresherError(
                f"codes '{name}' must be integers, not {array.dtype}; convert them with .astype"
            )
        _interval(name, array, array, port)
        found[name] = array
    _same_count(found)
    return found


def quantised(
    inputs: Sequence[InputPort], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """int64 codes by tensor name, from model inputs by source name.

    :raises ThresherError: an input is missing, has a wrong shape or type, holds NaN or infinity,
        or a value that has no code.
    """
    _same_names({p.source for p in inputs}, arrays.keys(), "inputs")
    used = {p.source: np.asarray(arrays[p.source]) for p in inputs}
    codes = {p.tensor.name: _codes(p, used[p.source]) for p in inputs}
    _same_count(used)
    return codes


def dequantised(
    outputs: Sequence[OutputPort], codes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The model's outputs by name, from codes by output name."""
    return {
        o.name: (
            codes[o.name] if o.dequantise is None else evaluate(o.dequantise, codes[o.name])
        ).astype(o.dtype)
        for o in outputs
    }


def _codes(port: InputPort, x: np.ndarray) -> np.ndarray:
    name = port.source
    _shape(name, x, port)
    floating = np.dtype(port.dtype).kind == "f"
    fits = np.can_cast(x.dtype, port.dtype, "safe") if floating else x.dtype.kind in "iub"
    if not fits:
        raise ThresherError(
            f"input '{name}' must be {port.dtype}, not {x.dtype}; convert it with "
            f".astype('{port.dtype}')"
        )
    if floating:
        _refuse(~np.isfinite(x), name, x, "must be finite", "remove NaN and infinity")
    if port.quantise is None:
        _refuse(x != np.rint(x), name, x, "must hold integers", "round the values")
        _interval(name, x, x, port)
        return x.astype(np.int64)
    code = evaluate(port.quantise, x.astype(np.float32))
    _interval(name, code, x, port)
    if port.exact:
        scale = np.ones(()) if port.scale is None else port.scale
        stands = (code.astype(np.float64) * scale).astype(np.float32)
        _refuse(
            (stands != x) | (code != np.rint(code)), name, x, "must be a value of its quantiser",
            "the model has no quantiser on this input, so quantise the values first",
        )  # fmt: skip
    return np.broadcast_to(code, x.shape).astype(np.int64)


def _shape(name: str, x: np.ndarray, port: InputPort) -> None:
    shape = port.shape
    if x.shape[1:] != shape or not x.ndim:
        want = "(N, " + ", ".join(map(str, shape)) + ")"
        raise ThresherError(
            f"input '{name}' must have shape {want}, not {x.shape}; "
            "stack the samples along a leading axis"
        )


def _interval(name: str, code: np.ndarray, x: np.ndarray, port: InputPort) -> None:
    lo, hi = port.tensor.lo, port.tensor.hi
    if code.size and not (code.min() >= lo and code.max() <= hi):
        rule = f"must have codes in [{lo}, {hi}]"
        _refuse(~((code >= lo) & (code <= hi)), name, x, rule, "clip or rescale the values")


def _refuse(bad: np.ndarray, name: str, x: np.ndarray, rule: str, remedy: str) -> None:
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ThresherError(f"input '{name}' {rule}, not {x[at]} at index {at}; {remedy}")


def _same_names(want: object, found: object, what: str) -> None:
    wanted, given = set(want), set(found)  # type: ignore[call-overload]
    if wanted - given:
        raise ThresherError(
            f"{what} must hold '{min(wanted - given)}', which is missing; give all of "
            f"{sorted(wanted)}"
        )
    if given - wanted:
        raise ThresherError(
            f"{what} must be among {sorted(wanted)}, not '{min(given - wanted)}'; remove it"
        )


def _same_count(arrays: Mapping[str, np.ndarray]) -> None:
    counts = {name: len(a) for name, a in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ThresherError(
            f"inputs must hold one number of samples, not {counts}; give all the same N"
        )
