"""Which pixels the places of a window see, and when each is there first and needed last."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.utils import ceil_log2

__all__ = ["AxisPlan", "WindowPlan", "axis_table", "places"]


def places(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int], upsample: int
) -> np.ndarray:
    """int64 (O, K): the position along an axis of `size` of each of K elements at each of O places.

    -1 where the fill stands. Element k of place o is at ``o stride + k dilation - pads[0]`` of the
    axis with ``upsample - 1`` fills between its own; O is 0 where the kernel does not fit.
    """
    wide = (size - 1) * upsample + 1
    count = (wide + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1
    at = np.arange(max(count, 0))[:, None] * stride + np.arange(kernel) * dilation - pads[0]
    real = (at >= 0) & (at < wide) & (at % upsample == 0)
    return np.where(real, at // upsample, -1)


@dataclass(frozen=True, eq=False)
class AxisPlan:
    """One axis of a window: what is kept of it, and the places where that begins and ends.

    Places are visited in order. Both what a place needs and what is no longer needed behind it only
    grow, for a pixel that is there stays until it is released.

    :param at: int64 (O, K), as `places` gives it.
    :param size: positions along the axis.
    """

    at: np.ndarray
    size: int

    @cached_property
    def kept(self) -> np.ndarray:
        """bool (size,): positions that some place sees; the others are dropped."""
        kept = np.zeros(self.size, dtype=bool)
        kept[self.at[self.at >= 0]] = True
        return kept

    @cached_property
    def count(self) -> int:
        """Positions that are kept."""
        return int(self.kept.sum())

    @cached_property
    def ranks(self) -> np.ndarray:
        """int64 (O, K): which of the kept positions each element is at; -1 where the fill is."""
        rank = np.cumsum(self.kept) - 1
        return np.where(self.at >= 0, rank[self.at], -1)

    @cached_property
    def last(self) -> np.ndarray:
        """int64 (O,): the greatest rank that places up to this one see, or wait for.

        The first place waits for something, so that nothing is given before anything came.
        """
        return np.maximum.accumulate(np.maximum(self.ranks.max(axis=1), 0))

    @cached_property
    def first(self) -> np.ndarray:
        """int64 (O,): the least rank that places from this one on see; `count` for none."""
        least = np.where(self.ranks < 0, self.count, self.ranks).min(axis=1)
        return np.minimum.accumulate(least[::-1])[::-1]

    @cached_property
    def waits(self) -> np.ndarray:
        """bool (O,): places that see more of the axis than those before."""
        return np.diff(self.last, prepend=-1) > 0

    @cached_property
    def completes(self) -> np.ndarray:
        """bool (size,): positions for which a place waits."""
        marked = np.zeros(self.size, dtype=bool)
        marked[np.flatnonzero(self.kept)[self.last[self.waits]]] = True
        return marked

    @cached_property
    def releases(self) -> np.ndarray:
        """bool (O,): places behind which less of the axis is needed."""
        return np.diff(self.first, append=self.count) > 0

    @cached_property
    def starts(self) -> np.ndarray:
        """bool (count,): ranks from which on something is released, one for each of `releases`."""
        marked = np.zeros(self.count, dtype=bool)
        marked[self.first[self.releases]] = True
        return marked


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """Both axes, and the beats that pixels come in.

    Of an image the pixels are written whose row and column are kept, one after the other, round
    and round in a memory of `depth` beats.

    :param rows: of the places' rows.
    :param columns: of their columns.
    :param pixel: beats of a pixel.
    :param groups: of channels; divides `pixel`.
    :param wide: columns of the kernel in a beat, each from a memory of its own; divides KW.
    """

    rows: AxisPlan
    columns: AxisPlan
    pixel: int
    groups: int
    wide: int = 1

    @property
    def shape(self) -> tuple[int, int, int, int, int, int]:
        """OH, OW, groups, KH, KW and beats of a group, as beats of windows are counted.

        Of `wide` columns of the kernel the first is counted.
        """
        (oh, kh), (ow, kw) = self.rows.at.shape, self.columns.at.shape
        return oh, ow, self.groups, kh, kw // self.wide, self.pixel // self.groups

    @property
    def seen(self) -> int:
        """Beats of a place."""
        return int(np.prod(self.shape[2:]))

    @property
    def kept(self) -> int:
        """Beats of an image that are written."""
        return self.rows.count * self.columns.count * self.pixel

    @property
    def units(self) -> tuple[int, int]:
        """Beats from one kept row to the next, and from one kept column to the next."""
        return self.columns.count * self.pixel, self.pixel

    @cached_property
    def _held(self) -> tuple[int, int]:
        """(the most pixels from the oldest needed to the newest, the most by which these grow)."""
        rows, columns = self.rows, self.columns
        width, total = columns.count, rows.count * columns.count
        newest = np.maximum.accumulate((rows.last[:, None] * width + columns.last).reshape(-1))
        none = (rows.first[:, None] == rows.count) | (columns.first == width)
        oldest = np.where(none, total, rows.first[:, None] * width + columns.first).reshape(-1)
        oldest = np.minimum.accumulate(oldest[::-1])[::-1]
        return int((newest - oldest).max()) + 1, int(np.diff(newest).max(initial=0))

    @cached_property
    def depth(self) -> int:
        """Beats the memory holds, a power of two.

        From the oldest pixel that is needed to the newest, and as many as a place needs more
        than the one before, so that these come in while that one is read.
        """
        return 1 << ceil_log2(sum(self._held) * self.pixel)

    @property
    def tokens(self) -> int:
        """No more pixels than these are complete, or free, and not yet known to be."""
        return self.depth // self.pixel + 2

    @cached_property
    def free(self) -> int:
        """Releases of images before the first, which are not waited for."""
        rows, columns = np.flatnonzero(self.rows.starts), np.flatnonzero(self.columns.starts)
        beats = (rows[:, None] * self.columns.count + columns) * self.pixel
        return int(((beats + self.depth) // self.kept).sum())

    @property
    def fills(self) -> bool:
        """Some place sees the fill."""
        return bool((self.rows.at < 0).any() or (self.columns.at < 0).any())


def axis_table(axis: AxisPlan, unit: int, depth: int) -> list[int]:
    """Words for each element (of 2^n for K) of each place: its offset, and above it the fill's bit.

    :param unit: beats from one kept position to the next.
    :param depth: beats of the memory, round which offsets go.
    """
    words = np.where(axis.ranks < 0, depth, axis.ranks * unit % depth)
    count, inner = words.shape
    return np.pad(words, ((0, 0), (0, (1 << ceil_log2(inner)) - inner))).reshape(-1).tolist()
