"""Step functions as a search among thresholds in memory, which change from beat to beat."""

from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Value

from thresher.rtl.indexedstep import IndexedStep
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import delay, register
from thresher.rtl.rom import Rom, pack_words, rom_memory

__all__ = ["MemorySearchStep"]


class MemorySearchStep(IndexedStep):
    """The number of thresholds reached, found by bisection: a memory and a comparison for each bit.

    Level k knows the k upper bits and reads the threshold in the middle of those that are left.
    Register stages of a level: its memory, one or two, and the comparison.
    """

    @property
    def refusal(self) -> str | None:
        return None if self.rows > 1 else "thresholds in memory need several channels a lane"

    @cached_property
    def _shape(self) -> Shape:
        """Shape of a threshold."""
        return element_shape(self.function.lo, self.function.hi + 1)

    @property
    def _argument(self) -> int:
        return element_shape(self.function.lo, self.function.hi).width

    def _bound(self, level: int) -> str:
        return rom_memory(self.rows << level, self._shape.width, self.memory)

    def _stages(self, level: int) -> int:
        return 3 if self._bound(level) == "block" else 2

    @property
    def latency(self) -> int:
        if self.function.out_lo == self.function.out_hi:
            return 0
        return sum(map(self._stages, range(self.index_bits))) + (not self.direct)

    def _words(self, lane: int, level: int) -> list[int]:
        """The thresholds at (row, upper bits)."""
        marks = np.sort(self.columns[self.channels(lane)], axis=1)
        size = 1 << (self.index_bits - level)
        middle = np.clip(marks[:, size // 2 - 1 :: size], self.function.lo, self.function.hi + 1)
        return pack_words(middle.reshape(-1, 1), self._shape.width)

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        if self.latency == 0:
            return [Const(self.function.out_lo, self.shape)] * self.lanes
        found: list[Value] = [Const(0, 0)] * self.lanes
        arguments, first = list(values), 0
        for level in range(self.index_bits):
            stages = enables[first : first + self._stages(level)]
            first += len(stages)
            for lane in range(self.lanes):
                prefix = f"{name}_lane{lane}_level{level}"
                address = Cat(found[lane], row)
                threshold = self._threshold(m, lane, level, address, stages[:-1], prefix)
                value = delay(m, arguments[lane], stages[:-1], f"{prefix}_value")
                known = delay(m, found[lane], stages[:-1], f"{prefix}_known")
                bits = Cat(value >= threshold, known)
                found[lane] = register(m, bits, stages[-1], f"{prefix}_index")
                if level < self.index_bits - 1:
                    arguments[lane] = register(m, value, stages[-1], f"{prefix}_last")
            if level < self.index_bits - 1 or not self.direct:
                row = delay(m, row, stages, f"{name}_level{level}_row")
        return [
            self.result(m, k, ~index if self.inverted else index, row, enables[-1], name)
            for k, index in enumerate(found)
        ]

    def _threshold(
        self,
        m: Module,
        lane: int,
        level: int,
        address: Value,
        stages: Sequence[Value],
        name: str,
    ) -> Value:
        """The threshold at this address."""
        rom = Rom(
            words=self._words(lane, level), width=self._shape.width, memory=self._bound(level)
        )
        m.submodules[f"{name}_thresholds"] = rom
        m.d.comb += [rom.address.eq(address), rom.enable.eq(stages[0])]
        threshold = delay(m, rom.data, stages[1:], f"{name}_threshold")
        return threshold.as_signed() if self._shape.signed else threshold

    def resources(self) -> Resources:
        """A comparison of two variables takes a LUT for 1.5 bits."""
        width, last = self._shape.width, self.index_bits - 1
        row_bits = (self.rows - 1).bit_length()
        total = self.result_resources()
        for level in range(self.index_bits):
            stages, block = self._stages(level), self._bound(level) == "block"
            each = Resources(lut=1 + -(-2 * width // 3), ff=level * stages + 1)
            each += Resources(ff=width * block + self._argument * (stages - (level == last)))
            total += sum((each for _ in range(self.lanes)), Resources())
            words = partial(self._words, level=level)
            total += self.tables(self.rows << level, width, self._bound(level), words)
            total += Resources(ff=row_bits * stages * (level < last or not self.direct))
        return total
