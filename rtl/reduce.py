"""The greatest element, or the sum, along rows of channels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.utils import ceil_log2

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.lutram import lutram_resources
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["OPS", "Reduce", "ReduceComponent"]

OPS = ("max", "sum")


@dataclass(frozen=True, kw_only=True)
class Reduce(Kernel):
    """``o[c] = op over k of i[k, c]``; a period is `count` rows of `channels` elements.

    :param op: one of `OPS`.
    :param count: rows that become one.
    :param channels: elements of a row.
    :param lanes: elements in one beat; divides `channels`.
    :param lo: least element of `i`.
    :param hi: greatest element of `i`.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    op: str
    count: int
    channels: int
    lanes: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        check_choice("op", self.op, OPS)
        for name in ("count", "channels", "lanes"):
            check_int(name, getattr(self, name), 1)
        check_interval("element", self.lo, self.hi)
        if self.channels % self.lanes:
            raise ValueError(f"lanes must divide channels = {self.channels}, not {self.lanes}")

    @property
    def beats(self) -> int:
        """Beats of a row, each with its own accumulators."""
        return self.channels // self.lanes

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.count * self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        times = self.count if self.op == "sum" else 1
        return {"o": Port(self.beats, self.lanes, self.lo * times, self.hi * times)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        rows = rows.reshape(-1, self.count, self.channels)
        return (rows.sum(axis=1) if self.op == "sum" else rows.max(axis=1),)

    def timing(self) -> Timing:
        last = Firing(("i",), ("o",), self.beats)
        if self.count == 1:
            return Timing.of([last], o=register_stages(1))
        silent = Firing(("i",), (), (self.count - 1) * self.beats)
        return Timing.of([silent, last], o=register_stages(1))

    def resources(self) -> Resources:
        """A LUT a bit for the sum or the choice of a maximum, half a one for its comparison."""
        width = self.outputs["o"].width
        bits = width * self.lanes
        if self.count == 1:
            return Resources(lut=1, ff=bits + 1)
        beat, row = ceil_log2(self.beats), ceil_log2(self.count)
        total = Resources(lut=beat + row + 5, ff=bits + beat + row + 2)
        if self.op == "max":
            total += Resources(lut=self.lanes * (width + -(-width // 2)))
        else:
            total += Resources(lut=bits)
        if self.beats == 1:
            return total + Resources(ff=bits)
        return total + lutram_resources(self.beats, bits, shared=True)

    def create(self) -> "ReduceComponent":
        return ReduceComponent(self)


class ReduceComponent(wiring.Component):
    """Rows of channels in on `i`, for each `count` of them one out on `o`; see `Reduce`.

    A beat a cycle, also from period to period; a beat of the last row gives one of `o` in the
    next cycle, and waits while that is occupied. The accumulators of each beat of a row lie in
    LUTRAM, or in registers where a row is one beat. Reset drops everything.
    """

    def __init__(self, kernel: Reduce) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        k, m = self._kernel, Module()
        beat, row = Signal(range(k.beats)), Signal(range(k.count))
        first, last, taken, fire = Signal(init=1), Signal(), Signal(), Signal()
        m.d.comb += [
            last.eq(row == k.count - 1),
            taken.eq(~last | ~self.o.valid | self.o.ready),
            self.i.ready.eq(taken),
            fire.eq(self.i.valid & taken),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(fire):
            m.d.sync += beat.eq(Mux(beat == k.beats - 1, 0, beat + 1))
            with m.If(beat == k.beats - 1):
                m.d.sync += [row.eq(Mux(last, 0, row + 1)), first.eq(last)]
            with m.If(last):
                m.d.sync += self.o.valid.eq(1)
        after = self._after(m, beat, first, fire)
        with m.If(fire & last):
            m.d.sync += Value.cast(self.o.payload).eq(after)
        return m

    def _after(self, m: Module, beat: Signal, first: Signal, fire: Signal) -> Value:
        """The accumulators of this beat, with what comes in."""
        k = self._kernel
        shape = k.outputs["o"].element
        m.submodules.store = store = memory.Memory(
            shape=shape.width * k.lanes, depth=k.beats, init=[]
        )
        write, read = store.write_port(), store.read_port(domain="comb")
        found = []
        for lane in range(k.lanes):
            item = self.i.payload[lane]
            before = read.data.word_select(lane, shape.width)
            total = Signal(shape, name=f"total{lane}")
            m.d.comb += total.eq(before)
            after = Signal(shape, name=f"after{lane}")
            if k.op == "sum":
                m.d.comb += after.eq(Mux(first, Const(0), total) + item)
            else:
                m.d.comb += after.eq(Mux(first | (item > total), item, total))
            found.append(after)
        m.d.comb += [
            read.addr.eq(beat), write.addr.eq(beat), write.en.eq(fire),
            write.data.eq(Cat(*found)),
        ]  # fmt: skip
        return Cat(*found)
