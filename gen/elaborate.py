"""A scheduled design as one Amaranth component."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring

from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import links

__all__ = ["Top"]


class Top(wiring.Component):
    """The whole accelerator: a stream in per model input, a stream out per model output.

    One frame is the tensor of one sample, or of the few that take turns in a recurrence, in
    row-major order, `lanes` elements a beat, element 0 in the lowest bits. Samples stand along the
    axis that `TopPort.place` tells: sequences step by step, all else sample by sample; ports as
    `design.inputs` and `design.outputs` tell. Frames may follow each other without a gap.
    When each beat moves at full rate is what `predict_trace` says. Reset drops everything in
    flight. Kernels and FIFOs are submodules of their own names.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        members: dict[str, wiring.Member] = {}
        members |= {p.name: wiring.In(p.port.signature) for p in design.inputs}
        members |= {p.name: wiring.Out(p.port.signature) for p in design.outputs}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        components = {name: kernel.create() for name, kernel in self.design.kernels.items()}
        for name, component in components.items():
            m.submodules[name] = component

        def port(end):
            return getattr(components[end[0]] if end[0] else self, end[1])

        for link in links(self.design):
            source, target = port(link.source), port(link.target)
            if link.fifo is not None:
                m.submodules[link.name] = fifo = link.fifo.create()
                _connect(m, source, fifo.i, link.fifo.lanes)
                source = fifo.o
            _connect(m, source, target, link.target_port.lanes)
        return m


def _connect(m: Module, source: stream.Interface, target: stream.Interface, lanes: int) -> None:
    """Lane by lane, extended or cut to the target's shape: both shapes hold the value."""
    m.d.comb += [target.valid.eq(source.valid), source.ready.eq(target.ready)]
    m.d.comb += [target.payload[k].eq(source.payload[k]) for k in range(lanes)]
