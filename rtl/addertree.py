"""Pipelined sums: a tree of adders, two levels a register stage, each as narrow as it can be.

Of products that DSP blocks make, the first level is a stage alone: the block adds two products
itself, and no adder of LUTs fits behind that one.

The interval of every partial sum is exact, taken fold by fold; above the width of the whole sum
all is cut off, as sums modulo 2**width stay right.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed

from thresher.rtl.kernel import element_shape

__all__ = [
    "Term",
    "join",
    "leaves",
    "levels_of",
    "plus_bit",
    "product_terms",
    "signed_digits",
    "stages_of",
    "sum_terms",
    "tree_stages",
    "widths",
]

_LEVELS_A_STAGE = 2


@dataclass(frozen=True, eq=False)
class Term:
    """A summand.

    :param value: what is summed.
    :param lo: int64, the least value in each fold (an array of any one shape), or an int.
    :param hi: the greatest.
    :param negative: the summand is subtracted.
    :param shift: its lowest bits that are always 0.
    :param borrow: a bit that is still to be added, of a value that may thus be less than `lo` by
        1; such a term is neither subtracted nor shifted.
    :param source: what it is a multiple of, by a power of two: equal ones can be made once. None
        where nobody needs to know.
    """

    value: Value
    lo: np.ndarray | int
    hi: np.ndarray | int
    negative: bool = False
    shift: int = 0
    source: Hashable = None
    borrow: Value | None = None

    def shape(self, width: int | None = None) -> Shape:
        """The narrowest shape; of sums modulo 2**width, no wider than that."""
        lo = self.lo if isinstance(self.lo, int) else int(self.lo.min())
        lo -= self.borrow is not None
        shape = element_shape(lo, self.hi if isinstance(self.hi, int) else int(self.hi.max()))
        return shape if width is None or shape.width <= width else signed(width)


def signed_digits(number: int) -> list[tuple[int, bool]]:
    """The canonical signed digits of an int: (shift, negative) per digit that is not 0.

    No two digits are neighbours, so no other sum of powers of two has fewer (Reitwiesner, 1960).
    """
    digits = []
    shift = 0
    while number:
        if number & 1:
            digit = 2 - (number & 3)  # 1 where the two lowest bits are 01, else -1
            digits.append((shift, digit < 0))
            number -= digit
        number >>= 1
        shift += 1
    return digits


def product_terms(
    value: Value, lo: int, hi: int, factor: int, source: Hashable = None, *, made: bool = True
) -> list[Term]:
    """`value * factor` as shifted summands, for `value` in [lo, hi].

    :param source: of the terms.
    :param made: with their values; else all of them but these.
    """
    return [
        Term(value << shift if made else value, lo << shift, hi << shift, negative, shift, source)
        for shift, negative in signed_digits(factor)
    ]


def join(a: Term, b: Term, width: int, *, made: bool = True) -> Term:
    """The sum of two terms; where it is not `made`, all but its value.

    Of two borrows it takes one in, and has the other.
    """
    shift = min(a.shift, b.shift)
    if a.negative == b.negative:
        taken, left = (b.borrow, None) if a.borrow is None else (a.borrow, b.borrow)
        total = Term(a.value, a.lo + b.lo, a.hi + b.hi, a.negative, shift, borrow=left)
    else:
        assert a.borrow is b.borrow is None, "only of products, which are never subtracted"
        plus, minus = (b, a) if a.negative else (a, b)
        total = Term(a.value, plus.lo - minus.hi, plus.hi - minus.lo, shift=shift)
    if not made:
        return total
    same = a.negative == b.negative
    value = plus_bit(a.value, b.value, taken) if same else plus.value - minus.value
    shape = total.shape(width)
    bits = value[: shape.width]
    return replace(total, value=bits.as_signed() if shape.signed else bits)


def plus_bit(a: Value, b: Value, bit: Value | None) -> Value:
    """The sum of both and of a bit, if there is one, in one adder that is a bit longer."""
    if bit is None:
        return a + b
    longer = [Cat(Const(1, 1), a), Cat(bit, b)]
    signs = [
        value.as_signed() if of.shape().signed else value
        for value, of in zip(longer, (a, b), strict=True)
    ]
    return (signs[0] + signs[1])[1:]


def leaves(terms: Sequence[Term]) -> list[Term]:
    """The terms, and a zero to subtract from where all are subtracted."""
    if all(term.negative for term in terms):
        return [Term(Const(0), 0, 0), *terms]
    return list(terms)


def _next_level(level: list[Term], width: int, *, made: bool = True) -> list[Term]:
    pairs = [join(level[k], level[k + 1], width, made=made) for k in range(0, len(level) - 1, 2)]
    return pairs + level[2 * len(pairs) :]


def levels_of(
    count: int, stages: int, *, after_dsp: bool = False, single_last: bool = False
) -> list[int]:
    """Levels of adders in each stage.

    A single one, where their number is odd, comes first.

    :param stages: at least so many; those to spare have no level.
    :param after_dsp: the summands are products of DSP blocks, so that a single one comes first in
        any case.
    :param single_last: a single one, where their number is odd, comes last, so that fewer sums
        need registers; for summands from registers without logic behind.
    """
    depth = (count - 1).bit_length()
    first = 0 if single_last else depth % _LEVELS_A_STAGE
    if after_dsp and depth:
        first = 1
    pairs, last = divmod(depth - first, _LEVELS_A_STAGE)
    levels = [1] * first + [_LEVELS_A_STAGE] * pairs + [1] * last
    return levels + [0] * (stages - len(levels))


def tree_stages(terms: Sequence[Term]) -> int:
    """Register stages that the sum of these terms needs; none for a single one or none at all."""
    return stages_of(len(leaves(terms)))


def stages_of(count: int, *, after_dsp: bool = False) -> int:
    """Register stages that the sum of so many terms needs, of which not all are subtracted."""
    return len(levels_of(max(1, count), 0, after_dsp=after_dsp))


def widths(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """int64: of each interval the width of `element_shape`."""
    powers = 1 << np.arange(63)
    positive = np.searchsorted(powers, np.maximum(hi, 0), side="right")
    negative = np.searchsorted(powers, np.maximum(-lo - 1, 0), side="right")
    return np.where(lo < 0, np.maximum(positive, negative) + 1, np.maximum(positive, 1))


def sum_terms(
    m: Module,
    terms: Sequence[Term],
    *,
    width: int,
    enables: Sequence[Signal],
    name: str,
    after_dsp: bool = False,
    single_last: bool = False,
) -> Term:
    """Add the sum of `terms`, modulo 2**width, to `m`.

    :param enables: one per register stage, as `elastic_stages` gives them; at least
        `stages_of` the terms, and stages to spare come last.
    :param after_dsp: see `levels_of`.
    :param single_last: see `levels_of`.
    :returns: the sum, in the last stage's register; with a borrow, where all terms have one.
    """
    level = leaves(terms)
    split = levels_of(len(level), len(enables), after_dsp=after_dsp, single_last=single_last)
    for stage, levels in enumerate(split):
        for _ in range(levels):
            level = _next_level(level, width)
        registered = []
        for k, term in enumerate(level):
            register = Signal(term.shape(width), name=f"{name}_{stage}_{k}")
            with m.If(enables[stage]):
                m.d.sync += register.eq(term.value)
            borrow = term.borrow
            if borrow is not None:
                borrow = Signal(name=f"{name}_{stage}_{k}_borrow")
                with m.If(enables[stage]):
                    m.d.sync += borrow.eq(term.borrow)
            registered.append(replace(term, value=register, borrow=borrow))
        level = registered
    return level[0]
