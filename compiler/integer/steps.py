"""Normal form of a step function on a given interval."""

from functools import lru_cache

import numpy as np

from thresher.rtl.stepfunction import StepFunction

__all__ = ["is_identity", "narrowed"]


def narrowed(
    function: StepFunction, channel: np.ndarray | None, lo: int, hi: int
) -> tuple[StepFunction, np.ndarray | None]:
    """The minimal equal function on [lo, hi], with none but the channels that are used.

    :param channel: channel of each element, or None for channel 0.
    :returns: the function and its channels; None where all elements share one.
    """
    rows = np.zeros(1, np.int64) if channel is None else np.unique(channel)
    if rows.size and not 0 <= rows[0] <= rows[-1] < function.channels:
        raise ValueError(f"channel must be in [0, {function.channels}), not {rows[-1]}")
    if function.channels == 1:
        return _minimal(function, lo, hi), None
    if len(rows) < function.channels:
        shared = len(function.values) == 1
        values = function.values if shared else function.values[rows]
        function = StepFunction(function.lo, function.hi, function.thresholds[rows], values)
        channel = None if channel is None else np.searchsorted(rows, channel)
    function = _minimal(function, lo, hi)
    return function, None if function.channels == 1 else channel


@lru_cache(maxsize=512)
def _minimal(function: StepFunction, lo: int, hi: int) -> StepFunction:
    return StepFunction(lo, hi, function.thresholds, function.values).minimal()


def is_identity(function: StepFunction) -> bool:
    """Whether a minimal function gives back every integer of its interval."""
    size = function.hi - function.lo
    return (
        function.channels == 1
        and function.thresholds.shape[1] == size
        and bool((function.values[0] == np.arange(function.lo, function.hi + 1)).all())
    )
