"""An area estimate for a line buffer."""

from collections.abc import Sequence

from amaranth.utils import ceil_log2

from thresher.rtl.kernel import Port, Resources
from thresher.rtl.lutram import ram_resources
from thresher.rtl.windowaxis import courses, flag_luts, table_luts
from thresher.rtl.windowplan import WindowPlan, axis_table

__all__ = ["window_resources"]

_ROWS = 64  # words of a RAM in LUTs that need no choice


def window_resources(plan: WindowPlan, i: Port, o: Port, bound: str) -> Resources:
    """The estimate: memory, counters, tables of both axes, two counters of tokens, addresses."""
    rows, columns, bits = plan.rows, plan.columns, ceil_log2(plan.depth)
    writes = _counters((rows.size, columns.size, plan.pixel))
    behind = _counters((rows.count, columns.count, plan.pixel))
    total = writes + behind + _counters(plan.shape)
    row_course, column_course = courses(plan)
    for axis, unit, course in zip(
        (rows, columns), plan.units, (row_course, column_course), strict=True
    ):
        words = axis_table(axis, unit, plan.depth)
        lut = course.luts(len(axis.at)) if course else table_luts(words)
        for flags in (axis.kept + 2 * axis.completes, axis.waits + 2 * axis.releases, axis.starts):
            lut += flag_luts(flags.astype(int))
        phase = ceil_log2(course.period) if course else 0
        total += Resources(lut=lut + phase, ff=phase)
    level = plan.tokens.bit_length()
    total += Resources(lut=3 * level + 16, ff=2 * level + 4)
    # the writer's address, the image's base, the row, the column and their sum
    base = bits - _zeros(plan.kept, bits)
    if row_course:
        base = max(base, bits - _zeros(row_course.step, bits))
    along = bits - _zeros(column_course.step, bits) if column_course else 0
    row = bits - min(_zeros(plan.kept, bits), _zeros(columns.count * plan.pixel, bits))
    group = ceil_log2(plan.pixel) if plan.groups > 1 else 0
    inner = bits if plan.pixel > 1 else 0
    total += Resources(
        lut=bits + base + 2 * row + inner + group + along,
        ff=3 * bits + base + row + group + along + 12,
    )
    more = plan.wide - 1  # memories, each with a column, an address and a fill of its own
    total += Resources(lut=2 * bits * more, ff=(2 * bits + 2) * more)
    memory = ram_resources(plan.depth, i.width * i.lanes, bound)
    total += sum([memory] * plan.wide, Resources())
    beat = o.width * o.lanes
    if plan.fills and (bound != "lutram" or plan.depth <= _ROWS):
        total += Resources(lut=beat)  # the fill in its place, which the words' choice may hold
    if bound == "lutram":
        return total + Resources(ff=beat)
    return total + Resources(ff=plan.wide if plan.fills else 0)


def _counters(sizes: Sequence[int]) -> Resources:
    """Nested counters: a LUT or two a bit, and what tells the end."""
    bits = [ceil_log2(size) for size in sizes if size > 1]
    return Resources(lut=sum(b + 1 for b in bits), ff=sum(bits))


def _zeros(value: int, bits: int) -> int:
    """Of so many bits those at the bottom that are 0."""
    return min(bits, (value & -value).bit_length() - 1)
