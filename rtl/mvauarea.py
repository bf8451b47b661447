"""An area estimate for what stands around the products and trees of an MVAU."""

import numpy as np

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutram import lutram_resources
from thresher.rtl.rom import pack_words, table_resources

__all__ = ["folding_resources"]


def folding_resources(
    synapse_folds: int, groups: int, biases: np.ndarray, beat: int, sums: int
) -> Resources:
    """The estimate for what an MVAU has because it is folded.

    Counters, its vector's buffer, its biases and its accumulators.

    :param groups: vectors of a period.
    :param biases: int64 (NF, PE).
    :param beat: bits of an input beat.
    :param sums: bits of all outputs of a beat.
    """
    neuron_folds = len(biases)
    if neuron_folds * synapse_folds == 1:
        return Resources()
    fold = (neuron_folds * synapse_folds - 1).bit_length()
    synapse, neuron = (synapse_folds - 1).bit_length(), (neuron_folds - 1).bit_length()
    total = Resources(lut=8 + fold, ff=fold)
    if synapse:
        total += Resources(lut=6 + sums, ff=synapse + 2 + 2 * sums)
    if neuron and synapse and biases.any():
        width = element_shape(int(biases.min()), int(biases.max())).width
        words = pack_words(biases, width)
        total += table_resources(neuron_folds, width * biases.shape[1], "logic", lambda: words)
        total += Resources(lut=neuron + 2, ff=neuron)
    each = neuron_folds // groups
    if each == 1:
        return total
    if groups > 1:
        total += Resources(lut=(each - 1).bit_length(), ff=(each - 1).bit_length())
    if synapse:
        return (
            total
            + Resources(lut=beat, ff=synapse + 1)
            + lutram_resources(synapse_folds, beat, shared=True)
        )
    return total + Resources(lut=beat, ff=beat + 1)  # a buffer of one beat is a register
