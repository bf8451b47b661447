"""An area estimate for the broadcast dataflow, fitted to what Yosys makes of it."""

from collections.abc import Sequence

from amaranth.hdl import signed

from thresher.rtl.broadcastplan import MUX_BLOCK, BroadcastPlan
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutproduct import lut_product_resources
from thresher.rtl.lutram import lutram_resources
from thresher.rtl.mac import MAC_LATENCY, cell_ends
from thresher.rtl.operators import in_dsp, soft_product
from thresher.rtl.packing import PackedRows
from thresher.rtl.rom import column_resources, rom_resources

__all__ = ["broadcast_resources"]


def broadcast_resources(plan: BroadcastPlan, fifo: Fifo) -> Resources:
    """The estimate for the whole array."""
    x = element_shape(plan.lo, plan.hi).width
    total = fifo.resources() + _control(plan, x) + _multiplexer(plan)
    total += _weights(plan)
    total += Resources(ff=_distribution(plan))
    for g, group in enumerate(plan.cells):
        if plan.multiplier_of(g) == "lut":
            total += sum((_lut_cell(cell) for cell in group), Resources(ff=x))
            continue
        for cell in group:
            total += _cell(cell, MAC_LATENCY + plan.product_stages)
    return total


def _weights(plan: BroadcastPlan) -> Resources:
    """The memories of weights."""
    if plan.memory_bound == "block" or plan.depth == 1:
        columns = (rom_resources(plan.depth, c.width, plan.memory_bound) for c in plan.columns)
    else:
        bits = plan.words().astype(bool)
        columns = (column_resources(bits[:, c.low : c.low + c.width]) for c in plan.columns)
    return sum(columns, Resources())


def _lut_cell(cell: PackedRows) -> Resources:
    """Of one row: its product, an accumulator, and the weight's register."""
    if not cell.weights.any():
        return Resources()
    product = lut_product_resources(*cell_ends(cell))
    return product + Resources(lut=cell.width, ff=cell.width + cell.operand_width)


def _cell(cell: PackedRows, latency: int) -> Resources:
    if not cell.weights.any():
        return Resources()
    operand, activation = signed(cell.operand_width), element_shape(cell.lo, cell.hi)
    if not in_dsp(operand, activation, min(operand.width + activation.width, cell.width)):
        ff = operand.width + activation.width + cell.width
        return soft_product(operand, activation) + Resources(lut=2 * cell.width, ff=ff)
    lut = ff = 0
    for i, bits in enumerate(cell.tracked):
        if not bits:
            continue
        codes = cell.by_codes(i)
        lut += (bits if bits <= 2 else bits + 2) if codes else bits + 4
        ff += bits + (2 if codes else 1 + 2 * latency)
        starts = set(cell.start_carries(i)) | {word & 3 for word in cell.start_words}
        lut += bits + 2 if len(cell.start_words) > 1 and len(starts) > 1 else 0
    return Resources(lut=lut, ff=ff, dsp=1)


def _picks(count: int) -> int:
    """LUTs for a bit of a multiplexer: each picks one of four, of which one may be a LUT's."""
    return -(-(count - 1) // 3)


def _widths(plan: BroadcastPlan) -> list[int]:
    """Bits of each total at the multiplexer."""
    groups = [[shape.width for cell in group for shape in cell.shapes] for group in plan.cells]
    return [max(column) for column in zip(*groups, strict=True)]


def _multiplexer(plan: BroadcastPlan) -> Resources:
    bits = sum(_widths(plan))
    total = _unpacking(plan.cells[0])
    if plan.stages == 1:
        return total + Resources(lut=bits * _picks(plan.groups))
    blocks = [min(MUX_BLOCK, plan.groups - low) for low in range(0, plan.groups, MUX_BLOCK)]
    picks = sum(_picks(count) for count in blocks) + _picks(len(blocks))
    return total + Resources(lut=bits * picks, ff=bits * len(blocks))


def _unpacking(cells: Sequence[PackedRows]) -> Resources:
    return Resources(lut=sum(shape.width for cell in cells for shape in cell.shapes[1:]))


def _control(plan: BroadcastPlan, x: int) -> Resources:
    address = (plan.depth - 1).bit_length()
    last = plan.columns[-1].group
    lut = 22 + 2 * address
    ff = 20 + address + (address + 1) * last
    ff += (x + 2) * (plan.groups - 1)
    total = Resources(lut=lut, ff=ff)
    if plan.passes > 1:
        total += Resources(lut=x) + lutram_resources(plan.inputs, x, shared=True)
    return total


def _distribution(plan: BroadcastPlan) -> int:
    """Registers that hold a column's bits back for its later groups."""
    ends, low = [], 0
    for bits in plan.group_bits:
        low += bits
        ends.append(low)
    held = 0
    for column in plan.columns:
        top = column.low + column.width
        held += sum(max(0, top - end) for end in ends if end > column.low)
    return held
