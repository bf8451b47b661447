"""Matrix-vector product with constant weights on chip, *reduce* dataflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory

from thresher.rtl.accumulate import accumulate
from thresher.rtl.addertree import sum_terms, widths
from thresher.rtl.arithmetic import MULTIPLIERS
from thresher.rtl.checks import (
    check_choice,
    check_int,
    check_interval,
    greatest_sum,
    integer_array,
    integer_bias,
    stream_rows,
)
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources, element_shape
from thresher.rtl.multiplierarea import product_resources, tree_resources
from thresher.rtl.multipliers import Multipliers
from thresher.rtl.mvauarea import folding_resources
from thresher.rtl.rom import rom_memory
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["MVAU", "MVAUComponent"]

_EXACT_IN_FLOAT, _EXACT_IN_INT = 1 << 53, 1 << 62


@dataclass(frozen=True, kw_only=True)
class MVAU(Kernel):
    """``o = i @ weights + bias`` for each input vector; see `MVAUComponent` for the hardware.

    With groups a period is so many vectors, each with its own columns of the weights: vector g is
    multiplied by columns ``g N / groups`` to ``(g + 1) N / groups - 1``.

    :param weights: int (K, N).
    :param pe: outputs computed at once; divides N / groups.
    :param simd: inputs multiplied at once for each of them; divides K.
    :param i_lo: least input element.
    :param i_hi: greatest input element.
    :param bias: int (N,); default none.
    :param groups: vectors of a period; divides N.
    :param memory: of the weights, "auto", "logic" or "block".
    :param multiplier: what the products are built from, "dsp" or "lut"; without folds, where
        weights are constants, there are no multipliers.
    :param pack: PEs in one DSP block at most: neighbours whose products fit beside each other.
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    weights: np.ndarray = field(compare=False)
    pe: int
    simd: int
    i_lo: int
    i_hi: int
    bias: np.ndarray | None = field(default=None, compare=False)
    groups: int = 1
    memory: str = "auto"
    multiplier: str = "dsp"
    pack: int = 1
    content: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = integer_array("weights", self.weights, 2)
        object.__setattr__(self, "weights", weights)
        k, n = weights.shape
        if self.bias is not None:
            object.__setattr__(self, "bias", integer_bias(self.bias, n))
        check_int("groups", self.groups, 1)
        if n % self.groups:
            raise ValueError(f"groups must divide the {n} columns of weights, not {self.groups}")
        n //= self.groups
        check_int("pe", self.pe, 1)
        check_int("simd", self.simd, 1)
        check_interval("i", self.i_lo, self.i_hi)
        if n % self.pe:
            of = " of each group" * (self.groups > 1)
            raise ValueError(f"pe must divide the N = {n} columns of weights{of}, not {self.pe}")
        if k % self.simd:
            raise ValueError(f"simd must divide the K = {k} rows of weights, not {self.simd}")
        rom_memory(1, 0, self.memory)
        check_choice("multiplier", self.multiplier, MULTIPLIERS)
        if self._bound >= _EXACT_IN_INT:
            raise ValueError(f"sums must stay below 2**62 in magnitude, not reach {self._bound}")
        check_int("pack", self.pack, 1)
        if self.pack > 1 and (why := self.multipliers.unpacked):
            raise ValueError(f"pack must be 1, not {self.pack}: {why}")
        content = (weights.shape, weights.tobytes(), self.biases.tobytes())
        object.__setattr__(self, "content", content)

    @property
    def biases(self) -> np.ndarray:
        """int64 (N,): the bias, or zeros."""
        return np.zeros(self.weights.shape[1], np.int64) if self.bias is None else self.bias

    @property
    def synapse_folds(self) -> int:
        """SF = K / simd."""
        return self.weights.shape[0] // self.simd

    @property
    def neuron_folds(self) -> int:
        """NF = N / pe, of all groups."""
        return self.weights.shape[1] // self.pe

    @property
    def folds(self) -> int:
        """Cycles a period takes, and words of weights: NF * SF."""
        return self.neuron_folds * self.synapse_folds

    @cached_property
    def multipliers(self) -> Multipliers:
        """What makes the summands of each fold; with SF = 1 also the biases."""
        shape = (self.synapse_folds, self.simd, self.neuron_folds, self.pe)
        weights = self.weights.reshape(shape).transpose(2, 0, 3, 1)
        summed = self.synapse_folds == 1 and self.biases.any()
        return Multipliers(
            weights=weights.reshape(-1, self.pe, self.simd),
            biases=self.biases.reshape(-1, self.pe) if summed else None,
            lo=self.i_lo, hi=self.i_hi,
            memory=self.memory, multiplier=self.multiplier,
            pack=self.pack, last=self.synapse_folds == 1,
        )  # fmt: skip

    @property
    def latency(self) -> int:
        """Register stages between issue and accumulator, or output where there is none."""
        return max(1, self.multipliers.latency + self.multipliers.tree_stages)

    @cached_property
    def _bound(self) -> int:
        return greatest_sum(self.weights, self.biases, self.i_lo, self.i_hi)

    @cached_property
    def intervals(self) -> np.ndarray:
        """int64 (2, N): the least and the greatest value of each output."""
        ends = np.stack([self.weights * self.i_lo, self.weights * self.i_hi])
        return np.stack([ends.min(axis=0).sum(axis=0), ends.max(axis=0).sum(axis=0)]) + self.biases

    @property
    def _widths(self) -> np.ndarray:
        """int64 (pe,): bits of the sums that each PE computes."""
        lo, hi = self.intervals.reshape(2, -1, self.pe)
        return widths(lo.min(axis=0), hi.max(axis=0))

    def lane_shape(self, lane: int) -> Shape:
        """Shape of the sums that PE `lane` computes."""
        lo, hi = self.intervals[:, lane :: self.pe]
        return element_shape(int(lo.min()), int(hi.max()))

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.groups * self.synapse_folds, self.simd, self.i_lo, self.i_hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        lo, hi = self.intervals
        return {"o": Port(self.neuron_folds, self.pe, int(lo.min()), int(hi.max()))}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        exact = np.float64 if self._bound < _EXACT_IN_FLOAT else np.int64
        k, n = self.weights.shape
        vectors = rows.astype(exact).reshape(-1, self.groups, k).swapaxes(0, 1)
        weights = self.weights.astype(exact).reshape(k, self.groups, -1).swapaxes(0, 1)
        product = (vectors @ weights).swapaxes(0, 1).reshape(-1, n).astype(np.int64)
        return (product + self.biases,)

    @property
    def work(self) -> int:
        return self.folds

    def timing(self) -> Timing:
        sf, nf = self.synapse_folds, self.neuron_folds
        to = "p" if sf > 1 else "o"
        each = nf // self.groups
        issue = [Firing(takes=("i",), gives=(to,), repeat=sf)] * self.groups
        if each > 1:
            again = Firing(gives=(to,), repeat=sf * (each - 1))
            issue = [firing for vector in issue for firing in (vector, again)]
        stages = register_stages(self.latency)
        if sf == 1:
            return Timing.of(issue, o=stages)
        accumulate = [Firing(takes=("p",), repeat=sf - 1), Firing(takes=("p",), gives=("o",))] * nf
        return Timing.of(issue, accumulate, p=stages, o=register_stages(1))

    def resources(self) -> Resources:
        x = self.inputs["i"].width * self.simd
        stages = self.latency - self.multipliers.latency
        width = self._widths
        total = product_resources(self.multipliers) + Resources(
            lut=2 * self.latency, ff=self.latency
        )
        total += tree_resources(self.multipliers, width, stages)
        biases = self.biases.reshape(-1, self.pe)
        sums = int(width.sum())
        return total + folding_resources(self.synapse_folds, self.groups, biases, x, sums)

    def create(self) -> "MVAUComponent":
        return MVAUComponent(self)


