"""AXI4-Stream packets in, frames out: what the host sends, always of the right length."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.boards.shell.axi_ports import stream_signature
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Port
from thresher.rtl.sequencer import Sequencer

__all__ = ["AxisIn"]


class AxisIn(wiring.Component):
    """Each packet of `s_axis` becomes a frame on `o0`, `o1`, ...: words in turn to the ports.

    A word is a beat, in its lowest bits. A packet that ends early is filled up with zeros, a word a
    cycle; of one that ends late the words behind the frame are dropped; TKEEP changes nothing. Each
    port has a FIFO, so a beat takes a cycle and `s_axis_tready` depends on registers alone.

    `began`, `early`, `late` and `null_bytes` are 1 in the cycle in which the word that shows it is
    taken: a packet's first word; an early TLAST; the frame's last word without TLAST; a TKEEP that
    is not all ones in a word of the frame. `bad` is 1 in the cycle of the first of these faults in
    a packet, at the latest with the last word of the frame, and so before the core sees that.
    `receiving`: a packet has begun and not ended.

    While `full` is 1 no packet begins.

    `reset` drops what has come, the word of the same cycle included. The rest of a packet is
    swallowed up to TLAST, or with `forget` not expected any more. No rule of AXI is broken.

    :param ports: of the core, in the order of a frame.
    :param size: bytes of a word.
    :param depths: beats of the FIFO of each port.
    """

    def __init__(self, ports: Sequence[Port], size: int, depths: Sequence[int]) -> None:
        self._ports, self._depths = tuple(ports), tuple(depths)
        flags = ("began", "early", "late", "null_bytes", "bad", "receiving")
        super().__init__(
            {"s_axis": In(stream_signature(size))}
            | {name: In(1) for name in ("full", "reset", "forget")}
            | {name: Out(1) for name in flags}
            | {f"o{k}": Out(port.signature) for k, port in enumerate(ports)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s = self.s_axis
        restarted = ResetInserter(self.reset)
        sequencer = Sequencer(tuple((k, p.beats) for k, p in enumerate(self._ports)))
        m.submodules.sequencer = restarted(sequencer)
        filling, dropping, faulty = Signal(), Signal(), Signal()
        offered, ready, taken, last, given = (Signal() for _ in range(5))
        self._fifos(m, restarted, sequencer, Mux(filling, 0, s.tdata), offered, ready)

        room = Signal()
        m.d.comb += [
            room.eq(self.receiving | ~self.full),
            s.tready.eq(dropping | (ready & room & ~filling)),
            taken.eq(s.tvalid & s.tready & ~dropping),
            offered.eq(filling | (s.tvalid & room & ~dropping)),
            given.eq(offered & ready),
            sequencer.advance.eq(given),
            last.eq((sequencer.index == len(self._ports) - 1) & (sequencer.left == 0)),
            self.began.eq(taken & ~self.receiving),
            self.early.eq(taken & s.tlast & ~last),
            self.late.eq(taken & ~s.tlast & last),
            self.null_bytes.eq(taken & ~s.tkeep.all()),
            self.bad.eq((self.early | self.late | self.null_bytes) & (self.began | ~faulty)),
        ]
        with m.If(taken):
            m.d.sync += faulty.eq(self.bad | (faulty & ~self.began))
        with m.If(s.tvalid & s.tready):
            m.d.sync += self.receiving.eq(~s.tlast)
            with m.If(s.tlast):
                m.d.sync += dropping.eq(0)
        with m.If(self.late):
            m.d.sync += dropping.eq(1)
        with m.If(self.early):
            m.d.sync += filling.eq(1)
        with m.Elif(given & last):
            m.d.sync += filling.eq(0)
        with m.If(self.reset):
            rest = Mux(s.tvalid & s.tready, ~s.tlast, self.receiving) & ~self.forget
            m.d.sync += [filling.eq(0), dropping.eq(rest), self.receiving.eq(rest)]
        return m

    def _fifos(
        self,
        m: Module,
        restarted: ResetInserter,
        sequencer: Sequencer,
        word: Value,
        offered: Signal,
        ready: Signal,
    ) -> None:
        """A FIFO for each port; `ready` is that of the one whose turn it is."""
        for k, (port, depth) in enumerate(zip(self._ports, self._depths, strict=True)):
            fifo = Fifo(depth=depth, lanes=port.lanes, lo=port.lo, hi=port.hi).create()
            m.submodules[f"fifo{k}"] = restarted(fifo)
            turn = Signal(name=f"turn{k}")
            m.d.comb += [
                turn.eq(sequencer.index == k),
                fifo.i.valid.eq(offered & turn),
                Value.cast(fifo.i.payload).eq(word),
            ]
            with m.If(turn):
                m.d.comb += ready.eq(fifo.i.ready)
            wiring.connect(m, fifo.o, wiring.flipped(getattr(self, f"o{k}")))
