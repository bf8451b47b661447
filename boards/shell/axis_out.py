"""Results out as AXI4-Stream packets, each of the right length whatever happens to the core."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from thresher.boards.shell.axi_ports import stream_signature
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Port
from thresher.rtl.sequencer import Sequencer

__all__ = ["AxisOut"]


class AxisOut(wiring.Component):
    """The results on `i0`, `i1`, ... become packets of `m_axis`: beats in turn from the ports.

    A beat is a word, in its lowest bits, and the rest of it 0. TUSER is 1 on the last word of a
    result for which `result_bad` is 1 when that word comes. The way out is a FIFO, so a beat takes
    a cycle there (a port that must wait for its turn has one of its own before it) and `m_axis`
    comes from registers. No result begins before `waiting` says that its frame has.

    `entered` is 1 in the cycle in which a result's last word goes into that FIFO, `ended` in which
    it leaves. `started`: a part of a result is in, or out, and the rest is still to come; as it
    will be in the next cycle.

    `reset` drops what is in the core and in the FIFOs of the ports, but not what is on its way out:
    a result that has started is filled up with zeros, TUSER 1 on its last word.

    :param ports: of the core, in the order of a result.
    :param size: bytes of a word.
    :param depths: beats of the FIFO of each port; 0: none.
    """

    def __init__(self, ports: Sequence[Port], size: int, depths: Sequence[int]) -> None:
        self._ports, self._depths, self._bits = tuple(ports), tuple(depths), 8 * size
        super().__init__(
            {"m_axis": Out(stream_signature(size, user=True))}
            | {name: In(1) for name in ("waiting", "result_bad", "reset")}
            | {name: Out(1) for name in ("started", "entered", "ended")}
            | {f"i{k}": In(port.signature) for k, port in enumerate(ports)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sequencer = Sequencer(tuple((k, p.beats) for k, p in enumerate(self._ports)))
        m.submodules.sequencer = sequencer
        m.submodules.out = out = Fifo(depth=2, lanes=1, lo=0, hi=(1 << self._bits + 2) - 1).create()
        filling, inside, valid, word = Signal(), Signal(), Signal(), Signal(self._bits)
        last, put, ready = Signal(), Signal(), Signal()
        self._collect(m, sequencer, valid, word, ready)
        allowed = (inside | self.waiting) & ~filling & ~self.reset
        m.d.comb += [
            ready.eq(out.i.ready & allowed),
            out.i.valid.eq(filling | (valid & allowed)),
            put.eq(out.i.valid & out.i.ready),
            sequencer.advance.eq(put),
            last.eq((sequencer.index == len(self._ports) - 1) & (sequencer.left == 0)),
            Value.cast(out.i.payload).eq(
                Cat(Mux(filling, 0, word), last, last & (filling | self.result_bad))
            ),
            self.started.eq(Mux(put, ~last, inside)),
            self.entered.eq(put & last),
        ]
        m.d.sync += [inside.eq(self.started), filling.eq(self.started & (filling | self.reset))]
        self._send(m, out.o)
        return m

    def _collect(
        self, m: Module, sequencer: Sequencer, valid: Signal, word: Signal, ready: Signal
    ) -> None:
        """The port whose turn it is, behind its FIFO."""
        for k, (port, depth) in enumerate(zip(self._ports, self._depths, strict=True)):
            source = getattr(self, f"i{k}")
            if depth:
                fifo = Fifo(depth=depth, lanes=port.lanes, lo=port.lo, hi=port.hi).create()
                m.submodules[f"fifo{k}"] = ResetInserter(self.reset)(fifo)
                wiring.connect(m, wiring.flipped(source), fifo.i)
                source = fifo.o
            turn = Signal(name=f"turn{k}")
            m.d.comb += [turn.eq(sequencer.index == k), source.ready.eq(ready & turn)]
            with m.If(turn):
                m.d.comb += [valid.eq(source.valid), word.eq(Value.cast(source.payload))]

    def _send(self, m: Module, o: stream.Interface) -> None:
        """The FIFO's beats as words of `m_axis`."""
        axis = self.m_axis
        m.d.comb += [
            Cat(axis.tdata, axis.tlast, axis.tuser).eq(Value.cast(o.payload)),
            axis.tkeep.eq(~0),
            axis.tvalid.eq(o.valid),
            o.ready.eq(axis.tready),
            self.ended.eq(axis.tvalid & axis.tready & axis.tlast),
        ]
