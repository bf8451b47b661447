"""Products of several PEs with the inputs that they share, in one multiplier, folded in time.

The multiplier is that of `thresher.rtl.packing`: one operand holds the digits of n weights side by
side in fields of s bits, the other an input, and the product P holds the n products. The words of
two inputs are added as they are, which the DSP block of one of them does; so with ``S[i]`` the sum
of two products of PE i, and ``b[0] = 0``,

    field i of the sum is ``S[i] - b[i]``, and b[i] the highest bit of field i - 1, its sign.

All of them but the top one fit a field of s bits in two's complement. A field is read as it stands
and takes no LUT; the bit b[i] goes on beside it and into the carry of the next adder
(`Term.borrow`), which takes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Const, Module, Shape, Signal, Value, signed

from thresher.rtl.addertree import Term
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.operators import in_dsp, soft_product
from thresher.rtl.packing import MOST_ROWS, OPERAND_WIDTH, digits, side_by_side, signed_width
from thresher.rtl.registers import register

__all__ = ["PackedCell", "PackedProducts", "most_packed"]

_WIDE = OPERAND_WIDTH["dsp48e1"]
_NARROW = 18  # bits of a block's other operand, signed
_SUM = 48


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedCell:
    """PEs that share multipliers, one for each input that has a weight.

    :param first: the lowest of the PEs.
    :param weights: int64 (folds, n, simd), of PEs `first` to `first + n - 1`.
    :param lo: least input.
    :param hi: greatest input.
    """

    first: int
    weights: np.ndarray
    lo: int
    hi: int

    @property
    def count(self) -> int:
        """PEs."""
        return self.weights.shape[1]

    @cached_property
    def digits(self) -> np.ndarray:
        """int64 (folds, n, simd): what the memory holds."""
        return digits(self.weights.swapaxes(1, 2)).swapaxes(1, 2)

    @cached_property
    def lanes(self) -> np.ndarray:
        """int64: the inputs that are multiplied by a weight that is not always 0."""
        return np.flatnonzero(self.weights.any(axis=(0, 1)))

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 (folds, n, pairs): least and greatest S, of every two lanes and perhaps a last."""
        made = self.weights[:, :, self.lanes]
        ends = made * self.lo, made * self.hi
        pairs = np.arange(0, len(self.lanes), 2)
        if not len(pairs):
            return made, made
        lo, hi = (np.add.reduceat(end(*ends), pairs, axis=2) for end in (np.minimum, np.maximum))
        return lo, hi

    @cached_property
    def _digit_widths(self) -> tuple[int, ...]:
        ends = zip(self.digits.min(axis=(0, 2)), self.digits.max(axis=(0, 2)), strict=True)
        return tuple(signed_width(int(lo), int(hi)) for lo, hi in ends)

    @cached_property
    def _sum_widths(self) -> list[int]:
        """Bits of what each field has to hold."""
        lo, hi = self.sums
        lows = lo.min(axis=(0, 2), initial=0).tolist()
        highs = hi.max(axis=(0, 2), initial=0).tolist()
        fields = enumerate(zip(lows, highs, strict=True))
        return [signed_width(low - (i > 0), high) for i, (low, high) in fields]

    @cached_property
    def shift(self) -> int:
        """s, the bits of a field."""
        return max((*self._sum_widths[:-1], *self._digit_widths[:-1]), default=0)

    @property
    def operand_width(self) -> int:
        """Bits of the multiplier's operand, signed."""
        return (self.count - 1) * self.shift + self._digit_widths[-1]

    @property
    def width(self) -> int:
        """Bits of the sums of words that matter."""
        return (self.count - 1) * self.shift + self._sum_widths[-1]

    @property
    def in_dsp(self) -> bool:
        """Whether the synthesiser makes DSP blocks of the multipliers."""
        x = element_shape(self.lo, self.hi)
        return in_dsp(x, signed(self.operand_width), self.width)

    @property
    def fits(self) -> bool:
        """Whether each multiplier is one DSP block."""
        narrow = signed_width(self.lo, self.hi)
        small = self.operand_width <= _WIDE and narrow <= _NARROW and self.width <= _SUM
        return small and self.in_dsp

    def operand(self, stored: Sequence[Value]) -> Value:
        """The operand for an input's digits, lowest PE first."""
        cut = [d[:width] for d, width in zip(stored, self._digit_widths, strict=True)]
        return side_by_side(cut, self.shift)

    def terms(self, row: int, words: Sequence[Value]) -> list[Term]:
        """The summands of a PE.

        :param row: of the cell.
        :param words: the sums of every two lanes' products.
        """
        lo, hi = self.sums
        low = row * self.shift
        high = self.width if row == self.count - 1 else low + self.shift
        return [
            Term(
                word[low:high].as_signed(), lo[:, row, k], hi[:, row, k],
                borrow=word[low - 1] if row else None,
            )
            for k, word in enumerate(words)
            if lo[:, row, k].any() or hi[:, row, k].any()
        ]  # fmt: skip


