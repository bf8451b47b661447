"""Packets to the host: answers and results, one after the other."""

from amaranth.hdl import Array, Const, Module, Signal, Value
from amaranth.lib import stream, wiring

from thresher.boards.host.packets import CRC_BYTES, HEADER, Status
from thresher.boards.shell.answers import ANSWER, Answer, Event
from thresher.boards.shell.crc import Crc32
from thresher.boards.shell.frame_buffer import FRAME_BYTE
from thresher.boards.shell.stuffing import SYMBOL, Kind

__all__ = ["Sender"]


class Sender(wiring.Component):
    """Answers and results -> packets `o`, with header and CRC.

    A result begins when its first byte stands on `results`, which must then hold all of it; its
    number is taken from `sequences`, where it must wait already. Answers and results take turns
    where both wait. Behind the last symbol of a result there is an event FINISHED.

    `reset`, for one cycle: a result whose END is not yet in the register behind `o` is broken off
    with ABORT, event LOST; from the next cycle on `results` must be empty.

    `sending`: a result has begun and its event has not been taken. `ask` asks for `payload`, the 40
    bytes of a COUNTERS packet, or of an IDENTITY packet with `identity`. A symbol takes at least 9
    cycles, for the CRC.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "answers": wiring.In(stream.Signature(ANSWER)),
                "sequences": wiring.In(stream.Signature(16)),
                "results": wiring.In(stream.Signature(FRAME_BYTE)),
                "reset": wiring.In(1),
                "sending": wiring.Out(1),
                "ask": wiring.Out(1),
                "identity": wiring.Out(1),
                "payload": wiring.In(stream.Signature(8)),
                "events": wiring.Out(stream.Signature(Event)),
                "o": wiring.Out(stream.Signature(SYMBOL)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = Crc32()
        kind, sequence, turn = Signal(Answer), Signal(16), Signal()  # turn: of a result
        byte, offered, last, free, put = Signal(8), Signal(), Signal(), Signal(), Signal()
        index = Signal(range(Status.LAYOUT.size))
        result = kind == Answer.RESULT
        m.d.comb += [
            free.eq(crc.i.ready & (~self.o.valid | self.o.ready)),
            put.eq(offered & free),
            crc.i.payload.eq(byte),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(put):
            m.d.sync += index.eq(index + 1)
            self._put(m, Kind.DATA, byte)
            with m.If(last):
                m.d.sync += index.eq(0)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.comb += crc.start.eq(1)
                m.d.sync += index.eq(0)
                with m.If(self.results.valid & ~self.reset & (turn | ~self.answers.valid)):
                    m.d.comb += self.sequences.ready.eq(1)
                    m.d.sync += [kind.eq(Answer.RESULT), sequence.eq(self.sequences.payload)]
                    m.d.sync += turn.eq(0)
                    m.next = "HEADER"
                with m.Elif(self.answers.valid):
                    answer = self.answers.payload
                    m.d.comb += self.answers.ready.eq(1)
                    m.d.sync += [kind.eq(answer.kind), sequence.eq(answer.sequence), turn.eq(1)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                types = Array(Const(a.type, 8) for a in Answer)
                parts = Array([types[Value.cast(kind)], sequence[:8], sequence[8:]])
                m.d.comb += [offered.eq(1), byte.eq(parts[index[:2]]), crc.i.valid.eq(put)]
                m.d.comb += last.eq(index == HEADER.size - 1)
                with m.If(put & last):
                    m.next = "PAYLOAD"
                    with m.If(kind == Answer.DONE):
                        m.next = "CRC"
                with m.If(self.reset & result):
                    m.next = "ABORT"
            with m.State("PAYLOAD"):
                self._payload(m, kind, index, free, byte, offered, last)
                m.d.comb += crc.i.valid.eq(put)
                with m.If(put & last):
                    m.next = "CRC"
                with m.If(self.reset & result):
                    m.next = "ABORT"
            with m.State("CRC"):
                m.d.comb += [offered.eq(1), byte.eq(crc.crc.word_select(index[:2], 8))]
                m.d.comb += last.eq(index == CRC_BYTES - 1)
                with m.If(put & last):
                    m.next = "CLOSE"
                with m.If(self.reset & result):
                    m.next = "ABORT"
            with m.State("CLOSE"):
                with m.If(free):
                    self._put(m, Kind.END)
                    m.next = "IDLE"
                    with m.If(result):
                        m.next = "FINISHED"
                with m.Elif(self.reset & result):
                    m.next = "ABORT"
            with m.State("ABORT"):
                with m.If(free):
                    self._put(m, Kind.ABORT)
                    m.next = "LOST"
            for event in (Event.FINISHED, Event.LOST):
                with m.State(event.name):
                    m.d.comb += [self.events.valid.eq(1), self.events.payload.eq(event)]
                    with m.If(self.events.ready):
                        m.next = "IDLE"
        m.d.comb += self.sending.eq(result & ~fsm.ongoing("IDLE"))
        return m

    def _put(self, m: Module, kind: Kind, byte: Value | int = 0) -> None:
        m.d.sync += [
            self.o.valid.eq(1), self.o.payload.kind.eq(kind), self.o.payload.data.eq(byte)
        ]  # fmt: skip

    def _payload(
        self,
        m: Module,
        kind: Signal,
        index: Signal,
        free: Signal,
        byte: Signal,
        offered: Signal,
        last: Signal,
    ) -> None:
        """The next byte of the payload."""
        m.d.comb += self.identity.eq(kind == Answer.IDENTITY)
        with m.Switch(kind):
            with m.Case(Answer.IDENTITY, Answer.COUNTERS):
                m.d.comb += [self.ask.eq(1), self.payload.ready.eq(free)]
                m.d.comb += [offered.eq(self.payload.valid), byte.eq(self.payload.payload)]
                m.d.comb += last.eq(index == Status.LAYOUT.size - 1)
            with m.Case(Answer.RESULT):
                m.d.comb += [offered.eq(self.results.valid), self.results.ready.eq(free)]
                m.d.comb += [byte.eq(self.results.payload.data), last.eq(self.results.payload.last)]
            with m.Default():  # a refusal: its reason
                m.d.comb += [offered.eq(1), byte.eq(Value.cast(kind)[:2] + 1), last.eq(1)]
