"""Closing: from a pending float32 expression of an integer to its exact step function.

1. Where the interval is small, the expression is evaluated at every integer.
2. Where it is not, and the expression is monotone, each level's threshold is found by bisection on
   the integers, with the float32 expression itself as the judge.
3. A wide interval and an expression that is not known to be monotone: refused.
"""

import numpy as np

from thresher.compiler import analysis
from thresher.compiler import expr as ex
from thresher.compiler.expr import Expr
from thresher.rtl.stepfunction import StepFunction

__all__ = ["NotMonotone", "NotFinite", "find_steps"]

_DENSE = 1 << 21
_CACHE: dict[tuple[object, ...], StepFunction] = {}
_CACHE_SIZE = 4096
_LEVELS = 1 << 16


class NotMonotone(Exception):
    """The expression is not known to be monotone and its interval is too wide to tabulate."""


class NotFinite(Exception):
    """The expression gives NaN, an infinity or a huge number somewhere on the interval."""


def find_steps(
    expr: Expr, lo: int, hi: int, shape: tuple[int, ...]
) -> tuple[StepFunction, np.ndarray | None]:
    """The step function of an integer-valued expression on [lo, hi].

    :param shape: shape of the tensor; constants in `expr` broadcast to it.
    :returns: the function, and the channel of each element (int64, broadcasts to `shape`) or None.
    :raises NotMonotone: see the module's text.
    :raises NotFinite: where a value is no number.
    """
    varying = np.broadcast_shapes((1,) * len(shape), *(c.shape for c in ex.constants(expr)))
    channels = int(np.prod(varying, dtype=np.int64))
    flat = ex.map_constants(
        expr, lambda c: np.broadcast_to(c, varying).reshape(-1, 1) if c.size > 1 else c.reshape(-1)
    )
    cache_key = (ex.key(flat), lo, hi)
    function = _CACHE.get(cache_key)
    if function is None:
        function = _find(flat, lo, hi, channels)
        if len(_CACHE) >= _CACHE_SIZE:
            _CACHE.clear()
        _CACHE[cache_key] = function
    if function.channels == 1:
        return function, None
    return function, np.arange(channels, dtype=np.int64).reshape(varying)


def _find(expr: Expr, lo: int, hi: int, channels: int) -> StepFunction:
    if channels * (hi - lo + 1) <= _DENSE:
        table = _values(expr, np.arange(lo, hi + 1)[None, :])
        return StepFunction.from_table(lo, np.broadcast_to(table, (channels, hi - lo + 1)))
    return _monotone_steps(expr, lo, hi, channels)


def _monotone_steps(expr: Expr, lo: int, hi: int, channels: int) -> StepFunction:
    """Case 2; each channel may rise or fall."""
    way = analysis.monotone(expr)
    if way is None:
        raise NotMonotone(f"[{lo}, {hi}]")
    falls = np.broadcast_to(way.reshape(-1) < 0, (channels,))
    parts = [
        (np.flatnonzero(falls == down), _bisect(_channels(expr, falls == down), lo, hi, down))
        for down in (False, True)
        if (falls == down).any()
    ]
    most = max(f.thresholds.shape[1] for _, f in parts)
    thresholds = np.full((channels, most), hi + 1, dtype=np.int64)
    values = np.empty((channels, most + 1), dtype=np.int64)
    for at, function in parts:
        count = function.thresholds.shape[1]
        thresholds[at, :count] = function.thresholds
        values[at, : count + 1] = function.values
        values[at, count + 1 :] = function.values[:, -1:]
    return StepFunction(lo, hi, thresholds, values).minimal()


def _channels(expr: Expr, chosen: np.ndarray) -> Expr:
    """The expression of some of the channels; constants are (C, 1) or (1,)."""
    return ex.map_constants(expr, lambda c: c[chosen] if len(c) > 1 else c)


def _values(expr: Expr, at: np.ndarray) -> np.ndarray:
    values = ex.evaluate(expr, at)
    if not np.isfinite(values).all() or np.abs(values).max() > 2.0**53:
        raise NotFinite
    return np.rint(values).astype(np.int64)


def _bisect(expr: Expr, lo: int, hi: int, falls: bool) -> StepFunction:
    """For each level the least input that reaches it; all channels and levels at once."""
    sign = -1 if falls else 1
    first, last = (sign * _values(expr, np.array([[end]])) for end in (lo, hi))
    bottom, top = int(first.min()), int(last.max())
    if top - bottom > _LEVELS:
        raise NotMonotone(f"{top - bottom + 1} levels on [{lo}, {hi}]")
    levels = np.arange(bottom + 1, top + 1)[None, :]
    low = np.full((first.shape[0], levels.size), lo - 1, dtype=np.int64)  # not reached
    high = np.full_like(low, hi + 1)  # reached, or beyond the end
    while (high - low > 1).any():
        middle = (low + high) // 2
        hit = (sign * _values(expr, np.clip(middle, lo, hi)) >= levels) & (middle >= lo)
        high = np.where(hit | (middle > hi), middle, high)
        low = np.where(hit | (middle > hi), low, middle)
    return StepFunction(lo, hi, high, sign * (bottom + np.arange(levels.size + 1))[None, :])