def most_packed(weights: np.ndarray, lo: int, hi: int) -> int:
    """PEs whose products fit one multiplier, wherever in these weights they are and if added."""
    ends = np.array([weights.min(), weights.max()])[:, None, None]
    every = (np.broadcast_to(ends, (2, n, 2)) for n in range(MOST_ROWS, 1, -1))
    cells = (PackedCell(first=0, weights=rows, lo=lo, hi=hi) for rows in every)
    return next((cell.count for cell in cells if cell.fits), 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedProducts:
    """In each fold, for each PE, `simd` inputs times the weights of this fold, added in pairs.

    :param weights: int64 (folds, pe, simd).
    :param lo: least input.
    :param hi: greatest input.
    :param most: PEs in one multiplier at most.
    """

    weights: np.ndarray
    lo: int
    hi: int
    most: int

    @cached_property
    def cells(self) -> list[PackedCell]:
        """All PEs, in each from the first one on as many as are exact."""
        found: list[PackedCell] = []
        first = 0
        while first < self.weights.shape[1]:
            counts = range(min(self.most, self.weights.shape[1] - first), 0, -1)
            tried = (self._cell(first, count) for count in counts)
            cell = next(cell for cell in tried if cell.count == 1 or cell.fits)
            found.append(cell)
            first += cell.count
        return found

    def _cell(self, first: int, count: int) -> PackedCell:
        weights = self.weights[:, first : first + count]
        return PackedCell(first=first, weights=weights, lo=self.lo, hi=self.hi)

    @property
    def shared(self) -> bool:
        """Whether any two neighbours may be in one multiplier."""
        return any(self._cell(k, 2).fits for k in range(self.weights.shape[1] - 1))

    @property
    def stages(self) -> int:
        """Register stages: the products, and where any two are added, their sums."""
        return 1 + (self.weights.shape[2] > 1)

    @cached_property
    def digits(self) -> np.ndarray:
        """int64 (folds, pe, simd): what the memory holds in place of the weights."""
        return np.concatenate([cell.digits for cell in self.cells], axis=1)

    @cached_property
    def shape(self) -> Shape:
        """Of the digits."""
        return signed(signed_width(int(self.digits.min()), int(self.digits.max())))

    @cached_property
    def dsp(self) -> int:
        """Products that the synthesiser makes in DSP blocks."""
        return sum(len(cell.lanes) for cell in self.cells if cell.in_dsp)

    @property
    def made(self) -> int:
        """Multipliers."""
        return sum(len(cell.lanes) for cell in self.cells)

    @property
    def soft(self) -> int:
        """Those that are built from LUTs."""
        return self.made - self.dsp

    @cached_property
    def plans(self) -> list[list[Term]]:
        """The summands of each PE with their intervals but without hardware."""
        nothing = [(cell, Const(0, cell.width)) for cell in self.cells]
        return [
            cell.terms(row, [word] * cell.sums[0].shape[2])
            for cell, word in nothing
            for row in range(cell.count)
        ]

    def elaborate_into(
        self,
        m: Module,
        inputs: Sequence[Value],
        stored: Sequence[Sequence[Value]],
        enables: Sequence[Signal],
        late: Sequence[Signal],
    ) -> list[list[Term]]:
        """Add the hardware to `m`.

        :param stored: of each PE the digits of this fold.
        :param enables: of `stages` register stages.
        :param late: of those that the operands pass before, which are made of `stored`.
        :returns: the summands of each PE.
        """
        result = []
        for cell in self.cells:
            words = self._words(m, cell, inputs, stored, enables, late)
            result += [cell.terms(row, words) for row in range(cell.count)]
        return result

    def _words(
        self,
        m: Module,
        cell: PackedCell,
        inputs: Sequence[Value],
        stored: Sequence[Sequence[Value]],
        enables: Sequence[Signal],
        late: Sequence[Signal],
    ) -> list[Signal]:
        """The products of a cell, and the sums of every two."""
        words, shape = [], signed(cell.width)
        rows = stored[cell.first : cell.first + cell.count]
        for lane in cell.lanes.tolist():
            name = f"{cell.first}_{lane}"
            operand = Signal(signed(cell.operand_width), name=f"packed{name}")
            m.d.comb += operand.eq(cell.operand([row[lane] for row in rows]))
            for k, enable in enumerate(late):
                operand = register(m, operand, enable, f"packed{name}_{k}")
            product = inputs[lane] * operand
            words.append(register(m, product, enables[0], f"product{name}", shape=shape))
        if self.stages == 1:
            return words
        pairs = [words[k : k + 2] for k in range(0, len(words), 2)]
        return [
            register(m, sum(pair[1:], pair[0]), enables[1], f"pair{cell.first}_{k}", shape=shape)
            for k, pair in enumerate(pairs)
        ]

    def resources(self) -> Resources:
        """The estimate for those that are built from LUTs, of PEs alone, and their pairs."""
        x, total = element_shape(self.lo, self.hi), Resources()
        for cell in self.cells:
            if not cell.in_dsp and (made := len(cell.lanes)):
                pairs = made // 2
                each = soft_product(x, signed(cell.operand_width)) + Resources(ff=cell.width)
                total += sum([each] * made, Resources())
                if self.stages > 1:
                    sums = Resources(lut=pairs * cell.width, ff=(made - pairs) * cell.width)
                    total += sums
        return total