class MVAUComponent(wiring.Component):
    """Hardware of `MVAU`.

    In: `i`, K / simd beats of simd elements a vector. Out: `o`, N / pe beats of pe elements; both
    in natural order.

    A vector takes NF * SF cycles (SF = K / simd, NF = N / pe), the next follows without a gap:
    fold (nf, sf) multiplies beat sf of the vector by weights[sf*simd:, nf*pe:]. `i` is taken
    while nf is 0; a buffer keeps the vector for the later folds, and there is none when NF is 1.
    Each fold passes `latency` register stages (memory, multipliers, adder trees) to the
    accumulators, and the last of every SF goes on to the output register. Without folds the
    weights are constants, summed as signed digits; with SF = 1 the trees end in the output.

    Back-pressure: all stages close bubbles, and stop only when full. Reset drops everything.
    """

    def __init__(self, parameters: MVAU) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        issue, taken = Signal(), Signal()
        stages = elastic_stages(m, count=p.latency, i_valid=issue, o_ready=taken, name="item")
        fold = Signal(range(p.folds))
        x = self._issue(m, fold, issue, stages.ready)
        split = p.multipliers.latency
        terms = p.multipliers.elaborate_into(m, x, fold, stages.enables[:split])
        sums = [
            sum_terms(
                m,
                terms[lane],
                width=p.lane_shape(lane).width,
                enables=stages.enables[split:],
                name=f"sum{lane}",
                after_dsp=p.multipliers.after_dsp,
                single_last=p.multipliers.single_last,
            )
            for lane in range(p.pe)
        ]
        if p.synapse_folds == 1:
            m.d.comb += [self.o.valid.eq(stages.valid), taken.eq(self.o.ready)]
            for lane, term in enumerate(sums):
                total = Signal(p.lane_shape(lane), name=f"total{lane}")  # has its sign from here
                m.d.comb += [total.eq(term.value), self.o.payload[lane].eq(total)]
        else:
            accumulate(
                m, self.o, sums, folds=p.synapse_folds, biases=p.biases.reshape(-1, p.pe),
                shapes=[p.lane_shape(lane) for lane in range(p.pe)],
                valid=stages.valid, taken=taken,
            )  # fmt: skip
        return m

    def _issue(self, m: Module, fold: Signal, issue: Signal, ready: Signal) -> data.View:
        """The issuing process: the number of the fold, and the beat that it multiplies."""
        p = self.parameters
        if p.folds == 1:
            m.d.comb += [issue.eq(self.i.valid), self.i.ready.eq(ready)]
            return self.i.payload
        synapse = Signal(range(p.synapse_folds))
        filling = Signal(init=1)
        m.d.comb += [
            issue.eq(self.i.valid | ~filling),
            self.i.ready.eq(filling & ready),
        ]
        each = p.neuron_folds // p.groups
        neuron = Signal(range(each))
        with m.If(issue & ready):
            m.d.sync += [fold.eq(fold + 1), synapse.eq(synapse + 1)]
            with m.If(synapse == p.synapse_folds - 1):
                last = neuron == each - 1 if p.groups > 1 else fold == p.folds - 1
                m.d.sync += [synapse.eq(0), filling.eq(last), neuron.eq(Mux(last, 0, neuron + 1))]
            with m.If(fold == p.folds - 1):
                m.d.sync += fold.eq(0)
        if each == 1:
            return self.i.payload
        layout = p.inputs["i"].payload
        x = Signal(layout)
        m.submodules.buffer = buffer = Memory(shape=layout, depth=p.synapse_folds, init=[])
        write, read = buffer.write_port(), buffer.read_port(domain="comb")
        m.d.comb += [port.addr.eq(synapse) for port in (write, read)]
        m.d.comb += [
            write.data.eq(self.i.payload),
            write.en.eq(issue & ready & filling),
            x.eq(Mux(filling, self.i.payload.as_value(), read.data.as_value())),
        ]
        return x
