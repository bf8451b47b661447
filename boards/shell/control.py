"""The registers of the AXI core: identity, counters, flags, interrupt and soft reset."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.boards.host.registers import Control, Flag, Register, Status
from thresher.boards.shell.axi_lite import register_signature

__all__ = ["Registers"]

_WRITABLE = (Register.CONTROL, Register.FLAGS, Register.INTERRUPTS)
_STATUS = {Status.BUSY: "busy", Status.RECEIVING: "receiving", Status.SENDING: "sending"}
_FLAGS = {
    Flag.DONE: "ended",
    Flag.SHORT: "early",
    Flag.LONG: "late",
    Flag.NULL_BYTES: "null_bytes",
}
_COUNTS = {
    Register.FRAMES_IN: "began",
    Register.FRAMES_OUT: "ended",
    Register.FRAMES_BAD: "bad",
}


class Registers(wiring.Component):
    """What `boards/host/registers.py` tells, behind the bus of `AxiLite`.

    In: `busy`, `receiving`, `sending`: states; `began`, `ended`, `bad`, `early`, `late`,
    `null_bytes`: 1 in the cycle in which it happens; `latency`, valid with `measured`; `lost`,
    frames that a reset has dropped, else 0. Out: `reset` and `forget`, for the one cycle that a
    soft reset takes; `now`, the low word of the cycles since the hardware reset; `interrupt`, while
    a flag that may is set.

    All flags and all writable bits lie in byte 0, so other strobes do nothing. Where a flag is set
    and cleared in one cycle it is set.

    :param constants: value of each register that never changes.
    :param lost: the most frames that a soft reset drops.
    """

    def __init__(self, constants: Mapping[Register, int], address_bits: int, lost: int) -> None:
        self._constants = constants
        states = {*_STATUS.values(), *_FLAGS.values(), *_COUNTS.values(), "measured"}
        super().__init__(
            {"bus": In(register_signature(address_bits))}
            | {name: In(1) for name in sorted(states)}
            | {"latency": In(32), "lost": In(range(lost + 1))}
            | {name: Out(1) for name in ("reset", "forget", "interrupt")}
            | {"now": Out(32)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values: dict[Register, Value | int] = dict(self._constants)
        values[Register.CONTROL] = 0
        values[Register.STATUS] = Cat(getattr(self, _STATUS[bit]) for bit in Status)
        values |= self._counters(m) | self._times(m) | self._cycles(m) | self._flags(m)
        bus = self.bus
        m.d.comb += [bus.read_error.eq(1), bus.write_error.eq(1)]
        with m.Switch(bus.read_address):
            for register in Register:
                with m.Case(register >> 2):
                    m.d.comb += [bus.read_error.eq(0), bus.read_data.eq(values[register])]
        with m.Switch(bus.write_address):
            with m.Case(*(register >> 2 for register in _WRITABLE)):
                m.d.comb += bus.write_error.eq(0)
        return m

    def _written(self, m: Module, register: Register) -> Value:
        """Byte 0 of what is being written to the register; 0 where nothing is."""
        bits = Signal(8, name=f"{register.name.lower()}_written")
        chosen = self.bus.write & (self.bus.write_address == register >> 2)
        with m.If(chosen & self.bus.write_strobe[0]):
            m.d.comb += bits.eq(self.bus.write_data)
        return bits

    def _counters(self, m: Module) -> dict[Register, Value]:
        counters: dict[Register, Value] = {}
        for register, event in _COUNTS.items():
            counters[register] = counter = Signal(32, name=register.name.lower())
            m.d.sync += counter.eq(counter + getattr(self, event))
        counters[Register.FRAMES_LOST] = lost = Signal(32, name="frames_lost")
        m.d.sync += lost.eq(lost + self.lost)
        return counters

    def _times(self, m: Module) -> dict[Register, Value]:
        latency, interval, previous, one = Signal(32), Signal(32), Signal(32), Signal()
        with m.If(self.ended):
            m.d.sync += [previous.eq(self.now), one.eq(1)]
            with m.If(one):
                m.d.sync += interval.eq(self.now - previous)
        with m.If(self.measured):
            m.d.sync += latency.eq(self.latency)
        return {Register.LATENCY: latency, Register.INTERVAL: interval}

    def _cycles(self, m: Module) -> dict[Register, Value]:
        cycles, held = Signal(64), Signal(32)
        m.d.comb += self.now.eq(cycles)
        m.d.sync += cycles.eq(cycles + 1)
        with m.If(self.bus.read & (self.bus.read_address == Register.CYCLES_LOW >> 2)):
            m.d.sync += held.eq(cycles[32:])
        return {Register.CYCLES_LOW: cycles[:32], Register.CYCLES_HIGH: held}

    def _flags(self, m: Module) -> dict[Register, Value]:
        flags, enabled = Signal(len(Flag)), Signal(len(Flag))
        lost = self.lost.any()
        happened = Cat(getattr(self, _FLAGS[f]) if f in _FLAGS else lost for f in Flag)
        control = self._written(m, Register.CONTROL)
        asked = control & Control.RESET != 0
        m.d.sync += [
            flags.eq((flags & ~self._written(m, Register.FLAGS)) | happened),
            self.reset.eq(asked),
            self.forget.eq(asked & (control & Control.FORGET != 0)),
            self.interrupt.eq((flags & enabled) != 0),
        ]
        write = self.bus.write & (self.bus.write_address == Register.INTERRUPTS >> 2)
        with m.If(write & self.bus.write_strobe[0]):
            m.d.sync += enabled.eq(self.bus.write_data)
        return {Register.FLAGS: flags, Register.INTERRUPTS: enabled}
