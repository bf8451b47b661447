"""Step functions as the number of thresholds reached: what comparators and searches share."""

from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value

from thresher.rtl.kernel import Resources
from thresher.rtl.rom import Rom, pack_words
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["IndexedStep"]

_DIRECT_BITS = 10  # greatest index that is the result itself


class IndexedStep(StepPipeline):
    """The number of sorted marks that are 1, and from it the result.

    Where the function only rises (or falls), each step of height n stands n times, and so many
    marks are set before and behind, that their number is the result's lower bits: `direct`. Else
    the number is looked up in a table.
    """

    @cached_property
    def _unit(self) -> tuple[np.ndarray, bool] | None:
        """Thresholds and whether their marks are inverted, if the form is direct."""
        unit = self.function.unit_steps()
        least = self.function.thresholds.shape[1]
        if unit is None or self._direct_bits > _DIRECT_BITS:
            return None
        if unit.thresholds.shape[1] > 2 * least + 4:
            return None
        return (unit.thresholds, False) if unit.sign > 0 else (unit.thresholds[:, ::-1], True)

    @property
    def _direct_bits(self) -> int:
        """Lower bits that differ between results; all, where the sign is among them."""
        lo, hi = self.function.out_lo, self.function.out_hi
        return self.shape.width if lo < 0 <= hi else (lo ^ hi).bit_length()

    @property
    def direct(self) -> bool:
        """The number of marks is the result, without a table."""
        return self._unit is not None

    @property
    def inverted(self) -> bool:
        """A mark is 1 where its threshold is not reached; these then fall along the marks."""
        return self._unit is not None and self._unit[1]

    @cached_property
    def index_bits(self) -> int:
        """Bits of the number of marks."""
        return self._direct_bits if self.direct else self.function.thresholds.shape[1].bit_length()

    @cached_property
    def columns(self) -> np.ndarray:
        """int64 (C, 2**index_bits - 1): the threshold behind each mark.

        A mark is ``(threshold <= argument) != inverted``; `lo` and `hi + 1` make constants.
        """
        thresholds, inverted = self._unit or (self.function.thresholds, False)
        lo, hi = self.function.lo, self.function.hi
        below = 0
        if self.direct:
            low = self.function.out_lo
            below = (
                low + (1 << self.index_bits - 1)
                if low < 0 <= self.function.out_hi
                else (low & (1 << self.index_bits) - 1)
            )
        above = (1 << self.index_bits) - 1 - below - thresholds.shape[1]
        pad = (hi + 1, lo) if inverted else (lo, hi + 1)
        return np.pad(thresholds, ((0, 0), (below, above)), constant_values=(pad,))

    def result(
        self, m: Module, lane: int, index: Value, row: Value, enable: Value, name: str
    ) -> Value:
        """The result for this index; unless `direct`, from a table, one register stage later."""
        if self.direct:
            return self._extended(index)
        return self._looked_up(m, lane, Cat(index, row), enable, name)

    def _extended(self, index: Value) -> Value:
        """The result whose lower bits are the index."""
        low, bits = self.function.out_lo, self.index_bits
        if low < 0 <= self.function.out_hi:
            return Cat(index[:-1], ~index[-1]).as_signed()
        result = Cat(index, Const(low >> bits, self.shape.width - bits))
        return result.as_signed() if self.shape.signed else result

    def _values(self, lane: int) -> list[int]:
        """The table of results by (row, index)."""
        f = self.function
        values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))[self.channels(lane)]
        spare = (1 << self.index_bits) - values.shape[1]
        table = np.pad(values, ((0, 0), (0, spare)), mode="edge").reshape(-1, 1)
        return pack_words(np.clip(table, f.out_lo, f.out_hi), self.shape.width)

    def _looked_up(self, m: Module, lane: int, address: Value, enable: Value, name: str) -> Value:
        """The result that a table holds at (row, index)."""
        m.submodules[f"{name}_values{lane}"] = rom = Rom(
            words=self._values(lane), width=self.shape.width, memory="logic"
        )
        m.d.comb += [rom.address.eq(address), rom.enable.eq(enable)]
        return rom.data.as_signed() if self.shape.signed else rom.data

    def result_resources(self) -> Resources:
        """The estimate for `result` in all lanes."""
        if self.direct:
            return Resources()
        depth = self.rows << self.index_bits
        return self.tables(depth, self.shape.width, "logic", self._values)
