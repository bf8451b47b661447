"""Lanes of one stream dealt out to several."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Deal"]


@dataclass(frozen=True, kw_only=True)
class Deal(Kernel):
    """Gives of every beat of `i` some lanes to each of `o0`, `o1`, ...; see `DealComponent`.

    Lanes are dealt as cards are: the first `chunk` to `o0`, the next to `o1`, and so on round,
    `rounds` times.

    :param branches: number of outputs, at least 1.
    :param chunk: neighbouring lanes that stay together.
    :param rounds: chunks of one beat for each output.
    :param beats: beats in one period; any number, for the hardware takes no notice of it.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :raises TypeError, ValueError: where a parameter is not an int or out of range.
    """

    branches: int
    chunk: int = 1
    rounds: int = 1
    beats: int = 1
    lo: int
    hi: int

    def __post_init__(self) -> None:
        for name in ("branches", "chunk", "rounds", "beats"):
            check_int(name, getattr(self, name), 1)
        check_interval("element", self.lo, self.hi)

    @property
    def lanes(self) -> int:
        """Elements in one beat of an output."""
        return self.chunk * self.rounds

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.branches * self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        port = Port(self.beats, self.lanes, self.lo, self.hi)
        return {f"o{k}": port for k in range(self.branches)}

    def sources(self, branch: int) -> tuple[int, ...]:
        """The lane of `i` that each lane of output `branch` comes from."""
        firsts = range(branch * self.chunk, self.branches * self.lanes, self.branches * self.chunk)
        return tuple(first + k for first in firsts for k in range(self.chunk))

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        beats = rows.reshape(len(rows), self.beats, -1)
        return tuple(
            beats[:, :, list(self.sources(k))].reshape(len(rows), -1) for k in range(self.branches)
        )

    def timing(self) -> Timing:
        names = tuple(self.outputs)
        return Timing.of(
            [Firing(("i",), names, self.beats)], **{n: register_stages(1) for n in names}
        )

    def resources(self) -> Resources:
        bits = self.inputs["i"].width * self.branches * self.lanes
        return Resources(lut=2 * self.branches, ff=bits + self.branches)

    def create(self) -> "DealComponent":
        return DealComponent(self)


class DealComponent(wiring.Component):
    """Hardware of `Deal`.

    In: `i`; out: `o0`, `o1`, ..., of every beat their lanes. An output that is ready does not wait
    for the others.

    Latency 1 cycle, a beat a cycle. One data register, of which every output has its lanes and a
    valid bit; the next beat is taken in the cycle in which the last of the bits is cleared. Reset
    drops the beat held.
    """

    def __init__(self, parameters: Deal) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        outputs = [getattr(self, f"o{k}") for k in range(p.branches)]
        m.d.comb += self.i.ready.eq(~Cat(o.valid & ~o.ready for o in outputs).any())
        for k, o in enumerate(outputs):
            with m.If(self.i.ready):
                m.d.sync += o.valid.eq(self.i.valid)
                m.d.sync += [
                    o.payload[lane].eq(self.i.payload[source])
                    for lane, source in enumerate(p.sources(k))
                ]
            with m.Elif(o.ready):
                m.d.sync += o.valid.eq(0)
        return m
