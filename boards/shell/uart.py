"""A UART, 8N1: bytes to and from a pair of wires."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer

from thresher.boards.shell.stuffing import LINE_BYTE
from thresher.rtl.checks import check_int

__all__ = ["TOLERANCE", "UartReceiver", "UartTransmitter", "uart_divisor"]

TOLERANCE = 0.02
"""Share by which the other side's baud rate may be off."""
_LEAST = 4  # clocks a bit


def uart_divisor(clock_hz: int, baud: int) -> int:
    """Clocks a bit.

    :raises ValueError: the clock is too slow for this rate, or no whole number of clocks comes
        close enough: of a byte whose bits are 2 % too long or too short, the receiver's last
        sample, between (9 d + h) and (9 d + h + 1) clocks after the start bit's edge, must lie
        within the stop bit.
    """
    check_int("clock_hz", clock_hz, 1)
    check_int("baud", baud, 1)
    divisor = max(1, round(clock_hz / baud))
    early, late = 9 * divisor + _half(divisor), 9 * divisor + _half(divisor) + 1
    longest, shortest = (clock_hz / baud * (1 + way) for way in (TOLERANCE, -TOLERANCE))
    if divisor < _LEAST or early < 9 * longest or late > 10 * shortest:
        raise ValueError(
            f"baud must divide the clock of {clock_hz} Hz by a whole number of at least {_LEAST}, "
            f"or nearly, not {baud!r}: it is {clock_hz / baud:.3f} clocks a bit"
        )
    return divisor


def _half(divisor: int) -> int:
    """Clocks from the cycle in which the start bit is first seen to its middle, or half less."""
    return (divisor - 1) // 2


class UartReceiver(wiring.Component):
    """The wire `rx` -> bytes `o`, each in the middle of its stop bit; `rx` is synchronised here.

    Every start bit's edge sets the time anew; each bit is sampled once, in its middle. A start bit
    that is over by its middle is none. A byte whose stop bit is 0 comes out with `error`, and the
    wire must be 1 before the next start bit is looked for: a break gives one byte with `error`.

    :param divisor: clocks a bit, at least 4.
    """

    def __init__(self, divisor: int) -> None:
        check_int("divisor", divisor, _LEAST)
        self._divisor = divisor
        super().__init__(
            {
                "rx": wiring.In(1, init=1),
                "o": wiring.Out(stream.Signature(LINE_BYTE, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        line, byte = Signal(init=1), Signal(8)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        wait, left = Signal(range(self._divisor)), Signal(range(10))
        middle = (wait == self._divisor - 1) | ((left == 9) & (wait == _half(self._divisor) - 1))
        m.d.comb += [self.o.payload.data.eq(byte), self.o.payload.error.eq(~line)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [wait.eq(0), left.eq(9)]
                with m.If(~line):
                    m.next = "BITS"
            with m.State("BITS"):
                m.d.sync += wait.eq(wait + 1)
                with m.If(middle):
                    m.d.sync += [wait.eq(0), left.eq(left - 1), byte.eq(Cat(byte[1:], line))]
                    with m.If(left == 0):
                        m.d.comb += self.o.valid.eq(1)
                        m.next = "HIGH"
                    with m.Elif((left == 9) & line):
                        m.next = "IDLE"
            with m.State("HIGH"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes `i` -> the wire `tx`, back to back while there are bytes; the wire rests at 1.

    :param divisor: clocks a bit, at least 4.
    """

    def __init__(self, divisor: int) -> None:
        check_int("divisor", divisor, _LEAST)
        self._divisor = divisor
        super().__init__({"i": wiring.In(stream.Signature(8)), "tx": wiring.Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        bits, left, wait = Signal(9, init=0x1FF), Signal(range(11)), Signal(range(self._divisor))
        last = wait == self._divisor - 1
        m.d.comb += [
            self.i.ready.eq((left == 0) | ((left == 1) & last)),
            self.tx.eq(bits[0]),
        ]
        m.d.sync += wait.eq(wait + 1)
        with m.If(self.i.ready):
            m.d.sync += [wait.eq(0), left.eq(0)]
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(0, self.i.payload)), left.eq(10)]
        with m.Elif(last):
            m.d.sync += [wait.eq(0), bits.eq(Cat(bits[1:], 1)), left.eq(left - 1)]
        return m
