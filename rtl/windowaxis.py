"""What lies where along an axis of a line buffer: counted along, or looked up in a table.

Places that behave alike need no table. Where rank(o, k), the kept position at element k of place o,
is ``a (o // P) + t[o % P, k]`` wherever there is one, a register that grows by a every P places and
a table of t alone tell it; P is 1, or the upsampling. The few places at the ends that see the fill
are told by comparisons. Small axes are cheaper as a whole table.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.utils import ceil_log2

from thresher.rtl.rom import column_resources
from thresher.rtl.windowplan import AxisPlan, WindowPlan, axis_table

__all__ = ["Course", "course", "courses", "flag_luts", "table_luts"]

_PERIODS = range(1, 5)
_JOINED = 16  # words that a LUT finds beside the bit that it adds to


@dataclass(frozen=True, eq=False)
class Course:
    """How offsets go along an axis, all modulo the memory's depth.

    :param step: what `period` places add.
    :param offsets: int64 (period, K), of each element from there; any where it is always the fill.
    :param usual: for each phase a pattern of K bits: the elements that see the fill.
    :param unusual: the patterns of the places where it is another one.
    """

    step: int
    offsets: np.ndarray
    usual: tuple[int, ...]
    unusual: Mapping[int, int]

    @property
    def period(self) -> int:
        """Places after which they behave alike."""
        return len(self.usual)

    @property
    def words(self) -> list[int]:
        """The offsets for each phase and element (of 2^n for K)."""
        inner = self.offsets.shape[1]
        return np.pad(self.offsets, ((0, 0), (0, (1 << ceil_log2(inner)) - inner))).ravel().tolist()

    def luts(self, size: int) -> int:
        """Table and comparisons, for an axis of so many places; small tables join an adder."""
        fills = len(self.unusual) * -(-ceil_log2(size) // 5) + len(self.offsets[0])
        several = any(self.usual) or self.unusual
        table = table_luts(self.words) if len(self.words) > _JOINED else 0
        return table + (fills if several else 0)


def courses(plan: WindowPlan) -> tuple[Course | None, Course | None]:
    """The rows and the columns without a table, where that can be and takes less.

    Columns need a register that counts along them, which is added then. That of the rows is there
    for the images, and gets a second number to add.
    """
    found, bits = [], ceil_log2(plan.depth)
    for axis, unit, more in zip(
        (plan.rows, plan.columns), plan.units, (bits, 2 * bits), strict=True
    ):
        one = course(axis, unit, plan.depth)
        whole = table_luts(axis_table(axis, unit, plan.depth))
        found.append(one if one and _pays(one.luts(len(axis.at)) + more, whole) else None)
    return found[0], found[1]


def _pays(luts: int, whole: int) -> bool:
    """Whether a course of so many LUTs is better than a table of `whole`."""
    return luts < whole


def course(axis: AxisPlan, unit: int, depth: int) -> Course | None:
    """The axis without a table, where that can be.

    :param unit: beats from one kept position to the next.
    :param depth: beats of the memory.
    """
    fits = (_fitted(axis, unit, depth, period) for period in _PERIODS)
    return next((found for found in fits if found), None)


def table_luts(words: list[int]) -> int:
    """LUTs of a table without a register."""
    bits = np.array(words)[:, None] >> np.arange(max(1, max(words).bit_length())) & 1
    return column_resources(bits.astype(bool)).lut


def flag_luts(flags: np.ndarray) -> int:
    """LUTs of a table of bits, of which few may be unlike the others: each is a comparison then."""
    compared, total = -(-ceil_log2(len(flags)) // 5), 0
    for bit in range(int(flags.max()).bit_length()):
        column = flags >> bit & 1
        count = min(int(column.sum()), int((1 - column).sum()))
        total += min(count * compared, table_luts(column.tolist()))
    return total


def _fitted(axis: AxisPlan, unit: int, depth: int, period: int) -> Course | None:
    ranks, real = axis.ranks, axis.ranks >= 0
    both = real[period:] & real[:-period]
    steps = np.unique((ranks[period:] - ranks[:-period])[both])
    if len(steps) != 1:
        return None
    places = np.arange(len(ranks))
    rest = np.where(real, ranks - places[:, None] // period * steps[0], 0)
    offsets = np.zeros((period, ranks.shape[1]), np.int64)
    for phase in range(period):
        mine, seen = rest[phase::period], real[phase::period]
        offsets[phase] = np.take_along_axis(mine, seen.argmax(axis=0)[None], 0)[0]
    if (np.where(real, offsets[places % period], 0) != rest).any():
        return None
    patterns = ((~real) << np.arange(ranks.shape[1])).sum(axis=1).tolist()
    usual = tuple(Counter(patterns[p::period]).most_common(1)[0][0] for p in range(period))
    unusual = {o: found for o, found in enumerate(patterns) if found != usual[o % period]}
    return Course(int(steps[0]) * unit % depth, offsets * unit % depth, usual, unusual)
