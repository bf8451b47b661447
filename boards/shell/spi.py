"""An SPI slave, mode 0: bytes both ways, sampled with the core's clock."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer

from thresher.boards.host.packets import FLAG
from thresher.boards.shell.stuffing import LINE_BYTE

__all__ = ["CLOCKS_PER_BIT", "SpiSlave"]

CLOCKS_PER_BIT = 8
"""Least clocks of the core in a period of `sck`."""


class SpiSlave(wiring.Component):
    """Pins -> bytes `o`, and bytes `i` -> pins; the most significant bit first.

    While `ss_n` is 0 the rising edges of `sck` sample `mosi`, and `miso` changes behind the falling
    ones; `ss_n` may fall and rise only while `sck` is 0. `ss_n` ends a byte wherever it is: what
    has come of a byte to `o` is forgotten, and a byte of `i` that has not left whole is sent again.
    Where `i` has no byte at the start of one, FLAG goes out. A byte of `i` is taken at its last
    rising edge.

    The inputs pass two registers, and the third sees the edge: `miso` is right from 3 clocks
    (and the output's delay) after the falling edge of `sck`, so that with equal halves and the
    greatest `sck`, an eighth of the clock, 1 clock less the output's delay is left as set-up time
    before the rising edge. `mosi` must be right from the rising edge until 1 clock behind it. The
    first bit is there before `ss_n` falls, unless `i` became valid less than 4 clocks before.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "sck": wiring.In(1),
                "ss_n": wiring.In(1, init=1),
                "mosi": wiring.In(1),
                "miso": wiring.Out(1),
                "i": wiring.In(stream.Signature(8)),
                "o": wiring.Out(stream.Signature(LINE_BYTE, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        sck, ss_n, mosi, before = Signal(), Signal(init=1), Signal(), Signal()
        m.submodules.sck_synchroniser = FFSynchronizer(self.sck, sck)
        m.submodules.ss_n_synchroniser = FFSynchronizer(self.ss_n, ss_n, init=1)
        m.submodules.mosi_synchroniser = FFSynchronizer(self.mosi, mosi)
        coming, going, done, full = Signal(7), Signal(8), Signal(3), Signal()
        rise, fall = sck & ~before & ~ss_n, ~sck & before
        m.d.sync += before.eq(sck)
        m.d.comb += [
            self.miso.eq(going[7]),
            self.o.valid.eq(rise & (done == 7)),
            self.o.payload.data.eq(Cat(mosi, coming)),
            self.i.ready.eq(rise & (done == 7) & full),
        ]
        with m.If(rise):
            m.d.sync += [coming.eq(Cat(mosi, coming)), done.eq(done + 1)]
        with m.If(fall):
            m.d.sync += going.eq(going << 1)
        with m.If(ss_n | (fall & (done == 0))):
            m.d.sync += [going.eq(Mux(self.i.valid, self.i.payload, FLAG)), full.eq(self.i.valid)]
        with m.If(ss_n):
            m.d.sync += done.eq(0)
        return m
