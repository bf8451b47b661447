"""Step functions that differ between channels by an offset of the argument only: found exactly.

Thresholds t[c, k] are those of one step function of ``x = (a << s) + b[c]`` if and only if there
are u[k] with

    (t[c, k] - 1 << s) + b[c] < u[k] <= (t[c, k] << s) + b[c]           for all c and k.

Without the u[k] these are difference constraints, ``b[c] - b[d] < (t[d, k] - t[c, k] + 1) << s``,
which shortest paths solve or refute (Bellman 1958). This is what a sum with a float bias leaves of
one quantiser or activation.
"""

from dataclasses import dataclass

import numpy as np

from thresher.rtl.stepfunction import StepFunction

__all__ = ["OffsetPlan", "plan_offsets"]

_MOST_SHIFT = 8
_MOST_CHANNELS = 256
_FAR = np.int64(1) << 60


@dataclass(frozen=True)
class OffsetPlan:
    """``f(a, channel c) = inner((a << s) + offsets[c])``."""

    s: int
    offsets: tuple[int, ...]
    inner: StepFunction


def _differences(t: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """int64 (C, C): b[c] - b[d] must be below 2**s times this, where it is less than `_FAR`."""
    result = np.full((len(t), len(t)), _FAR)
    above, below = t > lo, t <= hi  # a bound from below for c, from above for d
    for c in range(len(t)):
        bound = np.where(above[c] & below, t - t[c] + 1, _FAR)
        result[c] = bound.min(axis=1, initial=_FAR)
    np.fill_diagonal(result, _FAR)
    return result


def _solved(differences: np.ndarray, s: int) -> np.ndarray | None:
    """Offsets that keep all constraints, the least 0; None where there are none."""
    known = differences < _FAR
    longest = np.where(known, (differences << s * known) - 1, _FAR)
    paths = longest.copy()
    for via in range(len(paths)):
        paths = np.minimum(paths, paths[:, via, None] + paths[None, via])
        if (np.diagonal(paths) < 0).any():
            return None
    offsets = np.minimum(paths.min(axis=1), 0)
    return offsets - offsets.min()


def plan_offsets(function: StepFunction) -> OffsetPlan | None:
    """The plan with the least s, proven at every threshold; None where there is none."""
    unit = function.unit_steps()
    if unit is None or not 1 < function.channels <= _MOST_CHANNELS:
        return None
    t, lo, hi = unit.thresholds, function.lo, function.hi
    differences = _differences(t, lo, hi)
    for s in range(_MOST_SHIFT + 1):
        offsets = _solved(differences, s)
        if offsets is not None:
            return _plan(unit.thresholds, offsets, s, function, unit.base, unit.sign)
    return None


def _plan(
    t: np.ndarray, offsets: np.ndarray, s: int, function: StepFunction, base: int, sign: int
) -> OffsetPlan:
    lo, hi = function.lo, function.hi
    b = offsets[:, None]
    least, most = (lo << s) + int(b.min()), (hi << s) + int(b.max())
    below = np.where(t > lo, (np.minimum(t, hi + 1) - 1 << s) + b, least - 1)
    u = below.max(axis=0) + 1
    assert ((t > hi) | (u <= (t << s) + b)).all(), "the constraints were kept"
    values = base + sign * np.arange(t.shape[1] + 1)
    inner = StepFunction(least, most, u[None], values[None]).minimal()
    return OffsetPlan(s, tuple(offsets.tolist()), inner)
