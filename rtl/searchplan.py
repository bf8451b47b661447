"""Plans of a search among constant thresholds: exact integer reasoning, no hardware.

Let t[0] <= ... <= t[2**bits - 2] be thresholds and n(a) the number of them that a reaches. A plan
finds n(a) bit by bit, with a table and one comparison in each round:

1. *Guess*. The argument without its `low` lowest bits is its cell. No cell holds more than one of
   the coarse thresholds, which are every 2**r-th: a table gives each cell the number g of coarse
   thresholds before it, and g + (a >= coarse[g]) is the upper bits of n(a), exactly. Cells before
   the first threshold and behind the last are clamped, so the table spans those between.
2. *Bisection*, r rounds: with v, the upper bits of n(a), known, the next bit is a >= t[v].

Where v is known the argument lies in a known interval, and so few of its lower bits tell on which
side of a threshold it is: a >= t is the top bit of ``a + 2**(w - 1) - t`` modulo 2**w if
``-2**(w - 1) <= a - t < 2**(w - 1)``. That is w bits of one carry chain, whose second operand is a
function of v: no more than a LUT a bit while v has up to five bits.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Guess", "Round", "SearchPlan", "plan_search"]

_MOST_CELL_BITS = 11


@dataclass(frozen=True)
class Round:
    """One comparison.

    :param bits: of the number v that chooses the threshold.
    :param width: w, the lower bits of the argument that are compared.
    :param offsets: for each v the second operand, ``(2**(w - 1) - t) % 2**w``.
    """

    bits: int
    width: int
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Guess:
    """The table of cells.

    :param low: bits of an argument below its cell.
    :param cell_bits: lowest bits of the cell, which address the table.
    :param first: the first cell; arguments below become its first argument.
    :param last: the last cell; arguments above become its last argument.
    :param below: whether there are arguments below.
    :param above: whether there are arguments above.
    :param table: the guess at each address.
    :param bits: of a guess.
    """

    low: int
    cell_bits: int
    first: int
    last: int
    below: bool
    above: bool
    table: tuple[int, ...]
    bits: int

    @property
    def least(self) -> int:
        """The least argument that is left as it is."""
        return self.first << self.low

    @property
    def most(self) -> int:
        """The greatest argument that is left as it is."""
        return ((self.last + 1) << self.low) - 1


@dataclass(frozen=True)
class SearchPlan:
    """The guess, if any, and the rounds: the first of a guess corrects it, others add a bit."""

    guess: Guess | None
    rounds: tuple[Round, ...]

    def count(self, a: int) -> int:
        """n(a), as the hardware finds it."""
        index, rounds = 0, list(self.rounds)
        if self.guess:
            g = self.guess
            a = max(a, g.least) if g.below else a
            a = min(a, g.most) if g.above else a
            index = g.table[(a >> g.low) % len(g.table)]
            index += _reached(a, index, rounds.pop(0))
        for step in rounds:
            index = 2 * index + _reached(a, index, step)
        return index


def _reached(a: int, index: int, step: Round) -> int:
    return ((a + step.offsets[index]) >> (step.width - 1)) & 1


def _comparison(bits: int, cases: Sequence[tuple[int, int, int] | None]) -> Round:
    """The round that tells ``a >= t`` for each case (least a, greatest a, t); None: never met."""
    width = 1
    targets: list[int | None] = []
    for case in cases:
        if case is None or case[0] > case[1]:
            targets.append(None)
            continue
        least, most, t = case
        t = min(max(t, least), most + 1)
        targets.append(t)
        # -2**(w - 1) <= least - t and most - t < 2**(w - 1)
        width = max(width, (t - least - 1).bit_length() + 1 if t > least else 1)
        width = max(width, (most - t).bit_length() + 1 if most >= t else 1)
    half = 1 << (width - 1)
    offsets = tuple(0 if t is None else (half - t) % (2 * half) for t in targets)
    return Round(bits, width, offsets)


def _bisections(marks: Sequence[int], bits: int, known: int, lo: int, hi: int) -> Iterator[Round]:
    """The rounds that follow when `known` upper bits of the number of marks are known."""
    for have in range(known, bits):
        size = 1 << (bits - have)
        cases = []
        for v in range(1 << have):
            least = lo if v == 0 else max(lo, marks[v * size - 1])
            most = hi if v == (1 << have) - 1 else min(hi, marks[(v + 1) * size - 1] - 1)
            cases.append((least, most, marks[v * size + size // 2 - 1]))
        yield _comparison(have, cases)


def _cell_low(inner: Sequence[int], width: int) -> int:
    """The most low bits with which no cell holds two of these thresholds inside."""
    for low in range(width, 0, -1):
        cells = [t >> low for t in inner if t & ((1 << low) - 1)]
        if len(set(cells)) == len(cells):
            return low
    return 0


def _guessed(
    marks: Sequence[int], coarse: Sequence[int], bits: int, lo: int, hi: int
) -> tuple[Guess, Round] | None:
    """The guess of the number of `coarse` thresholds reached and the round that corrects it."""
    inner = [t for t in marks if lo < t <= hi]
    if not inner:
        return None
    low = _cell_low([t for t in coarse if lo < t <= hi], max(-lo, hi + 1).bit_length())
    first, last = max(lo, inner[0] - 1) >> low, inner[-1] >> low
    cell_bits = (last - first).bit_length()
    if not 1 <= cell_bits <= _MOST_CELL_BITS:
        return None
    size = 1 << cell_bits
    # Cells to spare save the comparisons that would clamp to them.
    last = min(hi >> low, first + size - 1)
    first = max(lo >> low, last - size + 1)
    below, above = first > lo >> low, last < hi >> low
    table = [0] * size
    span: dict[int, tuple[int, int]] = {}
    for cell in range(first, last + 1):
        least = max(lo, cell << low)
        most = min(hi, ((cell + 1) << low) - 1)
        before = bisect_right(coarse, least)
        g = before
        if before == len(coarse) or coarse[before] > most:  # nothing inside: the nearer one
            ahead = coarse[before] - least if before < len(coarse) else None
            if (
                before
                and coarse[before - 1] > lo
                and (ahead is None or coarse[before] > hi or most - coarse[before - 1] < ahead)
            ):
                g = before - 1
        table[cell % size] = g
        span[g] = (span.get(g, (least,))[0], most)
    cases = [
        (*span[g], coarse[g] if g < len(coarse) else hi + 1) if g in span else None
        for g in range(1 << bits)
    ]
    guess = Guess(low, cell_bits, first, last, below, above, tuple(table), bits)
    return guess, _comparison(bits, cases)


def plan_search(
    marks: Sequence[int], bits: int, lo: int, hi: int, *, bisections: int
) -> SearchPlan | None:
    """The plan with this many rounds of bisection, which guesses where these are fewer than `bits`.

    :param marks: 2**bits - 1 ascending thresholds.
    :param lo: least argument.
    :param hi: greatest argument.
    :returns: None where a guess would need too large a table.
    """
    known = bits - bisections
    if not known:
        return SearchPlan(None, tuple(_bisections(marks, bits, 0, lo, hi)))
    coarse = marks[(1 << bisections) - 1 :: 1 << bisections]
    found = _guessed(marks, coarse, known, lo, hi)
    if found is None:
        return None
    guess, correction = found
    lo = max(lo, guess.least) if guess.below else lo
    hi = min(hi, guess.most) if guess.above else hi
    return SearchPlan(guess, (correction, *_bisections(marks, bits, known, lo, hi)))
