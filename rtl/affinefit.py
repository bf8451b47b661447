"""Integer constants that make a step function an affine one, by exact reasoning.

A step function that rises is ``clip((m * a + b) >> s, bottom, top)`` on its whole interval if and
only if it is so on both sides of each of its steps, since both only rise:

- m * t + b >= k * 2**s, where a = t is the least argument whose value is at least k;
- m * t + b < k * 2**s, where a = t is the greatest argument whose value is below k.

For each s these are half-planes of (m, b). Eliminating b (Fourier and Motzkin) leaves bounds of
m / 2**s, which do not depend on s, as all numbers are integers: `slope_bounds`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from thresher.rtl.stepfunction import StepFunction

__all__ = ["Bounds", "Limits", "offset_interval", "roundest", "slope_bounds", "step_limits"]


@dataclass(frozen=True)
class Limits:
    """What a rising step function asks of ``m * a + b``, in units of 2**s.

    :param least: pairs (a, k): at least k there.
    :param most: pairs (a, k): below k there.
    """

    least: tuple[tuple[int, int], ...]
    most: tuple[tuple[int, int], ...]

    def hold(self, m: int, b: int, s: int) -> bool:
        """Whether ``(m * a + b) >> s``, clipped, is the step function."""
        return (
            m >= 0
            and all((m * a + b) >> s >= k for a, k in self.least)
            and all((m * a + b) >> s < k for a, k in self.most)
        )


@dataclass(frozen=True)
class Bounds:
    """Bounds of a slope m / 2**s, which it must not reach; `high` is None where there is none."""

    low: Fraction
    high: Fraction | None

    def factors(self, s: int) -> range:
        """Every m between the bounds; where there is no upper one, the least m alone."""
        first = int(self.low * (1 << s)) + 1 if self.low >= 0 else 0
        if self.high is None:
            return range(first, first + 1)
        end = self.high * (1 << s)
        return range(first, -int(-end // 1))


def step_limits(function: StepFunction) -> tuple[list[Limits], int] | None:
    """Per channel the limits, and the sign of the steps: -1 where they are those of ``~a``.

    :returns: None where the function both rises and falls.
    """
    unit = function.unit_steps()
    if unit is None:
        return None
    lo, hi = function.lo, function.hi
    found = []
    for row in unit.thresholds.tolist():
        if unit.sign > 0:
            steps = [(t - 1, t, unit.base + k + 1) for k, t in enumerate(row)]
        else:
            steps = [(-t - 1, -t, unit.base - k) for k, t in enumerate(row)]
        low, high = (lo, hi) if unit.sign > 0 else (~hi, ~lo)
        found.append(
            Limits(
                tuple((a, k) for _, a, k in steps if low <= a <= high),
                tuple((a, k) for a, _, k in steps if low <= a <= high),
            )
        )
    return found, unit.sign


def _extreme(rises: np.ndarray, runs: np.ndarray, sign: int) -> Fraction | None:
    """The greatest (sign 1) or least (sign -1) of the quotients, exactly; None if there is none."""
    if not rises.size:
        return None
    quotients = sign * rises / runs
    close = quotients >= quotients.max() - 1e-12 * np.abs(quotients).max()
    pairs = zip(rises[close].tolist(), runs[close].tolist(), strict=True)
    exact = [Fraction(rise, run) for rise, run in pairs]
    return max(exact) if sign > 0 else min(exact)


def slope_bounds(limits: Limits) -> Bounds | None:
    """The bounds of m / 2**s, in between which there is a b for every integer m; None: empty."""
    least = np.array(limits.least, np.int64).reshape(-1, 2)
    most = np.array(limits.most, np.int64).reshape(-1, 2)
    runs = least[:, :1] - most[:, 0]
    rises = least[:, 1:] - most[:, 1]
    if (rises[runs == 0] >= 0).any():
        return None
    low = _extreme(rises[runs > 0], runs[runs > 0], 1)
    high = _extreme(-rises[runs < 0], -runs[runs < 0], -1)
    low = Fraction(-1) if low is None or low < 0 else low
    if high is not None and (high <= 0 or low >= high):
        return None
    return Bounds(low, high)


def offset_interval(limits: Limits, m: int, s: int) -> tuple[int, int]:
    """The least and the greatest b for this m; unbounded sides are 0 steps away from the other."""
    least = [(k << s) - m * a for a, k in limits.least]
    most = [(k << s) - 1 - m * a for a, k in limits.most]
    low = max(least) if least else min(most, default=0)
    return low, min(most) if most else low


def roundest(low: int, high: int) -> int:
    """The integer in [low, high] with the most zero bits at its end."""
    for zeros in range(max(abs(low), abs(high)).bit_length(), 0, -1):
        candidate = -(-low >> zeros) << zeros
        if candidate <= high:
            return candidate
    return low


def narrowest(bounds: Sequence[Bounds], most_shift: int) -> int | None:
    """The least s for which each of these has a factor, no more than `most_shift`."""
    for s in range(most_shift + 1):
        if all(b.factors(s) for b in bounds):
            return s
    return None
