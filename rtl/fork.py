"""Copies of one stream for several consumers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Fork"]


@dataclass(frozen=True, kw_only=True)
class Fork(Kernel):
    """Gives every beat of `i` on each of `o0`, `o1`, ...

    :param branches: number of outputs, at least 1.
    :param beats: beats in one period; any number, for the hardware takes no notice of it.
    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :raises TypeError, ValueError: where a parameter is not an int or out of range.
    """

    branches: int
    beats: int = 1
    lanes: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        check_int("branches", self.branches, 1)
        check_int("beats", self.beats, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        port = Port(self.beats, self.lanes, self.lo, self.hi)
        return {f"o{k}": port for k in range(self.branches)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (stream_rows("i", inputs[0], self.inputs["i"]),) * self.branches

    def timing(self) -> Timing:
        names = tuple(self.outputs)
        return Timing.of(
            [Firing(("i",), names, self.beats)], **{n: register_stages(1) for n in names}
        )

    def resources(self) -> Resources:
        bits = self.inputs["i"].width * self.lanes
        return Resources(lut=2 * self.branches, ff=bits + self.branches)

    def create(self) -> wiring.Component:
        return ForkComponent(self)


class ForkComponent(wiring.Component):
    """Each beat of `i` goes to every output; an output that is ready does not wait for the others.

    Latency 1 cycle, a beat a cycle. All outputs share one data register with a valid bit each;
    the next beat is taken in the cycle in which the last of the bits is cleared. Reset drops the
    beat held.
    """

    def __init__(self, kernel: Fork) -> None:
        self._branches = kernel.branches
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = [getattr(self, f"o{k}") for k in range(self._branches)]
        data = Signal(len(Value.cast(self.i.payload)))
        busy = Signal(self._branches)
        m.d.comb += [busy[k].eq(o.valid & ~o.ready) for k, o in enumerate(outputs)]
        m.d.comb += self.i.ready.eq(~busy.any())
        with m.If(self.i.ready):
            m.d.sync += data.eq(Value.cast(self.i.payload))
        for o in outputs:
            m.d.comb += Value.cast(o.payload).eq(data)
            with m.If(self.i.ready):
                m.d.sync += o.valid.eq(self.i.valid)
            with m.Elif(o.ready):
                m.d.sync += o.valid.eq(0)
        return m
