"""Which rows of a broadcast array share a multiplier, and with what offset and fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from thresher.rtl.kernel import element_shape
from thresher.rtl.packing import MOST_ROWS, OPERAND_WIDTH, PackedRows

__all__ = ["CellArray", "Packed", "packed"]


@dataclass(frozen=True, kw_only=True)
class CellArray:
    """The rows of a broadcast array, wherever its weights are kept.

    :param weights: int64 (K, N).
    :param biases: int64 (N,).
    :param rows: of a pass; divides N.
    :param lanes: rows of a group; divides rows.
    :param lo: least input element.
    :param hi: greatest input element.
    :param multiplier: key of `OPERAND_WIDTH`.
    :param pack: rows in one multiplier at most.
    :param lut_groups: the last groups, whose rows have multipliers of their own.
    """

    weights: np.ndarray = field(compare=False)
    biases: np.ndarray = field(compare=False)
    rows: int
    lanes: int
    lo: int
    hi: int
    multiplier: str
    pack: int
    lut_groups: int
    content: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        content = (self.weights.shape, self.weights.tobytes(), self.biases.tobytes())
        object.__setattr__(self, "content", content)

    @property
    def passes(self) -> int:
        """Times a vector goes through the array."""
        return self.weights.shape[1] // self.rows

    @property
    def groups(self) -> int:
        """Groups of `lanes` rows."""
        return self.rows // self.lanes

    @property
    def dsp_groups(self) -> int:
        """Groups, the first ones, whose rows share DSPs."""
        return self.groups - self.lut_groups


@dataclass(frozen=True, eq=False)
class Packed:
    """The multipliers of an array.

    :param offset: taken from every activation; the sums' starts make up for it.
    :param shift: bits of a field where rows are packed.
    :param cells: of each group.
    """

    offset: int
    shift: int
    cells: Sequence[Sequence[PackedRows]]


@lru_cache(1 << 10)
def packed(array: CellArray) -> Packed:
    """As few multipliers as are exact, and of those the fewest rows in one."""
    found: list[Packed] = []
    most = min(array.pack, array.lanes, MOST_ROWS) if array.dsp_groups else 1
    # where activations are unsigned, an offset, which costs an inverter, makes them signed
    signed = 1 << element_shape(array.lo, array.hi).width - 1 if array.lo >= 0 else 0
    for n in range(most, 0, -1):
        if found and len(_split(array.lanes, n)) > len(found[-1].cells[0]):
            break
        # in later passes, starts cost LUTs: then no offset where the sums stay exact without
        offsets = {signed if n > 1 else 0, 0}
        made = (_make(array, n, o) for o in sorted(offsets, reverse=array.passes == 1))
        found += [m for m in made if m is not None][:1]
    return found[-1]


def _split(lanes: int, n: int) -> list[slice]:
    """The lanes of a group by multiplier, of n rows at most; the first ones have the most."""
    count = -(-lanes // n)
    ends = [lanes // count * k + min(k, lanes % count) for k in range(count + 1)]
    return [slice(low, high) for low, high in zip(ends, ends[1:], strict=False)]


def _make(array: CellArray, n: int, offset: int) -> Packed | None:
    """n rows in a multiplier, or None if that is not exact."""
    shape = (array.passes, -1, array.groups, array.lanes)
    by_pass = array.weights.reshape(array.weights.shape[0], array.passes, -1).transpose(1, 0, 2)
    weights = by_pass.reshape(shape)
    starts = array.biases + offset * array.weights.sum(axis=0)
    starts = starts.reshape(array.passes, array.groups, array.lanes)
    shared, alone = _split(array.lanes, n), _split(array.lanes, 1)
    lo, hi = array.lo - offset, array.hi - offset

    def cells(group: int, shift: int) -> list[PackedRows]:
        return [
            PackedRows(
                weights=weights[:, :, group, part], starts=starts[:, group, part],
                lo=lo, hi=hi, shift=shift,
            )
            for part in (shared if group < array.dsp_groups else alone)
        ]  # fmt: skip

    shift = 0
    if n > 1:
        first = [cell for group in range(array.dsp_groups) for cell in cells(group, 0)]
        top = max(cell.digit_widths[-1] for cell in first)
        shift = (OPERAND_WIDTH[array.multiplier] - top) // (n - 1)
    made = [cells(group, shift) for group in range(array.groups)]
    if n > 1 and not all(cell.is_exact for group in made for cell in group):
        return None
    return Packed(offset, shift, made)
