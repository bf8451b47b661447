"""The payloads of COUNTERS and IDENTITY packets, in one LUTRAM."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring

from thresher.boards.shell.answers import Event

__all__ = ["Counters"]

_WORDS = 16  # of a payload, at most


class Counters(wiring.Component):
    """Counts an event a cycle: one of `now`, or if there is none one of `later`.

    `o` is the payload of a COUNTERS packet, or of an IDENTITY packet with `identity`, byte after
    byte while `ask`, and then the next one's; `ask` and `identity` must stay until a payload has
    left whole. The four bytes of a counter are of one moment, before its first byte is offered;
    `latency` and `interval` are the last two. The counters are 0 after configuration; a reset
    leaves them.

    :param identity: what IDENTIFY is answered with, of as many bytes as COUNTERS has.
    """

    def __init__(self, identity: bytes) -> None:
        words = len(Event) + 2
        if len(identity) != 4 * words:
            raise ValueError(f"identity must have {4 * words} bytes, not {len(identity)}")
        self._identity = identity
        super().__init__(
            {
                "now": wiring.In(stream.Signature(Event, always_ready=True)),
                "later": wiring.In(stream.Signature(Event)),
                "latency": wiring.In(32),
                "interval": wiring.In(32),
                "ask": wiring.In(1),
                "identity": wiring.In(1),
                "o": wiring.Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        last = len(Event) + 1
        identity = [
            int.from_bytes(self._identity[k : k + 4], "little")
            for k in range(0, len(self._identity), 4)
        ]
        m.submodules.words = words = memory.Memory(
            shape=32, depth=2 * _WORDS, init=[0] * _WORDS + identity
        )
        write, read = words.write_port(), words.read_port(domain="comb")
        word, byte, held = Signal(range(_WORDS)), Signal(2), Signal(32)
        event = Signal(Event)
        m.d.comb += [
            self.later.ready.eq(~self.now.valid),
            event.eq(Mux(self.now.valid, self.now.payload, self.later.payload)),
            write.en.eq(self.now.valid | self.later.valid),
            read.addr.eq(Mux(write.en, event, Cat(word, self.identity))),
            write.addr.eq(event),
            write.data.eq(read.data + 1),
            self.o.payload.eq(held.word_select(byte, 8)),
        ]
        with m.If(self.o.valid):
            with m.If(self.o.ready):
                m.d.sync += [byte.eq(byte + 1), self.o.valid.eq(byte != 3)]
                with m.If(byte == 3):
                    m.d.sync += word.eq(Mux(word == last, 0, word + 1))
        with m.Elif(self.ask & ~write.en):
            times = Mux(word[0], self.interval, self.latency)
            timed = (word >= len(Event)) & ~self.identity
            m.d.sync += [held.eq(Mux(timed, times, read.data)), self.o.valid.eq(1)]
        return m
