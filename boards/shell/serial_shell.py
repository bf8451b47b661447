"""The conversation of docs/links.md between bytes of a line and the streams of the core."""

from collections.abc import Sequence

from amaranth.hdl import Module, ResetInserter, Value
from amaranth.lib import stream, wiring

from thresher.boards.host.frames import Frame
from thresher.boards.host.packets import Identity
from thresher.boards.shell.answers import ANSWER
from thresher.boards.shell.counters import Counters
from thresher.boards.shell.frame_ports import FrameIn, FrameOut, port_name
from thresher.boards.shell.meter import Meter
from thresher.boards.shell.receiver import Receiver
from thresher.boards.shell.sender import Sender
from thresher.boards.shell.stuffing import LINE_BYTE, Stuffer, Unstuffer
from thresher.rtl.checks import check_int
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Port

__all__ = ["INSIDE", "SerialShell"]

INSIDE = 16
"""Frames that may be inside at once, in the buffers and in the core; answers that may wait."""


class SerialShell(wiring.Component):
    """Bytes `i` from the host, bytes `o` to it, and the core's ports `in0`, ..., `out0`, ...

    Bytes must come at least `receiver.LEAST_SPACING` cycles apart, which every line does. A frame
    is in the core from 2 cycles after its END on, a beat of B bytes every B + 1 cycles at most; a
    result leaves once it is whole. `core_reset` empties the core in the cycle in which the buffers
    are emptied. `busy`: a frame is inside, or its result is leaving.

    :param frames: input and output frame.
    :param ports: likewise the core's ports.
    :param identity: what IDENTIFY is answered with; its `window` is of both sides' buffers.
    """

    def __init__(
        self,
        frames: tuple[Frame, Frame],
        ports: tuple[Sequence[Port], Sequence[Port]],
        identity: Identity,
    ) -> None:
        check_int("window", identity.window, 1)
        if identity.window > INSIDE:
            raise ValueError(f"window must be at most {INSIDE}, not {identity.window!r}")
        self._frames, self._ports, self._identity = frames, ports, identity
        inputs, outputs = ports
        super().__init__(
            {
                "i": wiring.In(stream.Signature(LINE_BYTE, always_ready=True)),
                "o": wiring.Out(stream.Signature(8)),
                "core_reset": wiring.Out(1),
                "busy": wiring.Out(1),
            }
            | {f"in{k}": wiring.Out(p.signature) for k, p in enumerate(inputs)}
            | {f"out{k}": wiring.In(p.signature) for k, p in enumerate(outputs)}
        )

    def elaborate(self, platform):
        m = Module()
        inputs, outputs = self._ports
        window = self._identity.window
        m.submodules.unstuffer = unstuffer = Unstuffer()
        m.submodules.receiver = receiver = Receiver()
        m.submodules.sender = sender = Sender()
        m.submodules.stuffer = stuffer = Stuffer()
        m.submodules.counters = counters = Counters(self._identity.pack())
        m.submodules.sequences = sequences = _fifo(16)
        m.submodules.answers = answers = _fifo(ANSWER.size)
        frame_in = FrameIn(self._frames[0], inputs, window)
        frame_out = FrameOut(self._frames[1], outputs, window)
        meter = Meter(len(inputs), len(outputs), INSIDE)
        for name, part in (("frame_in", frame_in), ("frame_out", frame_out), ("meter", meter)):
            m.submodules[name] = ResetInserter(receiver.reset)(part)
        wiring.connect(m, wiring.flipped(self.i), unstuffer.i)
        wiring.connect(m, unstuffer.o, receiver.i)
        wiring.connect(m, sender.o, stuffer.i)
        wiring.connect(m, stuffer.o, wiring.flipped(self.o))
        wiring.connect(m, receiver.payload, frame_in.i)
        wiring.connect(m, frame_out.o, sender.results)
        wiring.connect(m, receiver.events, counters.now)
        wiring.connect(m, sender.events, counters.later)
        wiring.connect(m, counters.o, sender.payload)
        for k in range(len(inputs)):
            wiring.connect(m, getattr(frame_in, port_name(k)), wiring.flipped(self._port("in", k)))
        for k in range(len(outputs)):
            wiring.connect(
                m, wiring.flipped(self._port("out", k)), getattr(frame_out, port_name(k))
            )
        _through(m, receiver.accepted, sequences, sender.sequences)
        _through(m, receiver.answers, answers, sender.answers)
        m.d.comb += [
            sequences.o.ready.eq(sender.sequences.ready | receiver.drop),
            receiver.inside.eq(sequences.o.valid),
            receiver.whole.eq(frame_in.whole),
            frame_in.commit.eq(receiver.commit),
            frame_in.rollback.eq(receiver.rollback),
            meter.began.eq(frame_in.began),
            meter.ended.eq(frame_out.ended),
            counters.latency.eq(meter.latency),
            counters.interval.eq(meter.interval),
            counters.ask.eq(sender.ask),
            counters.identity.eq(sender.identity),
            sender.reset.eq(receiver.reset),
            self.core_reset.eq(receiver.reset),
            self.busy.eq(sequences.o.valid | sender.sending),
        ]
        return m

    def _port(self, side: str, k: int) -> stream.Interface:
        return getattr(self, f"{side}{k}")


def _fifo(bits: int) -> wiring.Component:
    return Fifo(depth=INSIDE, lanes=1, lo=0, hi=2**bits - 1, memory="lutram").create()


def _through(
    m: Module, source: stream.Interface, fifo: wiring.Component, target: stream.Interface
) -> None:
    """A stream through a FIFO, which sees plain bits."""
    m.d.comb += [
        Value.cast(fifo.i.payload).eq(Value.cast(source.payload)),
        fifo.i.valid.eq(source.valid),
        source.ready.eq(fifo.i.ready),
        Value.cast(target.payload).eq(Value.cast(fifo.o.payload)),
        target.valid.eq(fifo.o.valid),
        fifo.o.ready.eq(target.ready),
    ]
