"""An area estimate for the adder trees of `thresher.rtl.addertree`."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth.hdl import Shape

from thresher.rtl.addertree import Term, join, leaves, levels_of, widths
from thresher.rtl.kernel import Resources
from thresher.rtl.operators import sum_luts

__all__ = ["forest_resources", "planned_resources", "trees_resources"]


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
    single_last: bool = False,
    borrows: int = 0,
) -> Resources:
    """The estimate for trees of equally many products each, none shifted, subtracted or shared.

    A borrow takes a LUT of the adder that takes it in, and an FF in each stage before.

    :param lo: int64 (trees, terms, folds), the least values; there may be no term.
    :param width: int64 (trees,), of the sums.
    :param in_dsp: DSP blocks make the products, and the first level of sums themselves.
    :param after_dsp: see `thresher.rtl.addertree.levels_of`.
    :param single_last: likewise.
    :param borrows: how many terms, the first ones, have a borrow.
    """
    if lo.shape[1] == 0:
        lo = hi = np.zeros((len(width), 1, 1), np.int64)

    def bits(count: int) -> int:
        least = lo[:, :count].min(axis=2) - (np.arange(min(count, lo.shape[1])) < borrows)
        found = widths(least, hi[:, :count].max(axis=2))
        return int(np.minimum(found, width[:, None]).sum())

    lut = ff = 0
    split = levels_of(lo.shape[1], stages, after_dsp=after_dsp, single_last=single_last)
    for stage, levels in enumerate(split):
        for step in range(levels):
            pairs = lo.shape[1] // 2
            lo, hi = (
                np.concatenate([e[:, : 2 * pairs : 2] + e[:, 1::2], e[:, 2 * pairs :]], axis=1)
                for e in (lo, hi)
            )
            taken, borrows = _borrows(borrows, pairs)
            if not (in_dsp and stage == step == 0):
                lut += bits(pairs) + len(width) * taken
        if not (in_dsp and stage == 0 and levels == 1):
            ff += bits(lo.shape[1]) + len(width) * borrows
    return Resources(lut=lut, ff=ff)


def _borrows(count: int, pairs: int) -> tuple[int, int]:
    """Of so many terms with a borrow, the first ones: those that pairs take in, those left."""
    taken = min(pairs, -(-count // 2))
    return taken, count - taken


def planned_resources(
    plans: Sequence[Sequence[Term]],
    *,
    folds: int,
    width: np.ndarray,
    stages: int,
    single_last: bool,
) -> Resources:
    """The estimate for trees of terms none of which is shifted, subtracted or shared.

    Those with a borrow come first.

    :param plans: the terms of each tree, with an interval for each fold or one for all.
    :param width: int64 (trees,), of the sums.
    :param single_last: see `thresher.rtl.addertree.levels_of`.
    """
    kinds: dict[tuple[int, int], list[int]] = {}
    for k, plan in enumerate(plans):
        borrows = sum(term.borrow is not None for term in plan)
        kinds.setdefault((len(plan), borrows), []).append(k)
    total = Resources()
    for (count, borrows), trees in kinds.items():
        lo, hi = np.zeros((2, len(trees), count, folds), np.int64)
        for k, tree in enumerate(trees):
            for row, term in enumerate(plans[tree]):
                lo[k, row], hi[k, row] = term.lo, term.hi
        total += forest_resources(
            lo, hi, width=width[trees], stages=stages, in_dsp=False, after_dsp=False,
            single_last=single_last, borrows=borrows,
        )  # fmt: skip
    return total
