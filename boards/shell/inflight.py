"""The frames inside: how many, when each began, and whether its packet was a right one."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["InFlight"]


class InFlight(wiring.Component):
    """Counts up to `depth` frames through three gates: begun, entered the way out, ended.

    In, each for one cycle: `began`, a packet's first word was taken; `bad`, the packet that began
    last has a fault; `entered`, the last word of the oldest result went into the FIFO at the
    output; `ended`, it left that. `reset`: all frames are gone but those that have entered and, if
    `started`, the next one, some of whose result is out already; `began`, `bad` and `entered` of
    the same cycle count before it. `now`: a clock of 32 bits.

    Out: `full` (it falls a cycle late); `busy`, frames inside; `waiting`, a frame has begun whose
    result has not entered, and `result_bad`, its packet is a bad one; `sending`, a result has
    entered or `started` and not ended. A cycle after `ended`, with `measured`: `latency`, cycles
    from the frame's first word to the result's last one, both included. A cycle after `reset`:
    `lost`, the frames that are gone, else 0.

    :param depth: a power of two, as `buffers.frames_inside` gives it.
    """

    def __init__(self, depth: int) -> None:
        assert depth > 1
        assert not depth & (depth - 1)
        self._depth = depth
        ins = ("began", "bad", "entered", "started", "ended", "reset")
        outs = ("full", "busy", "waiting", "result_bad", "sending", "measured")
        super().__init__(
            {name: In(1) for name in ins}
            | {name: Out(1) for name in outs}
            | {"now": In(32), "latency": Out(32), "lost": Out(range(depth + 1))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = range(2 * self._depth)
        begun, entered, ended = Signal(count), Signal(count), Signal(count)
        begun_next, entered_next = Signal(count), Signal(count)
        kept, partly = Signal(count), Signal()
        m.d.comb += [
            begun_next.eq(begun + self.began),
            entered_next.eq(entered + self.entered),
            kept.eq(entered_next + self.started),
            self.busy.eq(begun != ended),
            self.waiting.eq(begun != entered),
            self.sending.eq(partly | (entered != ended)),
        ]
        m.d.sync += [
            begun.eq(begun_next),
            self.full.eq((begun_next - ended)[: len(begun)] == self._depth),
            entered.eq(entered_next),
            ended.eq(ended + self.ended),
            partly.eq(self.started),
        ]
        m.d.sync += self.lost.eq(0)
        with m.If(self.reset):
            m.d.sync += [begun.eq(kept), self.lost.eq((begun_next - kept)[: len(begun)])]
        self._remember(m, begun, entered, ended)
        return m

    def _remember(self, m: Module, begun: Signal, entered: Signal, ended: Signal) -> None:
        """Start times and faults, by the frame's number modulo `depth`."""
        m.submodules.times = times = memory.Memory(shape=32, depth=self._depth, init=[])
        m.submodules.faults = faults = memory.Memory(shape=1, depth=self._depth, init=[])
        start, start_read = times.write_port(), times.read_port(domain="comb")
        first, behind = Signal(32), Signal(32)  # so that no memory stands before the subtraction
        m.d.sync += [
            first.eq(start_read.data),
            behind.eq(self.now + 1),
            self.measured.eq(self.ended),
        ]
        fault, fault_read = faults.write_port(), faults.read_port(domain="comb")
        m.d.comb += [
            start.addr.eq(begun),
            start.data.eq(self.now),
            start.en.eq(self.began),
            start_read.addr.eq(ended),
            self.latency.eq(behind - first),
            fault.addr.eq(begun - ~self.began),
            fault.data.eq(self.bad),
            fault.en.eq(self.began | self.bad),
            fault_read.addr.eq(entered),
            self.result_bad.eq(fault_read.data),
        ]
