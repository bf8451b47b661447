"""A component that breaks one rule of its output stream, to see that the rule is checked."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel

__all__ = ["Faulty", "SOUND"]

SOUND: Kernel = Fifo(depth=3, lanes=1, lo=0, hi=1, beats=4)
"""The kernel that `Faulty` has the ports of."""


class Faulty(wiring.Component):
    """A register with a fault.

    :param fault: "change" or "withdraw" a beat that waits; let valid ("listen") or the payload
        ("follow") depend on ready; "repeat" beats for ever; "stop" moving.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(SOUND.component_signature())

    def elaborate(self, platform):
        m = Module()
        count, full, i, o = Signal(8), Signal(), self.i, self.o
        ready, valid, payload = ~full | o.ready, full, count[0]
        match self.fault:
            case "change":
                pass
            case "withdraw":
                valid, payload = full & ~count[0], 1
            case "listen":
                ready, valid, payload = o.ready, i.valid & o.ready, 1
            case "follow":
                ready, valid, payload = o.ready, i.valid, o.ready
            case "repeat":
                valid = 1
            case "stop":
                valid, ready = full & (count < 20), ready & (count < 20)
            case _:
                raise ValueError(f"fault must be a known one, not {self.fault!r}")
        m.d.comb += [i.ready.eq(ready), o.valid.eq(valid), Value.cast(o.payload).eq(payload)]
        m.d.sync += count.eq(count + 1)
        with m.If(ready):
            m.d.sync += full.eq(i.valid)
        return m
