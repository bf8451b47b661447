"""The parser of packets: frames to the buffers, requests to the sender, faults to be counted."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring

from thresher.boards.host.packets import CRC_BYTES, HEADER, UNKNOWN_SEQUENCE, Reason, Type
from thresher.boards.shell.answers import ANSWER, Answer, Event, refusal
from thresher.boards.shell.crc import Crc32
from thresher.boards.shell.stuffing import SYMBOL, Kind

__all__ = ["LEAST_SPACING", "Receiver"]

LEAST_SPACING = 24
"""Least cycles between symbols: 9 for a byte's CRC, 1 for each frame that a reset drops."""
_LEAST = HEADER.size + CRC_BYTES


class Receiver(wiring.Component):
    """Packets `i`, whose symbols come at least `LEAST_SPACING` cycles apart, each to one end.

    At END, one of these, the first that holds, together with its event and its answer:

    1. a BAD byte was in it, it is shorter than 7 bytes, or the CRC is wrong: CRC, with sequence
       number 0xFFFF
    2. the type is unknown: TYPE
    3. a frame found no room in the buffers, or too many are inside (`accepted.ready`): BUSY
    4. the payload is not of the right length, which is 0 but for frames: LENGTH
    5. it is a frame: `commit`, its number on `accepted`, event ACCEPTED, no answer
    6. it is a request and `answers` has room: the answer; RESET: see below. Without room: event
       BUSY, and nothing more.

    A refusal that finds no room in `answers` is counted all the same. At ABORT the packet is
    forgotten, at BAD it goes on: either is an event LINE. Whatever is not committed gets a
    `rollback`.

    The bytes of a frame go to `payload` until `whole`. RESET gives `reset` for a cycle; then `drop`
    in every cycle with `inside`, the number of a frame being dropped each time (event LOST); then
    DONE. `events` takes an event in every cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": wiring.In(stream.Signature(SYMBOL, always_ready=True)),
                "payload": wiring.Out(stream.Signature(8)),
                "whole": wiring.In(1),
                "commit": wiring.Out(1),
                "rollback": wiring.Out(1),
                "accepted": wiring.Out(stream.Signature(16)),
                "inside": wiring.In(1),
                "drop": wiring.Out(1),
                "reset": wiring.Out(1),
                "answers": wiring.Out(stream.Signature(ANSWER)),
                "events": wiring.Out(stream.Signature(Event, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._count_bytes(m)
        with m.FSM():
            with m.State("RECEIVE"):
                with m.If(self.i.valid):
                    with m.Switch(self.i.payload.kind):
                        with m.Case(Kind.BAD):
                            m.d.sync += self._bad.eq(1)
                            self._count(m, Event.LINE)
                        with m.Case(Kind.ABORT):
                            m.d.comb += self.rollback.eq(1)
                            self._count(m, Event.LINE)
                        with m.Case(Kind.END):
                            self._judge(m)
            with m.State("RESET"):
                m.d.comb += self.reset.eq(1)
                m.next = "DROP"
            with m.State("DROP"):
                with m.If(self.inside):
                    m.d.comb += self.drop.eq(1)
                    self._count(m, Event.LOST)
                with m.Else():
                    self._answer(m, Answer.DONE)
                    with m.If(self.answers.ready):
                        m.next = "RECEIVE"
        return m

    def _count_bytes(self, m: Module) -> None:
        """Where the packet is: header, payload of a frame, and what must be the CRC."""
        m.submodules.crc = crc = Crc32()
        count = Signal(range(HEADER.size + 1))  # bytes of the header
        tail = Signal(range(CRC_BYTES + 2))  # bytes behind header and frame, and more than a CRC
        total = Signal(range(_LEAST + 1))
        self._bad, overrun = Signal(), Signal()
        self._type, self._sequence = Signal(8), Signal(16)
        data, kind = self.i.payload.data, self.i.payload.kind
        frame = self._type == Type.FRAME
        byte = self.i.valid & (kind == Kind.DATA)
        over = self.i.valid & ((kind == Kind.END) | (kind == Kind.ABORT))
        into = byte & (count == HEADER.size) & frame & ~self.whole
        m.d.comb += [
            crc.i.payload.eq(data),
            crc.i.valid.eq(byte),
            crc.start.eq(over),
            self.payload.payload.eq(data),
            self.payload.valid.eq(into & ~overrun),
        ]
        with m.If(byte):
            m.d.sync += total.eq(Mux(total == _LEAST, _LEAST, total + 1))
            with m.Switch(count):
                with m.Case(0):
                    m.d.sync += self._type.eq(data)
                with m.Case(1):
                    m.d.sync += self._sequence[:8].eq(data)
                with m.Case(2):
                    m.d.sync += self._sequence[8:].eq(data)
            with m.If(count != HEADER.size):
                m.d.sync += count.eq(count + 1)
            with m.Elif(into):
                m.d.sync += overrun.eq(overrun | ~self.payload.ready)
            with m.Elif(tail != CRC_BYTES + 1):
                m.d.sync += tail.eq(tail + 1)
        with m.If(over):
            m.d.sync += [s.eq(0) for s in (count, tail, total, self._bad, overrun)]
        self._frame = frame
        self._damaged = self._bad | (total != _LEAST) | ~crc.match
        self._busy = frame & (overrun | (self.whole & ~self.accepted.ready))
        self._right_length = (tail == CRC_BYTES) & (self.whole | ~frame)

    def _judge(self, m: Module) -> None:
        """The end of a packet."""
        m.d.comb += self.rollback.eq(~self.commit)
        known = self._type.matches(Type.IDENTIFY, Type.STATUS, Type.FRAME, Type.RESET)
        with m.If(self._damaged):
            self._refuse(m, Reason.CRC, Event.CRC)
        with m.Elif(~known):
            self._refuse(m, Reason.TYPE, Event.UNKNOWN)
        with m.Elif(self._busy):
            self._refuse(m, Reason.BUSY, Event.BUSY)
        with m.Elif(~self._right_length):
            self._refuse(m, Reason.LENGTH, Event.LENGTH)
        with m.Elif(self._frame):
            m.d.comb += [self.commit.eq(1), self.accepted.valid.eq(1)]
            m.d.comb += self.accepted.payload.eq(self._sequence)
            self._count(m, Event.ACCEPTED)
        with m.Elif(~self.answers.ready):
            self._count(m, Event.BUSY)
        with m.Elif(self._type == Type.RESET):
            m.next = "RESET"
        with m.Elif(self._type == Type.STATUS):
            self._answer(m, Answer.COUNTERS)
        with m.Else():
            self._answer(m, Answer.IDENTITY)

    def _refuse(self, m: Module, reason: Reason, event: Event) -> None:
        self._answer(m, refusal(reason))
        self._count(m, event)
        if reason == Reason.CRC:
            m.d.comb += self.answers.payload.sequence.eq(UNKNOWN_SEQUENCE)

    def _answer(self, m: Module, answer: Answer) -> None:
        payload = self.answers.payload
        m.d.comb += [
            self.answers.valid.eq(1),
            payload.kind.eq(answer),
            payload.sequence.eq(self._sequence),
        ]

    def _count(self, m: Module, event: Event) -> None:
        m.d.comb += [self.events.valid.eq(1), self.events.payload.eq(event)]
