"""Whole frames in a memory: written byte by byte, then kept or forgotten, then read."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.utils import ceil_log2

from thresher.rtl.checks import check_int
from thresher.rtl.lutram import ram_memory
from thresher.rtl.rom import RAM_STYLE

__all__ = ["FRAME_BYTE", "FrameBuffer"]

FRAME_BYTE = data.StructLayout({"data": 8, "last": 1})
"""A byte of a frame; `last` where it is the last one."""


class FrameBuffer(wiring.Component):
    """Store and forward: bytes `i` -> frames of `size` bytes -> bytes `o`, in the same order.

    Up to `window` frames are held. `i.ready` while there is room for the frame that is being
    written and it is not `full` yet. `commit`, which may come only while `full`, keeps the frame;
    `rollback` forgets it. Neither may come with a byte that goes in, nor both at once. Kept frames
    come out on `o` from 2 cycles after their `commit` on, a byte a cycle; a frame's room is free
    once its last byte stands at `o`. Reset drops everything.

    The memory has a registered read port and lies in LUTs or block RAM by its size: each frame
    begins at a multiple of a power of two.
    """

    def __init__(self, size: int, window: int) -> None:
        check_int("size", size, 1)
        check_int("window", window, 1)
        self._size, self._window = size, window
        super().__init__(
            {
                "i": wiring.In(stream.Signature(8)),
                "commit": wiring.In(1),
                "rollback": wiring.In(1),
                "full": wiring.Out(1),
                "o": wiring.Out(stream.Signature(FRAME_BYTE)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits, slots = ceil_log2(self._size), 1 << ceil_log2(self._window)
        depth = slots << bits
        style = RAM_STYLE[ram_memory(depth, 8, "auto")]
        m.submodules.storage = storage = memory.Memory(
            shape=8, depth=depth, init=[], attrs={"ram_style": style}
        )
        write, read = storage.write_port(), storage.read_port()
        written, write_slot = Signal(range(self._size + 1)), Signal(range(self._window))
        taken, read_slot = Signal(range(self._size)), Signal(range(self._window))
        frames = Signal(range(self._window + 1))
        last, freed = Signal(), Signal()
        m.d.comb += [
            self.full.eq(written == self._size),
            self.i.ready.eq(~self.full & (frames != self._window)),
            write.addr.eq(Cat(written[:bits], write_slot)),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(Cat(taken[:bits], read_slot)),
            read.en.eq((frames != 0) & (~self.o.valid | self.o.ready)),
            last.eq(taken == self._size - 1),
            freed.eq(read.en & last),
            self.o.payload.data.eq(read.data),
        ]
        with m.If(write.en):
            m.d.sync += written.eq(written + 1)
        with m.If(self.commit | self.rollback):
            m.d.sync += written.eq(0)
        with m.If(self.commit):
            m.d.sync += write_slot.eq(self._after(write_slot))
        with m.If(read.en):
            m.d.sync += [taken.eq(Mux(last, 0, taken + 1)), self.o.payload.last.eq(last)]
        with m.If(freed):
            m.d.sync += read_slot.eq(self._after(read_slot))
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(read.en)
        m.d.sync += frames.eq(frames + self.commit - freed)
        return m

    def _after(self, slot: Signal) -> Mux:
        return Mux(slot == self._window - 1, 0, slot + 1)
