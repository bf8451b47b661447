"""Several rows that share one activation in one multiplier, with exact results.

A multiplier of 25 bits (DSP48E1; 27 in DSP48E2) takes n weights in one operand,
``sum(w[i] << i*s)``, and its accumulator P then holds ``sum(S[i] << i*s)`` of the n sums S. The
operand costs nothing but wires: the memory holds, in place of w[i], the digit
``w[i] - 1`` where what lies below is negative, else ``w[i]``; the sign-extended digits side by side
are the operand.

Seen in fields of s bits, with T[0] = S[0] and carries c[i] = floor(T[i] / 2**s):

    T[i] = S[i] + c[i-1];  field i of P is T[i] mod 2**s, the top field is T[n-1] itself.

A sum that may leave its field has its carry *tracked*: a counter beside P, of as many bits as the
exact interval of T[i] exceeds s, counts upwards and downwards as the field wraps. Which it does is
seen from P alone,

- `codes`: where a step is at most a quarter of the field, by its two highest bits before and after;
- `parity`: else, by the bit above the field, which changes with S[i+1]'s lowest bit and the carry;
  the carry's sign is that of the product of the rows below.

Then S[i] = T[i] - c[i-1] is one subtraction, left to whoever has picked the sums that it wants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Const, Mux, Shape, Value, signed

from thresher.rtl.kernel import element_shape

__all__ = [
    "MOST_ROWS",
    "OPERAND_WIDTH",
    "PackedRows",
    "digits",
    "side_by_side",
    "signed_width",
    "unpack",
]

OPERAND_WIDTH = {"dsp48e1": 25, "dsp48e2": 27}
"""Bits of the multiplier's wider operand."""

MOST_ROWS = 4
"""Rows in one multiplier at most."""


def signed_width(lo: int, hi: int) -> int:
    """Bits of the two's complement that holds lo..hi."""
    return element_shape(min(lo, -1), hi).width


def digits(weights: np.ndarray) -> np.ndarray:
    """int64 (..., n) weights, the lowest row first -> what the memory holds for them."""
    found = np.array(weights)
    for i in range(1, found.shape[-1]):
        found[..., i] -= found[..., i - 1] < 0
    return found


def _digit_width(array: np.ndarray) -> int:
    return signed_width(int(array.min()), int(array.max()))


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedRows:
    """The rows of one multiplier.

    :param weights: int64 (passes, K, n), the lowest row first.
    :param starts: int64 (passes, n): what the sums start from.
    :param lo: least activation.
    :param hi: greatest activation.
    :param shift: s, bits of a field; of no meaning where n is 1.
    """

    weights: np.ndarray
    starts: np.ndarray
    lo: int
    hi: int
    shift: int

    @property
    def count(self) -> int:
        """Rows."""
        return self.weights.shape[-1]

    @cached_property
    def digits(self) -> np.ndarray:
        """int64 (passes, K, n): the words of the memory."""
        return digits(self.weights)

    @cached_property
    def digit_widths(self) -> tuple[int, ...]:
        """Bits of each digit in the memory."""
        return tuple(_digit_width(self.digits[..., i]) for i in range(self.count))

    @property
    def operand_width(self) -> int:
        """Bits of the multiplier's operand."""
        return (self.count - 1) * self.shift + self.digit_widths[-1]

    def operand(self, word: Value) -> Value:
        """The operand for a word of the memory, which holds the digits side by side."""
        ends = np.cumsum([0, *self.digit_widths]).tolist()
        cut = [word[low:high] for low, high in zip(ends, ends[1:], strict=False)]
        return side_by_side(cut, self.shift)

    @cached_property
    def products(self) -> tuple[int, ...]:
        """The greatest magnitude of each row's products."""
        most = max(abs(self.lo), abs(self.hi))
        return tuple((np.abs(self.weights).max(axis=(0, 1)) * most).tolist())

    @cached_property
    def totals(self) -> tuple[tuple[int, int], ...]:
        """Least and greatest T[i] of complete sums."""
        ends = np.stack([self.weights * self.lo, self.weights * self.hi])
        low = (ends.min(axis=0).sum(axis=1) + self.starts).min(axis=0).tolist()
        high = (ends.max(axis=0).sum(axis=1) + self.starts).max(axis=0).tolist()
        found: list[tuple[int, int]] = []
        carry = (0, 0)
        for a, b in zip(low, high, strict=True):
            found.append((a + carry[0], b + carry[1]))
            carry = (found[-1][0] >> self.shift, found[-1][1] >> self.shift)
        return tuple(found)

    @cached_property
    def tracked(self) -> tuple[int, ...]:
        """Bits of the carry that are tracked for each field; 0 for the top one."""
        bits = [max(0, signed_width(*ends) - self.shift) for ends in self.totals[:-1]]
        return (*bits, 0)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of each T[i]."""
        return tuple(signed(signed_width(*ends)) for ends in self.totals)

    @property
    def width(self) -> int:
        """Bits of the accumulator that matter."""
        return (self.count - 1) * self.shift + self.shapes[-1].width

    def by_codes(self, i: int) -> bool:
        """Whether field i is tracked by its two highest bits."""
        return self.products[i] + (i > 0) <= 1 << (self.shift - 2)

    @property
    def is_exact(self) -> bool:
        """Whether the sums can be told apart: every digit and every product fits its field."""
        return all(
            width <= self.shift and product < 1 << self.shift
            for width, product in zip(self.digit_widths[:-1], self.products[:-1], strict=True)
        )

    @cached_property
    def start_words(self) -> list[int]:
        """What P starts from in each pass."""
        return [
            sum(int(start) << (i * self.shift) for i, start in enumerate(row))
            for row in self.starts
        ]

    def start_carries(self, i: int) -> list[int]:
        """What the tracked carry of field i starts from in each pass."""
        below = (i + 1) * self.shift
        mask = (1 << below + self.shift) - 1
        return [
            sum(int(s) << (j * self.shift) for j, s in enumerate(row[: i + 1])) >> below & mask
            for row in self.starts
        ]


def side_by_side(row: Sequence[Value], shift: int) -> Value:
    """The operand for these digits: each its bits in two's complement, extended to a field."""
    fields = [Cat(digit, digit[-1].replicate(max(0, shift - len(digit)))) for digit in row[:-1]]
    return Cat(*fields, row[-1]).as_signed()


def unpack(totals: Sequence[Value], shift: int, alone: Value) -> list[Value]:
    """S[i] = T[i] - c[i-1] of each T[i]; with `alone`, these are the sums themselves."""
    sums = [totals[0]]
    for below, total in zip(totals, totals[1:], strict=False):
        carry = below >> shift
        sums.append(total - Mux(alone, Const(0, carry.shape()), carry))
    return sums
