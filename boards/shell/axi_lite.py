"""AXI4-Lite to single-cycle reads and writes of registers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.boards.shell.axi_ports import lite_signature

__all__ = ["AxiLite", "register_signature"]

_OKAY, _SLVERR = 0, 2


def register_signature(address_bits: int) -> wiring.Signature:
    """Reads and writes of 32-bit registers, seen from who asks for them.

    `write` and `read` are 1 for one cycle each, in which `write_address`, `write_data` and
    `write_strobe`, or `read_address`, are the ones that are meant; `read_data` and whether there is
    such a register (`write_error`, `read_error`) are told in that cycle. Addresses are of words.
    """
    word = address_bits - 2
    return wiring.Signature(
        {
            "write": Out(1), "write_address": Out(word), "write_data": Out(32),
            "write_strobe": Out(4), "write_error": In(1),
            "read": Out(1), "read_address": Out(word), "read_data": In(32), "read_error": In(1),
        }
    )  # fmt: skip


class AxiLite(wiring.Component):
    """A subordinate of AXI4-Lite: one read and one write at a time, each independent of the other.

    Address and data of a write may come in any order. All outputs come from registers. An access
    that is in error answers SLVERR, and a read gives 0. The two lowest bits of an address and the
    protection type are not looked at.
    """

    def __init__(self, address_bits: int) -> None:
        super().__init__(
            {
                "s_axi": In(lite_signature(address_bits)),
                "registers": Out(register_signature(address_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s, r = self.s_axi, self.registers
        addressed, filled = Signal(), Signal()
        m.d.comb += [
            s.awready.eq(~addressed),
            s.wready.eq(~filled),
            r.write.eq(addressed & filled & (~s.bvalid | s.bready)),
        ]
        with m.If(s.bready):
            m.d.sync += s.bvalid.eq(0)
        with m.If(r.write):
            m.d.sync += [
                addressed.eq(0),
                filled.eq(0),
                s.bvalid.eq(1),
                s.bresp.eq(Mux(r.write_error, _SLVERR, _OKAY)),
            ]
        with m.If(s.awvalid & s.awready):
            m.d.sync += [addressed.eq(1), r.write_address.eq(s.awaddr[2:])]
        with m.If(s.wvalid & s.wready):
            m.d.sync += [filled.eq(1), Cat(r.write_data, r.write_strobe).eq(Cat(s.wdata, s.wstrb))]

        asked = Signal()
        m.d.comb += [s.arready.eq(~asked), r.read.eq(asked & (~s.rvalid | s.rready))]
        with m.If(s.rready):
            m.d.sync += s.rvalid.eq(0)
        with m.If(r.read):
            m.d.sync += [
                asked.eq(0),
                s.rvalid.eq(1),
                s.rresp.eq(Mux(r.read_error, _SLVERR, _OKAY)),
                s.rdata.eq(Mux(r.read_error, 0, r.read_data)),
            ]
        with m.If(s.arvalid & s.arready):
            m.d.sync += [asked.eq(1), r.read_address.eq(s.araddr[2:])]
        return m
