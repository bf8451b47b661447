"""Octet stuffing: bytes of a line to packets, and packets to bytes of a line (RFC 1662)."""

from enum import IntEnum

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring

from thresher.boards.host.packets import ESCAPE, ESCAPED, FLAG

__all__ = ["LINE_BYTE", "SYMBOL", "Kind", "Stuffer", "Unstuffer"]


class Kind(IntEnum):
    """What a symbol of a packet is."""

    DATA = 0  # a byte of the packet
    END = 1  # the packet is over
    ABORT = 2  # the packet is over, and its sender says that it is none
    BAD = 3  # a byte of the packet, which the line has damaged


LINE_BYTE = data.StructLayout({"data": 8, "error": 1})
"""A byte as a line gives it; with `error` the line says that it is wrong."""

SYMBOL = data.StructLayout({"kind": Kind, "data": 8})
"""A packet is symbols of kind DATA (or BAD), and then one END or ABORT; `data` is for DATA."""


class Unstuffer(wiring.Component):
    """Bytes of a line `i` -> packets `o`, in the same cycle; neither can be held back.

    FLAG ends a packet: an END where there was a byte since the last FLAG, an ABORT where the last
    byte was ESCAPE, and nothing between two FLAGs. ESCAPE itself gives nothing; the byte behind it
    is DATA with bit 5 turned. A byte with `error` is BAD, whatever it holds. The reset counts as
    a FLAG.
    """

    def __init__(self) -> None:
        self.begun, self.escaped = Signal(), Signal()
        super().__init__(
            {
                "i": wiring.In(stream.Signature(LINE_BYTE, always_ready=True)),
                "o": wiring.Out(stream.Signature(SYMBOL, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        begun, escaped = self.begun, self.escaped
        byte, symbol = self.i.payload, self.o.payload
        m.d.comb += symbol.data.eq(byte.data ^ Mux(escaped, ESCAPED, 0))
        with m.If(self.i.valid):
            m.d.sync += [begun.eq(1), escaped.eq(0)]
            with m.If(byte.error):
                m.d.comb += [self.o.valid.eq(1), symbol.kind.eq(Kind.BAD)]
            with m.Elif(byte.data == FLAG):
                m.d.comb += [
                    self.o.valid.eq(begun),
                    symbol.kind.eq(Mux(escaped, Kind.ABORT, Kind.END)),
                ]
                m.d.sync += begun.eq(0)
            with m.Elif((byte.data == ESCAPE) & ~escaped):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.comb += [self.o.valid.eq(1), symbol.kind.eq(Kind.DATA)]
        return m


class Stuffer(wiring.Component):
    """Packets `i` -> bytes of a line `o`: FLAG, the packet's bytes stuffed, FLAG.

    ABORT gives ESCAPE FLAG in place of the last FLAG. Nothing stands between packets: a line that
    must always move fills itself with FLAGs. No latency; a byte a cycle, so a symbol takes one
    cycle, or two where it is stuffed, the first of its packet, or an ABORT. BAD must not come.
    """

    def __init__(self) -> None:
        self.inside, self.second = Signal(), Signal()
        super().__init__(
            {"i": wiring.In(stream.Signature(SYMBOL)), "o": wiring.Out(stream.Signature(8))}
        )

    def elaborate(self, platform):
        m = Module()
        inside, second = self.inside, self.second
        symbol = self.i.payload
        special = (symbol.data == FLAG) | (symbol.data == ESCAPE)
        last = Signal()  # this byte is the last that the symbol gives
        m.d.comb += [
            last.eq(1),
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(FLAG),
            self.i.ready.eq(self.o.ready & last),
        ]
        with m.If(symbol.kind == Kind.DATA):
            with m.If(~inside):
                m.d.comb += last.eq(0)
            with m.Elif(special & ~second):
                m.d.comb += [last.eq(0), self.o.payload.eq(ESCAPE)]
            with m.Else():
                m.d.comb += self.o.payload.eq(symbol.data ^ Mux(second, ESCAPED, 0))
        with m.Elif((symbol.kind == Kind.ABORT) & ~second):
            m.d.comb += [last.eq(0), self.o.payload.eq(ESCAPE)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                inside.eq(symbol.kind == Kind.DATA),
                second.eq(~last & (inside | (symbol.kind == Kind.ABORT))),
            ]
        return m
