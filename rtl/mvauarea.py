"""An area estimate for what stands around the products and trees of an MVAU."""

import numpy as np

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutram import lutram_resources
from thresher.rtl.rom import pack_words, table_resources

__all__ = ["folding_resources"]


def folding_resources(synapse_folds: int, biases: np.ndarray, beat: int) -> Resources:
    """The estimate for the counters of an MVAU that is folded, its vector's buffer and its biases.

    :param biases: int64 (NF, PE).
    :param beat: bits of an input beat.
    """
    neuron_folds = len(biases)
    fold = (neuron_folds * synapse_folds - 1).bit_length()
    synapse, neuron = (synapse_folds - 1).bit_length(), (neuron_folds - 1).bit_length()
    total = Resources(lut=8 + fold, ff=fold)
    if synapse:
        total += Resources(lut=6, ff=synapse + 2)
    if neuron and synapse:
        total += Resources(lut=beat, ff=synapse + 1)
        total += lutram_resources(synapse_folds, beat, shared=True)
        if biases.any():
            width = element_shape(int(biases.min()), int(biases.max())).width
            words = pack_words(biases, width)
            total += table_resources(neuron_folds, width * biases.shape[1], "logic", lambda: words)
            total += Resources(lut=neuron + 2, ff=neuron)
    elif neuron:
        total += Resources(lut=beat, ff=beat + 1)  # a buffer of one beat is a register
    return total
