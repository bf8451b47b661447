"""A frame's bytes <-> the stream ports of the core."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring

from thresher.boards.host.frames import Frame
from thresher.boards.shell.beats import ToBeats, ToBytes
from thresher.boards.shell.frame_buffer import FRAME_BYTE, FrameBuffer
from thresher.rtl.kernel import Port

__all__ = ["FrameIn", "FrameOut", "port_name"]


def port_name(k: int) -> str:
    """The member of `FrameIn` and `FrameOut` for a frame's `k`-th port."""
    return f"port{k}"


class FrameIn(wiring.Component):
    """Bytes `i` of a frame -> a `FrameBuffer` a port -> beats of `port0`, `port1`, ...

    `i.ready` while the port whose turn it is has room for this frame. `whole`: every byte is there;
    then `commit` keeps the frame; `rollback` forgets it at any time; neither with a byte that goes
    in. `began`, a bit a port: the first beat of a frame leaves.
    """

    def __init__(self, frame: Frame, ports: Sequence[Port], window: int) -> None:
        self._frame, self._ports, self._window = frame, ports, window
        super().__init__(
            {
                "i": wiring.In(stream.Signature(8)),
                "commit": wiring.In(1),
                "rollback": wiring.In(1),
                "whole": wiring.Out(1),
                "began": wiring.Out(len(ports)),
            }
            | {port_name(k): wiring.Out(p.signature) for k, p in enumerate(ports)}
        )

    def elaborate(self, platform):
        m = Module()
        before: Value = Const(1, 1)  # the ports before this one have their bytes
        for k, (port, place) in enumerate(zip(self._ports, self._frame.ports, strict=True)):
            m.submodules[f"buffer{k}"] = buffer = FrameBuffer(place.size, self._window)
            m.submodules[f"beats{k}"] = beats = ToBeats(port, place)
            out = getattr(self, port_name(k))
            wiring.connect(m, buffer.o, beats.i)
            wiring.connect(m, beats.o, wiring.flipped(out))
            m.d.comb += [
                buffer.i.payload.eq(self.i.payload),
                buffer.i.valid.eq(self.i.valid & before),
                buffer.commit.eq(self.commit),
                buffer.rollback.eq(self.rollback),
                self.began[k].eq(out.valid & out.ready & beats.first),
            ]
            with m.If(before & ~buffer.full):
                m.d.comb += self.i.ready.eq(buffer.i.ready)
            before = before & buffer.full
        m.d.comb += self.whole.eq(before)
        return m


class FrameOut(wiring.Component):
    """Beats of `port0`, `port1`, ... -> a `FrameBuffer` a port -> whole results as bytes `o`.

    `o.valid` from when every port has given its whole result until that has left; `last` marks the
    last byte. `ended`, a bit a port: the last beat of a result came one cycle before.
    """

    def __init__(self, frame: Frame, ports: Sequence[Port], window: int) -> None:
        self._frame, self._ports, self._window = frame, ports, window
        super().__init__(
            {"o": wiring.Out(stream.Signature(FRAME_BYTE)), "ended": wiring.Out(len(ports))}
            | {port_name(k): wiring.In(p.signature) for k, p in enumerate(ports)}
        )

    def elaborate(self, platform):
        m = Module()
        buffers = []
        for k, (port, place) in enumerate(zip(self._ports, self._frame.ports, strict=True)):
            m.submodules[f"bytes{k}"] = beats = ToBytes(port, place)
            m.submodules[f"buffer{k}"] = buffer = FrameBuffer(place.size, self._window)
            wiring.connect(m, wiring.flipped(getattr(self, port_name(k))), beats.i)
            wiring.connect(m, beats.o, buffer.i)
            m.d.comb += [buffer.commit.eq(buffer.full), self.ended[k].eq(buffer.full)]
            buffers.append(buffer)
        turn, begun = Signal(range(len(buffers))), Signal()
        final = turn == len(buffers) - 1
        m.d.comb += self.o.valid.eq(Cat(b.o.valid for b in buffers).all() | begun)
        with m.Switch(turn):
            for k, buffer in enumerate(buffers):
                with m.Case(k):
                    m.d.comb += [
                        self.o.payload.data.eq(buffer.o.payload.data),
                        self.o.payload.last.eq(buffer.o.payload.last & final),
                        buffer.o.ready.eq(self.o.valid & self.o.ready),
                    ]
                    with m.If(begun):
                        m.d.comb += self.o.valid.eq(buffer.o.valid)
                    with m.If(self.o.valid & self.o.ready):
                        m.d.sync += begun.eq(~self.o.payload.last)
                        with m.If(buffer.o.payload.last):
                            m.d.sync += turn.eq(Mux(final, 0, turn + 1))
        return m
