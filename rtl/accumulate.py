"""The accumulators of a folded matrix-vector product."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream

from thresher.rtl.addertree import Term, plus_bit
from thresher.rtl.kernel import element_shape
from thresher.rtl.rom import Rom, pack_words

__all__ = ["accumulate"]


def accumulate(
    m: Module,
    o: stream.Interface,
    sums: Sequence[Term],
    *,
    shapes: Sequence[Shape],
    folds: int,
    biases: np.ndarray,
    valid: Signal,
    taken: Signal,
) -> None:
    """Add the process that makes one beat of `o` of every `folds` beats of sums, to `m`.

    :param sums: one a lane, there where `valid` is 1; their borrows are added with them.
    :param shapes: of the lanes' totals.
    :param biases: int64 (N / lanes, lanes), what beats of `o` start from, in turn.
    :param taken: is made 1 where the sums may go.
    """
    fold = Signal(range(folds))
    first, last, fire = Signal(init=1), Signal(), Signal()
    m.d.comb += [
        last.eq(fold == folds - 1),
        taken.eq(~last | ~o.valid | o.ready),
        fire.eq(valid & taken),
    ]
    starts = _starts(m, biases, fire & last)
    with m.If(o.ready):
        m.d.sync += o.valid.eq(0)
    with m.If(fire):
        m.d.sync += [fold.eq(fold + 1), first.eq(last)]
        with m.If(last):
            m.d.sync += [fold.eq(0), o.valid.eq(1)]
    for lane, (item, shape) in enumerate(zip(sums, shapes, strict=True)):
        total = Signal(shape, name=f"total{lane}")
        after = Signal(shape, name=f"after{lane}")
        start = Mux(first, starts[lane], total)
        m.d.comb += after.eq(plus_bit(start, item.value, item.borrow))
        with m.If(fire):
            m.d.sync += total.eq(after)
            with m.If(last):
                m.d.sync += o.payload[lane].eq(after)


def _starts(m: Module, biases: np.ndarray, finished: Value) -> list[Value]:
    """What each accumulator starts from: its neuron's bias."""
    neurons, lanes = biases.shape
    shape = element_shape(int(biases.min()), int(biases.max()))
    layout = data.ArrayLayout(shape, lanes)
    words = pack_words(biases, shape.width)
    m.submodules.biases = rom = Rom(words=words, width=layout.size, memory="logic")
    neuron, following = Signal(range(neurons)), Signal(range(neurons))
    m.d.comb += [following.eq(neuron), rom.address.eq(following), rom.enable.eq(1)]
    with m.If(finished):
        m.d.comb += following.eq(Mux(neuron == neurons - 1, 0, neuron + 1))
    m.d.sync += neuron.eq(following)
    start = data.View(layout, rom.data)
    return [start[lane] for lane in range(lanes)]
