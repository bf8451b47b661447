"""What a broadcast array is made of: cells, columns of weights, the turns of its groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thresher.rtl.broadcastcells import CellArray, Packed, packed
from thresher.rtl.mac import MAC_LATENCY, cell_stages
from thresher.rtl.packing import PackedRows
from thresher.rtl.rom import bram36_width, rom_memory

__all__ = ["MUX_BLOCK", "BroadcastPlan", "Column"]

MUX_BLOCK = 16
"""Groups among which the first stage of the output multiplexer picks."""

_SINGLE_STAGE = 4  # groups up to which one stage does it


@dataclass(frozen=True)
class Column:
    """A memory of weights.

    :param group: the first group that it serves, whose time is the column's own.
    :param low: its lowest bit among those of all groups side by side.
    :param width: its bits.
    """

    group: int
    low: int
    width: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BroadcastPlan:
    """Geometry of the array; the parameters are those of `BroadcastMVAU`, already checked.

    A *group* is the `lanes` rows of one output beat; group g works g cycles behind group 0. The
    last `lut_groups` have a cell of LUTs for each row.
    """

    weights: np.ndarray
    biases: np.ndarray
    rows: int
    lanes: int
    lo: int
    hi: int
    memory: str
    multiplier: str
    pack: int
    lut_groups: int = 0

    @property
    def inputs(self) -> int:
        """K, elements of a vector."""
        return self.weights.shape[0]

    @property
    def passes(self) -> int:
        """Times a vector goes through the array."""
        return self.array.passes

    @property
    def groups(self) -> int:
        """Groups, and output beats of a pass."""
        return self.array.groups

    @property
    def pass_cycles(self) -> int:
        """Cycles of a pass at full rate."""
        return max(self.inputs, self.groups)

    @property
    def depth(self) -> int:
        """Words of the weights' memory."""
        return self.passes * self.inputs

    @property
    def stages(self) -> int:
        """Stages of the output multiplexer, the subtractions of unpacking in the last."""
        return 1 if self.groups <= _SINGLE_STAGE else 2

    @property
    def drain_latency(self) -> int:
        """Cycles from a pass's last element to its first beat's write into the FIFO."""
        return MAC_LATENCY + self.product_stages + self.stages - 1

    @cached_property
    def product_stages(self) -> int:
        """Register stages of the products, which those in LUTs need and the others wait for."""
        of_luts = self.cells[self.dsp_groups :]
        return max((cell_stages(cell) for group in of_luts for cell in group), default=0)

    @property
    def dsp_groups(self) -> int:
        """Groups, the first ones, whose rows share DSPs."""
        return self.array.dsp_groups

    def multiplier_of(self, group: int) -> str:
        """What the group's cells are built from."""
        return "lut" if group >= self.dsp_groups else self.multiplier

    @cached_property
    def array(self) -> CellArray:
        """What does not depend on where the weights are."""
        return CellArray(
            weights=self.weights, biases=self.biases, rows=self.rows, lanes=self.lanes,
            lo=self.lo, hi=self.hi, multiplier=self.multiplier, pack=self.pack,
            lut_groups=self.lut_groups,
        )  # fmt: skip

    @cached_property
    def _packed(self) -> Packed:
        return packed(self.array)

    @property
    def offset(self) -> int:
        """What is taken from every activation; the sums' starts make up for it."""
        return self._packed.offset

    @property
    def shift(self) -> int:
        """Bits of a field where rows are packed."""
        return self._packed.shift

    @property
    def cells(self) -> Sequence[Sequence[PackedRows]]:
        """The multipliers of each group."""
        return self._packed.cells

    @cached_property
    def group_bits(self) -> tuple[int, ...]:
        """Bits of weights that each group takes a cycle."""
        return tuple(sum(sum(cell.digit_widths) for cell in group) for group in self.cells)

    @property
    def memory_bound(self) -> str:
        """What `memory` comes to: "logic" or "block"."""
        return rom_memory(self.depth, sum(self.group_bits), self.memory)

    @cached_property
    def columns(self) -> list[Column]:
        """The memories: as wide as a RAMB36, and so across groups; or in LUTs, one a group."""
        ends = np.cumsum(self.group_bits).tolist()
        starts = [0, *ends[:-1]]
        if self.memory_bound == "logic":
            return [
                Column(g, low, end - low)
                for g, (low, end) in enumerate(zip(starts, ends, strict=True))
            ]
        width = bram36_width(self.depth)
        return [
            Column(int(np.searchsorted(ends, low, side="right")), low, min(width, ends[-1] - low))
            for low in range(0, ends[-1], width)
        ]

    def words(self) -> np.ndarray:
        """uint8 (depth, bits): the weights' bits, groups side by side, lowest first."""
        parts = []
        for group in self.cells:
            for cell in group:
                table = cell.digits.reshape(self.depth, cell.count)
                for i, width in enumerate(cell.digit_widths):
                    parts.append((table[:, i : i + 1] >> np.arange(width)) & 1)
        return np.concatenate(parts, axis=1).astype(np.uint8)

    def full_rate_depth(self) -> int:
        """The least output FIFO, a power of two, with which passes follow without a gap."""
        depth = 1 << (self.least_depth - 1).bit_length()
        while self.credit_delay(depth) > 0:
            depth *= 2
        return depth

    @property
    def least_depth(self) -> int:
        """The least depth of the output FIFO: a pass, of which the multiplexer may hold a beat."""
        return max(3, self.groups + (1 if self.stages == 1 else 0))

    def credit(self, depth: int) -> tuple[int, int]:
        """(tokens, position): passes under way at most, and the beat of a pass that frees one.

        The last firing of pass v must leave room for its beats: of all beats before, at least
        (v + 1) * groups - room + 1 have reached the FIFO's head.
        """
        room = depth + self.stages - 1
        tokens, rest = divmod(room, self.groups)
        return (tokens, self.groups - rest) if rest else (tokens - 1, 0)

    def credit_delay(self, depth: int) -> int:
        """Cycles that a pass waits for its credit though the reader is always ready."""
        tokens, position = self.credit(depth)
        if tokens < 1:
            return 1
        seen = self.drain_latency + 1 + position
        return max(0, seen + 1 - tokens * self.pass_cycles)
