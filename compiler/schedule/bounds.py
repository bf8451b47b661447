"""What a kernel takes at least: lower bounds of its area estimate, found in a fraction of the time.

With them the search leaves foldings out without estimating them, and loses none that matters.

1. A folded MVAU takes its products and accumulators; of the adders between, each nearly as wide as
   an input, DSP blocks may do the first level. The bound with the memory of weights takes longer.
2. An MVAU without folds takes the adders that join the signed digits of each output's weights. As
   digits overlap in all bits of an input but one, each takes so many LUTs.
3. A broadcast MVAU takes its DSP blocks, with the most rows in each; and of each row in LUTs the
   product and the accumulator; and the multiplexer of its outputs.
"""

import numpy as np

from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.broadcastplan import MUX_BLOCK
from thresher.rtl.kernel import Kernel, Resources, element_shape
from thresher.rtl.lutproduct import lut_product_resources
from thresher.rtl.multiplierarea import product_resources
from thresher.rtl.mvau import MVAU
from thresher.rtl.packing import MOST_ROWS, OPERAND_WIDTH, signed_width

__all__ = ["least", "least_there"]


def least(kernel: Kernel) -> Resources:
    """A lower bound of `kernel.resources()` in every resource, wherever its memory is."""
    if isinstance(kernel, MVAU):
        return _unfolded(kernel) if kernel.folds == 1 else _folded(kernel, _products(kernel))
    if isinstance(kernel, BroadcastMVAU):
        return _broadcast(kernel)
    return Resources()


def least_there(kernel: Kernel) -> Resources:
    """A higher one, with its memory where it is."""
    if isinstance(kernel, MVAU) and kernel.folds > 1:
        return _folded(kernel, product_resources(kernel.multipliers))
    return least(kernel)


def _products(p: MVAU) -> Resources:
    """Of case 1."""
    lanes = p.weights.reshape(p.synapse_folds, p.simd, p.neuron_folds, p.pe)
    made = int(lanes.any(axis=(0, 2)).sum())
    if p.multiplier == "dsp":
        return Resources(dsp=p.multipliers.dsp)
    ends = (p.i_lo, p.i_hi), (int(p.weights.min()), int(p.weights.max()))
    return Resources(lut=made * lut_product_resources(*ends).lut)


def _folded(p: MVAU, total: Resources) -> Resources:
    """Case 1, beside `total`."""
    lanes = np.abs(p.weights).reshape(p.synapse_folds, p.simd, p.neuron_folds, p.pe)
    terms = lanes.any(axis=(0, 2)).sum(axis=0)
    adders = np.maximum(0, terms - 1)
    if p.multipliers.in_dsp or p.pack > 1:
        adders -= terms // 2
    lut = int(np.maximum(0, adders).sum()) * _overlap(p)
    if p.synapse_folds > 1:
        lows, highs = p.intervals.reshape(2, -1, p.pe)
        ends = zip(lows.min(axis=0).tolist(), highs.max(axis=0).tolist(), strict=True)
        widths = sum(element_shape(lo, hi).width for lo, hi in ends)
        return total + Resources(lut=lut + widths, ff=2 * widths)
    return total + Resources(lut=lut)


def _unfolded(p: MVAU) -> Resources:
    """Case 2; w has as many canonical signed digits as there are bits where w and 3 w differ."""
    magnitude = np.abs(p.weights)
    digits = np.bitwise_count(magnitude ^ (3 * magnitude)).sum(axis=0, dtype=np.int64)
    return Resources(lut=int(np.maximum(0, digits - 1).sum()) * _overlap(p))


def _overlap(p: MVAU) -> int:
    """Bits in which any two summands overlap at least."""
    return max(0, int(p.i_hi - p.i_lo).bit_length() - 1)


def _broadcast(p: BroadcastMVAU) -> Resources:
    """Case 3; rows without weights, and products too narrow for a DSP block, count nothing."""
    k, n = p.weights.shape
    of_luts = p.lut_groups * p.lanes
    rows = p.weights.reshape(k, n // p.rows, p.rows)
    lows, highs = (end.tolist() for end in (rows.min(axis=(0, 1)), rows.max(axis=(0, 1))))
    ends = list(zip(lows, highs, strict=True))
    spans = (np.abs(p.weights) * (p.i_hi - p.i_lo)).sum(axis=0).reshape(-1, p.rows).max(axis=0)
    widths = [int(span).bit_length() for span in spans.tolist()]
    in_dsps, in_luts = range(p.rows - of_luts), range(p.rows - of_luts, p.rows)
    dsps = _dsps(p, [ends[r] for r in in_dsps], min((widths[r] for r in in_dsps), default=0))
    offsets = {0, 1 << (element_shape(p.i_lo, p.i_hi).width - 1)} if p.i_lo >= 0 else {0}
    products = (
        min(lut_product_resources(ends[r], (p.i_lo - o, p.i_hi - o)).lut for o in offsets)
        + widths[r]
        for r in in_luts if any(ends[r])
    )  # fmt: skip
    return _around(p, widths) + Resources(lut=sum(products), dsp=dsps)


def _around(p: BroadcastMVAU, widths: list[int]) -> Resources:
    """Control, and the multiplexer of the groups: a LUT for each three bits that go."""
    groups = p.rows // p.lanes
    x = element_shape(p.i_lo, p.i_hi).width
    bits = np.array(widths).reshape(groups, p.lanes).max(axis=0).sum()
    picked = groups - -(-groups // MUX_BLOCK)
    return Resources(lut=22 + int(bits) * -(-picked // 3), ff=20 + (x + 2) * (groups - 1))


def _dsps(p: BroadcastMVAU, ends: list[tuple[int, int]], width: int) -> int:
    """DSP blocks of the rows with these least and greatest weights.

    :param width: bits of the narrowest sum.
    """
    digits = [signed_width(min(lo, hi - 1), hi - 1) for lo, hi in ends if lo or hi]
    x = element_shape(p.i_lo, p.i_hi).width
    if not digits or min(digits) < 2 or x < 2 or min(width, min(digits) + x) < 9:
        return 0
    # rows share a block where every product fits a field: `PackedRows.is_exact`
    most = max(max(-lo, hi) for lo, hi in ends)
    reach = min(max(abs(p.i_lo - o), abs(p.i_hi - o)) for o in (0, 1 << (x - 1)))
    field = max(1, (most * reach).bit_length())
    shared = 1 + (OPERAND_WIDTH[p.multiplier] - min(digits)) // field
    shared = min(shared, MOST_ROWS, p.lanes)
    groups = np.array_split(np.array([any(e) for e in ends]), len(ends) // p.lanes)
    return sum(-(-int(group.sum()) // shared) for group in groups)
