"""The CRC-32 of a packet, a bit a cycle."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import catalog

__all__ = ["Crc32"]


class Crc32(wiring.Component):
    """CRC-32 of bytes, equal to `zlib.crc32`: serial, as lines take many cycles a byte anyway.

    A byte on `i` takes 8 cycles, then `i.ready` is back. While `i.ready`, `crc` is that of the
    bytes since `start`, or of none after the reset, and `match` says that the last four of them are
    the CRC of all before, least significant byte first. `start` may come only while `i.ready` and
    without a byte.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": wiring.In(stream.Signature(8)),
                "start": wiring.In(1),
                "crc": wiring.Out(32),
                "match": wiring.Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        processor = catalog.CRC32_ISO_HDLC(data_width=1).create()
        m.submodules.processor = ResetInserter(self.start)(processor)
        byte, left = Signal(8), Signal(range(9))
        m.d.comb += [
            self.i.ready.eq(left == 0),
            processor.valid.eq(left != 0),
            processor.data.eq(byte[0]),
            self.crc.eq(processor.crc),
            self.match.eq(processor.match_detected),
        ]
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), byte.eq(byte >> 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [left.eq(8), byte.eq(self.i.payload)]
        return m
