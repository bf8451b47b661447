"""An area estimate for the adder trees of `thresher.rtl.addertree`."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth.hdl import Shape

from thresher.rtl.addertree import Term, join, leaves, levels_of, widths
from thresher.rtl.kernel import Resources
from thresher.rtl.operators import sum_luts

__all__ = ["forest_resources", "trees_resources"]


@dataclass(frozen=True, slots=True)
class _Summand:
    """A term, and what tells it apart: equal ones are made once, whatever their shifts.

    :param constant: it is this number, or None.
    """

    term: Term
    key: Hashable
    constant: int | None = None


class _Count:
    """What has been made of all trees so far."""

    def __init__(self) -> None:
        self.sums: dict[Hashable, int] = {}
        self.registers: dict[Hashable, int] = {}
        self.lut = 0

    def summand(self, term: Term) -> _Summand:
        """A term as it comes."""
        value = int(np.min(term.lo))
        if term.source is None and value == np.max(term.hi):
            value = -value if term.negative else value
            return _Summand(term, ("constant", value), value)
        return _Summand(term, object() if term.source is None else ("source", term.source))

    def joined(self, a: _Summand, b: _Summand, width: int) -> _Summand:
        """The sum."""
        term = join(a.term, b.term, width, made=False)
        if b.constant is not None:
            a, b = b, a
        if a.constant is not None:  # the bits of a constant below the other summand need nothing
            term = replace(term, shift=b.term.shift)
        bits = term.shape(width).width - term.shift
        apart = a.term.negative != b.term.negative
        signs = apart and a.term.negative, apart
        key = a.key, b.key, a.term.shift - b.term.shift, signs, bits
        if key not in self.sums:
            self.sums[key] = len(self.sums)
            self.lut += _luts(a, b, term.shape(width).width)
        return _Summand(term, self.sums[key])

    def register(self, summand: _Summand, stage: int, width: int) -> None:
        """Keep a summand to the next stage."""
        if summand.constant is None:
            bits = summand.term.shape(width).width - summand.term.shift
            key = stage, summand.key
            self.registers[key] = max(bits, self.registers.get(key, 0))


def _luts(a: _Summand, b: _Summand, width: int) -> int:
    """LUTs of the lowest `width` bits of a sum; of a constant, for the bits that are 1."""
    if a.constant is not None:
        bits = max(0, width - b.term.shift)
        ones = ((a.constant >> b.term.shift) & ((1 << bits) - 1)).bit_count()
        return bits if b.term.negative else ones
    op = "add" if a.term.negative == b.term.negative else "rsub" if a.term.negative else "sub"
    return sum_luts(op, _operand(a.term, width), _operand(b.term, width), width)


def _operand(term: Term, width: int) -> tuple[Shape, int]:
    """Shape above the bits that are always 0, and their number."""
    shape = term.shape(width)
    return Shape(max(1, shape.width - term.shift), shape.signed), term.shift


def trees_resources(
    trees: Sequence[Sequence[Term]],
    *,
    widths: Sequence[int],
    stages: int,
) -> Resources:
    """The estimate for `sum_terms` of each of these: adders, and an FF per bit of register.

    The synthesiser makes equal sums once, and equal registers: those of terms whose `source`, or of
    sums whose terms differ in nothing but a common shift.

    :param widths: of the sums.
    :param stages: register stages of each.
    """
    count = _Count()
    for terms, width in zip(trees, widths, strict=True):
        level = [count.summand(term) for term in leaves(terms)]
        for stage, levels in enumerate(levels_of(len(level), stages)):
            for _ in range(levels):
                pairs = zip(level[::2], level[1::2], strict=False)
                made = [count.joined(a, b, width) for a, b in pairs]
                level = made + level[2 * len(made) :]
            for summand in level:
                count.register(summand, stage, width)
    return Resources(lut=count.lut, ff=sum(count.registers.values()))


def forest_resources(
    lo: np.ndarray,
    hi: np.ndarray,
    *,
    width: np.ndarray,
    stages: int,
    in_dsp: bool,
    after_dsp: bool,
) -> Resources:
    """The estimate for trees of equally many products each, none shifted, subtracted or shared.

    :param lo: int64 (trees, terms, folds), the least values; there may be no term.
    :param width: int64 (trees,), of the sums.
    :param in_dsp: DSP blocks make the products, and the first level of sums themselves.
    :param after_dsp: see `thresher.rtl.addertree.levels_of`.
    """
    if lo.shape[1] == 0:
        lo = hi = np.zeros((len(width), 1, 1), np.int64)

    def bits(count: int) -> int:
        found = widths(lo[:, :count].min(axis=2), hi[:, :count].max(axis=2))
        return int(np.minimum(found, width[:, None]).sum())

    lut = ff = 0
    for stage, levels in enumerate(levels_of(lo.shape[1], stages, after_dsp=after_dsp)):
        for step in range(levels):
            pairs = lo.shape[1] // 2
            lo, hi = (
                np.concatenate([e[:, : 2 * pairs : 2] + e[:, 1::2], e[:, 2 * pairs :]], axis=1)
                for e in (lo, hi)
            )
            if not (in_dsp and stage == step == 0):
                lut += bits(pairs)
        if not (in_dsp and stage == 0 and levels == 1):
            ff += bits(lo.shape[1])
    return Resources(lut=lut, ff=ff)
