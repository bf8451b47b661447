"""Step functions whose channels differ by an offset: an addition, then one search for all."""

from collections.abc import Sequence
from functools import cached_property

from amaranth.hdl import Const, Module, Value

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.offsetfit import OffsetPlan, plan_offsets
from thresher.rtl.registers import delay, register
from thresher.rtl.rom import Rom, rom_memory, table_resources
from thresher.rtl.searchstep import SearchStep
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["OffsetStep"]


class OffsetStep(StepPipeline):
    """Add the channel's offset, from a memory, to the argument; then `SearchStep`.

    The offsets are proven, see `thresher.rtl.offsetfit`. Register stages: the memory, one or two;
    the addition; the search.
    """

    @cached_property
    def _found(self) -> OffsetPlan | None:
        return plan_offsets(self.function) if self.rows > 1 else None

    @property
    def refusal(self) -> str | None:
        if self._found is not None:
            return None
        return "an offset form needs channels that differ by an offset of their argument only"

    @property
    def plan(self) -> OffsetPlan:
        """The constants."""
        assert self._found is not None
        return self._found

    @cached_property
    def search(self) -> SearchStep:
        """What follows the addition."""
        return SearchStep(function=self.plan.inner, lanes=self.lanes, memory=self.memory)

    @property
    def _width(self) -> int:
        """Bits of an offset."""
        return max(self.plan.offsets).bit_length()

    @property
    def _bound(self) -> str:
        return rom_memory(self.rows, self._width * self.lanes, self.memory)

    @property
    def _fetch_latency(self) -> int:
        return 2 if self._bound == "block" else 1

    @property
    def latency(self) -> int:
        return self._fetch_latency + 1 + self.search.latency

    def _words(self) -> list[int]:
        columns = [
            [self.plan.offsets[c] << lane * self._width for c in self.channels(lane)]
            for lane in range(self.lanes)
        ]
        return [sum(row) for row in zip(*columns, strict=True)]

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        fetch, width = self._fetch_latency, self._width
        m.submodules[f"{name}_offsets"] = rom = Rom(
            words=self._words(), width=width * self.lanes, memory=self._bound
        )
        m.d.comb += [rom.address.eq(row), rom.enable.eq(enables[0])]
        word = delay(m, rom.data, enables[1:fetch], f"{name}_word")
        shape = element_shape(self.plan.inner.lo, self.plan.inner.hi)
        sums: list[Value] = []
        for lane, value in enumerate(values):
            argument = delay(m, value, enables[:fetch], f"{name}_argument{lane}")
            total = (argument << self.plan.s) + word.word_select(lane, width)
            bits = total[: shape.width]
            bits = bits.as_signed() if shape.signed else bits
            sums.append(register(m, bits, enables[fetch], f"{name}_sum{lane}"))
        return self.search.elaborate_into(m, sums, Const(0, 0), enables[fetch + 1 :], name)

    def resources(self) -> Resources:
        f, inner = self.function, self.plan.inner
        argument = element_shape(f.lo, f.hi).width
        total = element_shape(inner.lo, inner.hi).width
        stored = self._width * self.lanes
        ff = self.lanes * (argument * self._fetch_latency + total)
        ff += stored if self._bound == "block" else 0
        memory = table_resources(self.rows, stored, self._bound, self._words)
        added = Resources(lut=self.lanes * self._width, ff=ff)
        return memory + added + self.search.resources()
