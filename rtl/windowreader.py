"""The process of a line buffer that goes from place to place and tells which beats it sees."""

from collections.abc import Sequence
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

    :param offsets: for each memory of its element, from where a counted axis is or from the image's
        first beat.
    :param fills: for each memory, it gives the fill.
    :param moves: a counted axis goes on by its step.
    :param counted: what it has gone on by at its last place.
    """

    offsets: Sequence[Value]
    fills: Sequence[Value]
    waits: Value
    releases: Value
    moves: Value
    counted: int


class Reader(wiring.Component):
    """Which beats places see.

    Out: `waits`, the beat is a place's first and waits for a pixel; `releases`, it is its last and
    pixels are no longer needed; for each memory `row` and `column`, whose sum is the address, and
    `fill`, a bit, what it gives is the fill. In: `advance`, the next beat follows.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        super().__init__(
            {"advance": In(1), "waits": Out(1), "releases": Out(1), "fill": Out(plan.wide),
             "row": Out(range(plan.depth)), "column": Out(range(plan.depth)).array(plan.wide)}
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        p, m = self._plan, Module()
        names = ("place_row", "place_column", "group", "kernel_row", "kernel_column", "beat")
        counters, ends = nested_counters(m, names, p.shape, self.advance)
        oh, ow, _, kh, kw, beat = counters
        row_course, column_course = courses(p)
        rows = self._axis(m, "row", p.rows, p.units[0], row_course, (oh, [kh]), ends[1], ends[0])
        across = [kw] if p.wide == 1 else [Const(k) for k in range(p.wide)]
        columns = self._axis(
            m, "column", p.columns, p.units[1], column_course, (ow, across), ends[2], ends[1]
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
            self.fill.eq(Cat(rows.fills[0] | fill for fill in columns.fills)),
            self.row.eq(base + rows.offsets[0]),
            *(
                column.eq(along + offset + (group + beat))
                for column, offset in zip(self.column, columns.offsets, strict=True)
            ),
        ]
        return m

    def _axis(
        self, m: Module, name: str, axis: AxisPlan, unit: int, course: Course | None,
        at: tuple[Signal, Sequence[Value]], next_place: Value, end: Value,
    ) -> _Axis:  # fmt: skip
        """What the counters say of one axis.

        :param at: place, and for each memory the element.
        :param next_place: with the next beat the place is another one; `end`: it is the first.
        """
        (outer, inners), bits = at, ceil_log2(self._plan.depth)
        kernel = axis.at.shape[1]
        marks = (axis.waits + 2 * axis.releases).tolist()
        flags = Value.cast(constant_table(m, f"{name}_places", marks, outer)) | Const(0, 2)
        if course is None:
            table = axis_table(axis, unit, self._plan.depth)
            words = [
                Value.cast(_looked_up(m, f"{name}_table", table, kernel, outer, inner))
                | Const(0, bits + 1)
                for inner in inners
            ]
            offsets, fills = [w[:bits] for w in words], [w[bits] for w in words]
            return _Axis(offsets, fills, flags[0], flags[1], next_place, 0)
        phase = Signal(range(course.period), name=f"{name}_phase")
        wraps = phase == course.period - 1
        with m.If(self.advance & next_place):
            m.d.sync += phase.eq(Mux(end | wraps, 0, phase + 1))
        offsets = [
            _looked_up(m, f"{name}_offsets", course.words, kernel, phase, inner) for inner in inners
        ]
        seen = Signal(axis.at.shape[1], name=f"{name}_fills")
        m.d.comb += seen.eq(constant_table(m, f"{name}_usual", course.usual, phase))
        with m.Switch(outer):
            for place, pattern in course.unusual.items():
                with m.Case(place):
                    m.d.comb += seen.eq(pattern)
        fills = [seen.bit_select(inner, 1) if kernel > 1 else seen for inner in inners]
        moves = next_place & (end | wraps)
        counted = (len(axis.at) - 1) // course.period * course.step
        return _Axis(offsets, fills, flags[0], flags[1], moves, counted)


def _looked_up(
    m: Module, name: str, words: Sequence[int], kernel: int, outer: Signal, inner: Value
) -> Value:
    """A table's word for a place and an element of `kernel`; the element may be a constant."""
    if isinstance(inner, Const):
        count = 1 << ceil_log2(kernel)
        return constant_table(m, f"{name}{inner.value}", words[inner.value :: count], outer)
    return constant_table(m, name, words, Cat(inner, outer) if kernel > 1 else outer)
