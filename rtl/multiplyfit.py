"""Constants of affine steps by channel that one DSP multiplies, found and proven exactly.

A DSP48E1 multiplies 18 by 25 signed bits. Where argument and factors have more, both are cut:

    f(a) = m_high * a_high << low + below       m_high = m >> low, a_high = a >> below
         + m_part * a_low << part               m_part = m >> part, a_low = a modulo 2**below
         + m_low * a_top << top                 m_low = m modulo 2**low, a_top = a >> top, moved
         + b + 2**(low + below)                 such that it is never negative

The two products in the middle are small, since `part` and `top` are as great as they can be: they
are a few conditional additions. The lowest 1 of the last operand keeps Yosys from leaving out the
lower bits of the last addition, and so from making it outside of the DSP. It stands in a bit of its
own: `part`, `top` and the zeros at the end of b are greater than low + below.

f only rises, so it is proven by looking at both sides of each step, as `thresher.rtl.affinefit`
says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thresher.rtl.affinefit import Limits, narrowest, roundest, slope_bounds

__all__ = ["MultiplyPlan", "Split", "plan_multiply"]

_WIDE, _NARROW = 25, 18  # signed operands of a DSP48E1
_RESULT = 60  # bits: all is exact in int64
_MOST_SHIFT = 44
_SHIFTS, _FACTORS = 3, 8
_MOST_SUMMANDS = 7  # with the offset a tree of three adders in a row


@dataclass(frozen=True)
class Split:
    """Where factors of `bits` and arguments of `width` bits are cut; see the module's text."""

    width: int
    bits: int
    low: int = 0
    below: int = 0
    part: int = 0
    top: int = 0

    @property
    def parts(self) -> tuple[int, int]:
        """Bits of m_part and of a_top; 0 where there is no such product."""
        return (self.bits - self.part) * (self.below > 0), (self.width - self.top) * (self.low > 0)

    @property
    def luts(self) -> int:
        """LUTs of the small products."""
        part, top = self.parts
        return self.below * part + self.low * top

    @property
    def unit(self) -> int:
        """What is added to the large product is a multiple of 2**unit, but for its lowest 1."""
        ends = ([self.part] if self.below else []) + ([self.top] if self.low else [])
        return min(ends, default=1)

    def product(self, m: int, a: np.ndarray) -> np.ndarray:
        """f(a) - b, int64."""
        total = ((m >> self.low) * (a >> self.below)) << (self.low + self.below)
        if self.below:
            total = total + (((m >> self.part) * (a & ((1 << self.below) - 1))) << self.part)
        if self.low:
            moved = (a >> self.top) + (1 << (self.width - self.top - 1))
            total = total + (((m & ((1 << self.low) - 1)) * moved) << self.top)
        return total

    def rises(self, m: int) -> bool:
        """Whether f never falls: within 2**below arguments, and from these to the next."""
        step = (m >> self.low) << (self.low + self.below)
        return m >= 0 and step >= (m >> self.part << self.part) * ((1 << self.below) - 1)


@dataclass(frozen=True)
class MultiplyPlan:
    """``clip(f(a) >> s)``.

    :param factors: m by channel.
    :param offsets: b by channel, multiples of 2**split.unit.
    """

    s: int
    split: Split
    factors: tuple[int, ...]
    offsets: tuple[int, ...]

    def values(self, channel: int, a: np.ndarray) -> np.ndarray:
        """``f(a) >> s``, int64."""
        one = 1 << self.split.low + self.split.below
        total = self.split.product(self.factors[channel], a) + self.offsets[channel] + one
        return total >> self.s


class _Channel:
    """The limits of one channel as arrays."""

    def __init__(self, limits: Limits, factors: Sequence[int]) -> None:
        self.least = np.array(limits.least, np.int64).reshape(-1, 2)
        self.most = np.array(limits.most, np.int64).reshape(-1, 2)
        self.factors = factors

    def offsets(self, split: Split, s: int, m: int) -> tuple[int, int] | None:
        """The least and greatest multiple of 2**unit that is an exact b for this factor."""
        if not split.rises(m):
            return None
        one = 1 << split.low + split.below
        lows = (self.least[:, 1] << s) - one - split.product(m, self.least[:, 0])
        highs = (self.most[:, 1] << s) - 1 - one - split.product(m, self.most[:, 0])
        low = int(lows.max()) if lows.size else int(highs.min()) if highs.size else 0
        low = -(-low >> split.unit) << split.unit
        high = int(highs.min()) >> split.unit << split.unit if highs.size else low
        return (low, high) if low <= high else None

    def fit(self, split: Split, s: int) -> tuple[int, tuple[int, int]] | None:
        """The factor and its offsets where there is most room for these."""
        found = [(m, self.offsets(split, s, m)) for m in self.factors]
        exact = [(m, ends) for m, ends in found if ends is not None]
        return max(exact, key=lambda f: f[1][1] - f[1][0], default=None)


def _splits(width: int, bits: int) -> Iterator[Split]:
    """Every way to cut, the cheapest first: `width` bits of argument, `bits` of factor."""
    cuts = []
    for wide, narrow in ((width, bits + 1), (bits + 1, width)):
        over = max(0, wide - _WIDE), max(0, narrow - _NARROW)
        below, low = over if wide == width else over[::-1]
        if low + below > _MOST_SUMMANDS:
            continue
        parts = range(max(0, bits - 12), bits - 2) if below else [0]
        tops = range(max(0, width - 8), width - 1) if low else [0]
        cuts += [Split(width, bits, low, below, part, top) for part in parts for top in tops]
    fitting = (c for c in cuts if c.unit > c.low + c.below)
    yield from sorted(fitting, key=lambda c: c.luts)


def _offsets(ends: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """One offset for all channels where there is one, else each with few digits."""
    low, high = max(e[0] for e in ends), min(e[1] for e in ends)
    return (roundest(low, high),) * len(ends) if low <= high else tuple(roundest(*e) for e in ends)


def plan_multiply(limits: Sequence[Limits], width: int) -> MultiplyPlan | None:
    """The plan for arguments of `width` signed bits; None where there is none."""
    bounds = [b for b in map(slope_bounds, limits) if b is not None]
    least = narrowest(bounds, _MOST_SHIFT) if len(bounds) == len(limits) else None
    if least is None:
        return None
    best: MultiplyPlan | None = None
    for s in range(least, min(least + _SHIFTS, _MOST_SHIFT + 1)):
        factors = [b.factors(s)[:_FACTORS] for b in bounds]
        bits = max(1, max(f[0] for f in factors).bit_length())
        if width + bits > _RESULT:
            break
        channels = [
            _Channel(row, [m for m in choice if m.bit_length() <= bits])
            for row, choice in zip(limits, factors, strict=True)
        ]
        for split in _splits(width, bits):
            if best is not None and split.luts + bits >= best.split.luts + best.split.bits:
                break
            fits = []
            for channel in channels:
                fit = channel.fit(split, s)
                if fit is None:
                    break
                fits.append(fit)
            else:
                offsets = _offsets([ends for _, ends in fits])
                best = MultiplyPlan(s, split, tuple(m for m, _ in fits), offsets)
    return best
