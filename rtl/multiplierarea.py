"""An area estimate for the products of an MVAU and the trees that add them."""

import numpy as np

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutproduct import lut_product_resources
from thresher.rtl.multipliers import Multipliers
from thresher.rtl.operators import in_dsp, soft_product
from thresher.rtl.rom import table_resources
from thresher.rtl.treearea import forest_resources, planned_resources, trees_resources

__all__ = ["product_resources", "tree_resources"]


def product_resources(p: Multipliers) -> Resources:
    """The estimate; a ROM in LUTs keeps its register, a block RAM's goes into the DSP block."""
    if p.folds == 1:
        return Resources()
    simd = p.weights.shape[2]
    x, w = element_shape(p.lo, p.hi), element_shape(*p.factors[1])
    total = table_resources(p.folds, p.layout.size, p.memory_bound, lambda: p.words)
    total += Resources(dsp=p.dsp, ff=(p.fetch_latency - p.in_dsp) * simd * x.width)
    if p.packed is not None:
        made = [p.packed.resources()]
    elif p.multiplier == "lut":
        made = [lut_product_resources(*p.factors)] * len(p.products)
    else:
        widths = (width for width in p.products if not in_dsp(x, w, width))
        made = [soft_product(x, w) + Resources(ff=width) for width in widths]
    bias = 0 if p.biases is None else p.layout["biases"].width
    total += sum(made, Resources(ff=bias * p.product_stages))
    if p.memory_bound == "block":
        soft = len(p.products) - p.dsp if p.packed is None else p.packed.soft
        total += Resources(ff=bias + soft * w.width)
    return total


def tree_resources(p: Multipliers, width: np.ndarray, stages: int) -> Resources:
    """The estimate for the trees of all PEs.

    :param width: int64 (pe,), of each one's sums.
    """
    if p.folds == 1:
        return trees_resources(p.plans, widths=width.tolist(), stages=stages)
    if p.packed is not None:
        return planned_resources(
            p.plans, folds=p.folds, width=width, stages=stages, single_last=p.single_last
        )
    total, factors, (lo, hi) = Resources(), p.weights, p.ends
    if p.biases is not None:
        biases = p.biases[:, :, None]
        factors, lo, hi = (np.concatenate([e, biases], axis=2) for e in (factors, lo, hi))
    summed = np.argwhere(factors.any(axis=0))
    for count in np.unique(p.counts).tolist():
        pes = np.flatnonzero(p.counts == count)
        lanes = summed[np.isin(summed[:, 0], pes), 1].reshape(len(pes), count)
        at = np.s_[:, pes[:, None], lanes]
        total += forest_resources(
            lo[at].transpose(1, 2, 0), hi[at].transpose(1, 2, 0),
            width=width[pes], stages=stages, in_dsp=p.in_dsp,
            after_dsp=p.after_dsp,
        )  # fmt: skip
    return total
