"""Step functions as comparators and a decoder."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Value
from amaranth.lib import data

from thresher.rtl.indexedstep import IndexedStep
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import delay, register
from thresher.rtl.rom import Rom, pack_words, rom_memory, table_resources

__all__ = ["ComparatorStep", "decode"]

_FALSE, _TRUE = Const(0), Const(1)
_LEVELS_A_STAGE = 3


def _mux(select: Value, one: Value, zero: Value) -> Value:
    return one if one is zero else Mux(select, one, zero)


def decode_stages(bits: int) -> int:
    """Register stages of `decode` for an index of this many bits."""
    return -(-(bits // 2) // _LEVELS_A_STAGE)


def decode(m: Module, marks: Sequence[Value], enables: Sequence[Value], name: str) -> Value:
    """The number of ones among 2**n - 1 sorted marks, all ones first.

    The upper two bits of the number choose which quarter of the marks is left to look at, and so
    on: a LUT for each of the bits and each mark that is left, a few such levels a stage.
    """
    left, index = list(marks), []
    for stage, enable in enumerate(enables):
        for _ in range(_LEVELS_A_STAGE):
            if len(left) >= 3:
                half, quarter = len(left) // 2, len(left) // 4
                high = left[half]
                low = _mux(high, left[half + quarter + 1], left[quarter])
                parts = [left[k * (quarter + 1) :][:quarter] for k in range(4)]
                left = [
                    _mux(high, _mux(low, d, c), _mux(low, b, a))
                    for a, b, c, d in zip(*parts, strict=True)
                ]
                index += [high, low]
        left, index = (
            [register(m, v, enable, f"{name}_{kind}{stage}_{k}") for k, v in enumerate(values)]
            for kind, values in (("mark", left), ("index", index))
        )
    return Cat(*reversed(index + left))


class ComparatorStep(IndexedStep):
    """The argument against every threshold at once, and the marks decoded.

    The marks of sorted thresholds are sorted too, so no adder is needed to count them.
    Thresholds that change from beat to beat are in memory.
    """

    def _lane_columns(self, lane: int) -> list[tuple[int, ...]]:
        """Per mark its thresholds by row; one alone where all rows agree."""
        columns = self.columns[self.channels(lane)].T.tolist()
        return [tuple(c[:1]) if len(set(c)) == 1 else tuple(c) for c in columns]

    def _constant(self, column: tuple[int, ...]) -> Value | None:
        if column == (self.function.lo,):
            return _FALSE if self.inverted else _TRUE
        if column == (self.function.hi + 1,):
            return _TRUE if self.inverted else _FALSE
        return None

    @cached_property
    def _stored(self) -> list[tuple[int, tuple[int, ...]]]:
        """(lane, thresholds by row) of all thresholds that are in memory."""
        return [
            (lane, column)
            for lane in range(self.lanes if self.rows > 1 else 0)
            for column in dict.fromkeys(self._lane_columns(lane))
            if len(column) > 1
        ]

    @cached_property
    def _threshold_shape(self) -> Shape:
        return element_shape(
            min(min(c) for _, c in self._stored), max(max(c) for _, c in self._stored)
        )

    def _words(self) -> list[int]:
        """What the memory of thresholds holds."""
        table = np.array([column for _, column in self._stored]).T
        return pack_words(table, self._threshold_shape.width)

    @property
    def _bound(self) -> str:
        width = len(self._stored) * self._threshold_shape.width if self._stored else 0
        return rom_memory(self.rows, width, self.memory)

    @property
    def _fetch_latency(self) -> int:
        return 0 if not self._stored else 2 if self._bound == "block" else 1

    @property
    def latency(self) -> int:
        if self.function.out_lo == self.function.out_hi:
            return 0
        compare = 1 if self.index_bits else 0
        return self._fetch_latency + compare + decode_stages(self.index_bits) + (not self.direct)

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        if self.latency == 0:
            return [Const(self.function.out_lo, self.shape)] * self.lanes
        fetch = self._fetch_latency
        decoded = len(enables) - (not self.direct)
        thresholds = self._fetch(m, row, enables[:fetch], name)
        row = delay(m, row, enables[:decoded], f"{name}_row")
        results = []
        for lane, value in enumerate(values):
            marks: dict[tuple[int, ...], Value] = {}
            value = delay(m, value, enables[:fetch], f"{name}_value{lane}")
            columns = self._lane_columns(lane)
            for k, column in enumerate(columns):
                if column in marks:
                    continue
                mark = self._constant(column)
                if mark is None:
                    threshold = thresholds.get((lane, column), Const(column[0]))
                    beyond = (value < threshold) if self.inverted else (value >= threshold)
                    mark = register(m, beyond, enables[fetch], f"{name}_mark{lane}_{k}")
                marks[column] = mark
            index = decode(
                m, [marks[c] for c in columns], enables[fetch + 1 : decoded], f"{name}_{lane}"
            )
            results.append(self.result(m, lane, index, row, enables[-1], name))
        return results

    def _fetch(
        self, m: Module, row: Value, enables: Sequence[Value], name: str
    ) -> dict[tuple[int, tuple[int, ...]], Value]:
        """The thresholds in memory, by lane and column."""
        if not self._stored:
            return {}
        layout = data.ArrayLayout(self._threshold_shape, len(self._stored))
        rom = Rom(words=self._words(), width=layout.size, memory=self._bound)
        m.submodules[f"{name}_thresholds"] = rom
        m.d.comb += [rom.address.eq(row), rom.enable.eq(enables[0])]
        word = data.View(layout, delay(m, rom.data, enables[1:], f"{name}_threshold"))
        return {key: word[k] for k, key in enumerate(self._stored)}

    def resources(self) -> Resources:
        """Comparators with constants take about 2 bits a LUT to 6 bits, 4.5 beyond; others 1.5."""
        if self.latency == 0:
            return Resources()
        bits = element_shape(self.function.lo, self.function.hi).width
        constant = 1 if bits <= 6 else -(-2 * bits // 9)
        lut = ff = 0
        for lane in range(self.lanes):
            distinct = {c for c in self._lane_columns(lane) if self._constant(c) is None}
            stored = sum(len(c) > 1 for c in distinct)
            lut += (len(distinct) - stored) * constant + stored * (1 + -(-2 * bits // 3))
            lut += (1 << self.index_bits) // 3
            ff += len(distinct) + self.shape.width * (self.latency - self._fetch_latency)
            ff += bits * self._fetch_latency
        total = Resources(lut=lut, ff=ff) + self.result_resources()
        if self._stored:
            width = len(self._stored) * self._threshold_shape.width
            total += table_resources(self.rows, width, self._bound, self._words)
            total += Resources(ff=width if self._bound == "block" else 0)
        return total
