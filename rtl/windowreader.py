"""The process of a line buffer that goes from place to place and tells which beats it sees."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from thresher.rtl.windowaxis import Course, courses
from thresher.rtl.windowparts import constant_table, nested_counters
from thresher.rtl.windowplan import AxisPlan, WindowPlan, axis_table

__all__ = ["Reader"]


@dataclass(frozen=True, eq=False)
class _Axis:
    """What the reader knows of one axis at a beat.

    :param offset: of the element, from where a counted axis is or from the image's first beat.
    :param moves: a counted axis goes on by its step.
    :param counted: what it has gone on by at its last place.
    """

    offset: Value
    fill: Value
    waits: Value
    releases: Value
    moves: Value
    counted: int


class Reader(wiring.Component):
    """Which beats places see.

    Out: `waits`, the beat is a place's first and waits for a pixel; `releases`, it is its last and
    pixels are no longer needed; `row` and `column`, whose sum is the address; `fill`, the beat is
    the fill. In: `advance`, the next beat follows.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        super().__init__(
            {"advance": In(1), "waits": Out(1), "releases": Out(1), "fill": Out(1),
             "row": Out(range(plan.depth)), "column": Out(range(plan.depth))}
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        p, m = self._plan, Module()
        names = ("place_row", "place_column", "group", "kernel_row", "kernel_column", "beat")
        counters, ends = nested_counters(m, names, p.shape, self.advance)
        oh, ow, _, kh, kw, beat = counters
        row_course, column_course = courses(p)
        rows = self._axis(m, "row", p.rows, p.units[0], row_course, (oh, kh), ends[1], ends[0])
        columns = self._axis(
            m, "column", p.columns, p.units[1], column_course, (ow, kw), ends[2], ends[1]
        )
        group, first = Signal(range(p.pixel)), Signal(init=1)
        base = Signal(ceil_log2(p.depth))  # where the image, or the row of it, begins
        with m.If(self.advance):
            m.d.sync += first.eq(ends[2])
            with m.If(ends[0]):
                m.d.sync += base.eq(base + p.kept - rows.counted)
            if row_course:
                with m.Elif(rows.moves):
                    m.d.sync += base.eq(base + row_course.step)
            with m.If(ends[3]):
                m.d.sync += group.eq(Mux(ends[2], 0, group + p.shape[-1]))
        along: Value = Const(0)
        if column_course:
            along = Signal.like(base, name="along")
            with m.If(self.advance & columns.moves):
                m.d.sync += along.eq(Mux(ends[1], 0, along + column_course.step))
        m.d.comb += [
            self.waits.eq(first & rows.waits & columns.waits),
            self.releases.eq(ends[2] & rows.releases & columns.releases),
            self.fill.eq(rows.fill | columns.fill),
            self.row.eq(base + rows.offset),
            self.column.eq(along + columns.offset + (group + beat)),
        ]
        return m

    def _axis(
        self, m: Module, name: str, axis: AxisPlan, unit: int, course: Course | None,
        at: tuple[Signal, Signal], next_place: Value, end: Value,
    ) -> _Axis:  # fmt: skip
        """What the counters say of one axis.

        :param at: place and element.
        :param next_place: with the next beat the place is another one; `end`: it is the first.
        """
        (outer, inner), bits = at, ceil_log2(self._plan.depth)
        several = axis.at.shape[1] > 1
        marks = (axis.waits + 2 * axis.releases).tolist()
        flags = Value.cast(constant_table(m, f"{name}_places", marks, outer)) | Const(0, 2)
        if course is None:
            index = Cat(inner, outer) if several else outer
            words = constant_table(
                m, f"{name}_table", axis_table(axis, unit, self._plan.depth), index
            )
            word = Value.cast(words) | Const(0, bits + 1)
            return _Axis(word[:bits], word[bits], flags[0], flags[1], next_place, 0)
        phase = Signal(range(course.period), name=f"{name}_phase")
        wraps = phase == course.period - 1
        with m.If(self.advance & next_place):
            m.d.sync += phase.eq(Mux(end | wraps, 0, phase + 1))
        index = Cat(inner, phase) if several else phase
        offset = constant_table(m, f"{name}_offsets", course.words, index)
        fills = Signal(axis.at.shape[1], name=f"{name}_fills")
        m.d.comb += fills.eq(constant_table(m, f"{name}_usual", course.usual, phase))
        with m.Switch(outer):
            for place, pattern in course.unusual.items():
                with m.Case(place):
                    m.d.comb += fills.eq(pattern)
        fill = fills.bit_select(inner, 1) if several else fills
        moves = next_place & (end | wraps)
        counted = (len(axis.at) - 1) // course.period * course.step
        return _Axis(offset, fill, flags[0], flags[1], moves, counted)
