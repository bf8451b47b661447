"""Bytes of frames to beats of a stream port, and back."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring

from thresher.boards.host.frames import FramePort
from thresher.boards.shell.frame_buffer import FRAME_BYTE
from thresher.rtl.kernel import Port

__all__ = ["ToBeats", "ToBytes"]


class ToBeats(wiring.Component):
    """Bytes `i` -> beats `o`, the first byte in the lowest bits; bits beyond the beat are dropped.

    `first`, with a beat: it begins a frame. A beat of B bytes takes B + 1 cycles; one of a single
    byte none, for `o` is `i`.
    """

    def __init__(self, port: Port, place: FramePort) -> None:
        self._bytes = place.beat_bytes
        super().__init__(
            {
                "i": wiring.In(stream.Signature(FRAME_BYTE)),
                "o": wiring.Out(port.signature),
                "first": wiring.Out(1, init=1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        payload, last = Value.cast(self.o.payload), self.i.payload.last
        if self._bytes == 1:
            m.d.comb += [
                payload.eq(self.i.payload.data),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += self.first.eq(last)
            return m
        held, count, ends = Signal(8 * self._bytes), Signal(range(self._bytes + 1)), Signal()
        m.d.comb += [
            payload.eq(held),
            self.o.valid.eq(count == self._bytes),
            self.i.ready.eq(~self.o.valid),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                held.eq(Cat(held[8:], self.i.payload.data)), count.eq(count + 1), ends.eq(last)
            ]  # fmt: skip
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [count.eq(0), self.first.eq(ends)]
        return m


class ToBytes(wiring.Component):
    """Beats `i` -> bytes `o`, the lowest bits first; bits beyond the beat are 0.

    A beat is taken with its last byte, a byte a cycle. `i.ready` depends on `o.ready`.
    """

    def __init__(self, port: Port, place: FramePort) -> None:
        self._bytes = place.beat_bytes
        super().__init__({"i": wiring.In(port.signature), "o": wiring.Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        whole, index = Signal(8 * self._bytes), Signal(range(self._bytes))
        last = index == self._bytes - 1
        m.d.comb += [
            whole.eq(Value.cast(self.i.payload).as_unsigned()),
            self.o.payload.eq(whole.word_select(index, 8)),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(index + 1)
            with m.If(last):
                m.d.sync += index.eq(0)
        return m
