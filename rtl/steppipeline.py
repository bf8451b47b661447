"""Step functions as register stages: what all forms share, and the direct table."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from amaranth.hdl import Cat, Module, Shape, Value

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.rom import (
    BRAM18_IN_LUTS,
    Rom,
    pack_words,
    rom_memory,
    table_resources,
)
from thresher.rtl.stepfunction import StepFunction

__all__ = ["TABLE_LIMIT", "StepPipeline", "TableStep", "area_cost", "restricted"]

TABLE_LIMIT = 1 << 16
"""Most entries a lane's table may have."""


_DSP_IN_LUTS = 128
_FF_IN_LUTS = 0.25


def area_cost(resources: Resources) -> float:
    """One figure, in LUTs, to compare forms by; registers count so that fewer stages win."""
    return (
        resources.lut
        + _FF_IN_LUTS * resources.ff
        + _DSP_IN_LUTS * resources.dsp
        + BRAM18_IN_LUTS * resources.bram18
    )


def restricted(function: StepFunction, lo: int, hi: int) -> StepFunction:
    """The minimal form of `function` on [lo, hi], which must lie in its interval."""
    if lo < function.lo or hi > function.hi:
        raise ValueError(
            f"function must cover the interval [{lo}, {hi}], not [{function.lo}, {function.hi}]"
        )
    return StepFunction(lo, hi, function.thresholds, function.values).minimal()


@dataclass(frozen=True, kw_only=True, eq=False)
class StepPipeline(ABC):
    """Register stages that apply a step function to the lanes of a beat.

    :param function: in minimal form.
    :param lanes: elements a beat; element `lane` of row `row` is in channel row * lanes + lane.
    :param memory: of tables and thresholds, "auto", "logic" or "block".
    """

    function: StepFunction
    lanes: int
    memory: str

    product_bits: ClassVar[int] = 12
    """The widest product of a DSP that it can follow without a second register between."""

    @property
    def rows(self) -> int:
        """Beats after which the channels come again."""
        return max(1, self.function.channels // self.lanes)

    def channels(self, lane: int) -> np.ndarray:
        """The channel that the lane is in, by row."""
        if self.function.channels == 1:
            return np.zeros(1, np.int64)
        return np.arange(lane, self.function.channels, self.lanes)

    @property
    def shape(self) -> Shape:
        """Shape of a result."""
        return element_shape(self.function.out_lo, self.function.out_hi)

    @property
    def refusal(self) -> str | None:
        """Why the function cannot be made in this form; None where it can."""
        return None

    @property
    @abstractmethod
    def latency(self) -> int:
        """Register stages; 0 for a constant."""

    @property
    def control(self) -> Resources:
        """The estimate for the valid bits of the register stages."""
        return Resources(lut=self.latency, ff=self.latency)

    @abstractmethod
    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        """Add the hardware to `m`.

        :param values: the arguments, one a lane.
        :param row: number of their row, where the function has several rows.
        :param enables: one of each of the `latency` register stages.
        :param name: prefix of the names of submodules and registers.
        :returns: the results, one a lane.
        """

    @abstractmethod
    def resources(self) -> Resources:
        """The estimate."""

    @cached_property
    def area(self) -> Resources:
        """The estimate, made once."""
        return self.resources()

    def tables(
        self, depth: int, width: int, memory: str, words: Callable[[int], Sequence[int]]
    ) -> Resources:
        """The estimate for a ROM in each lane.

        :param words: the contents by lane.
        """
        if self.function.channels == 1:
            each = table_resources(depth, width, memory, lambda: words(0))
            return sum((each for _ in range(self.lanes)), Resources())
        made = (table_resources(depth, width, memory, partial(words, k)) for k in range(self.lanes))
        return sum(made, Resources())


class TableStep(StepPipeline):
    """A memory of all values in each lane, read at (row, argument - lo)."""

    @property
    def _argument(self) -> Shape:
        return element_shape(self.function.lo, self.function.hi)

    @property
    def _bits(self) -> int:
        return (self.function.hi - self.function.lo).bit_length()

    @property
    def _subtracts(self) -> bool:
        """Where the argument's own bits are as few they are the address, and need no subtractor."""
        return self._bits < self._argument.width

    @property
    def entries(self) -> int:
        """Words of a lane's memory."""
        return self.rows << self._bits

    @property
    def refusal(self) -> str | None:
        if self.entries <= TABLE_LIMIT:
            return None
        return f"a table must have at most {TABLE_LIMIT} entries a lane, not {self.entries}"

    @property
    def _bound(self) -> str:
        return rom_memory(self.entries, self.shape.width, self.memory)

    @property
    def latency(self) -> int:
        return self._subtracts + 1 + (self._bound == "block")

    def _words(self, lane: int) -> list[int]:
        f = self.function
        table = f.table()[self.channels(lane)]
        size = 1 << self._bits
        if self._subtracts:
            filled = np.full((len(table), size), f.out_lo)
            filled[:, : table.shape[1]] = table
        else:
            argument = np.arange(size)
            if f.lo < 0:
                argument = np.where(argument < size // 2, argument, argument - size)
            filled = table[:, np.clip(argument, f.lo, f.hi) - f.lo]
        return pack_words(filled.reshape(-1, 1), self.shape.width)

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        stages = iter(enables)
        address = [value[: self._bits] for value in values]
        if self._subtracts:
            enable = next(stages)
            row = register(m, row, enable, f"{name}_row")
            address = [
                register(m, (value - self.function.lo)[: self._bits], enable, f"{name}_offset{k}")
                for k, value in enumerate(values)
            ]
        enable = next(stages)
        results = []
        for lane in range(self.lanes):
            rom = Rom(words=self._words(lane), width=self.shape.width, memory=self._bound)
            m.submodules[f"{name}_table{lane}"] = rom
            m.d.comb += [rom.address.eq(Cat(address[lane], row)), rom.enable.eq(enable)]
            results.append(rom.data.as_signed() if self.shape.signed else rom.data)
        if self._bound == "block":
            enable = next(stages)
            results = [register(m, r, enable, f"{name}_{k}") for k, r in enumerate(results)]
        return results

    def resources(self) -> Resources:
        each = Resources(ff=self.shape.width if self._bound == "block" else 0)
        if self._subtracts:
            each += Resources(lut=self._argument.width, ff=self._bits)
        total = sum((each for _ in range(self.lanes)), Resources())
        return total + self.tables(self.entries, self.shape.width, self._bound, self._words)
