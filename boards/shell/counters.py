"""The counters of `packets.Status`, in LUTRAM."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring

from thresher.boards.shell.answers import Event

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Counts an event a cycle: one of `now`, or if there is none one of `later`.

    `o` is the payload of a COUNTERS packet, byte after byte, and then the next one's, while `ask`;
    `ask` must stay until a payload has left whole. The four bytes of a counter are of one moment,
    the one before its first byte is offered; `latency` and `interval` are the last two. The counters
    are 0 after configuration; a reset leaves them.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "now": wiring.In(stream.Signature(Event, always_ready=True)),
                "later": wiring.In(stream.Signature(Event)),
                "latency": wiring.In(32),
                "interval": wiring.In(32),
                "ask": wiring.In(1),
                "o": wiring.Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.counts = counts = memory.Memory(shape=32, depth=len(Event), init=[])
        write, read = counts.write_port(), counts.read_port(domain="comb")
        word, byte, held = Signal(range(len(Event) + 2)), Signal(2), Signal(32)
        event = Signal(Event)
        m.d.comb += [
            self.later.ready.eq(~self.now.valid),
            event.eq(Mux(self.now.valid, self.now.payload, self.later.payload)),
            write.en.eq(self.now.valid | self.later.valid),
            read.addr.eq(Mux(write.en, event, word)),
            write.addr.eq(event),
            write.data.eq(read.data + 1),
            self.o.payload.eq(held.word_select(byte, 8)),
        ]
        with m.If(self.o.valid):
            with m.If(self.o.ready):
                m.d.sync += [byte.eq(byte + 1), self.o.valid.eq(byte != 3)]
                with m.If(byte == 3):
                    m.d.sync += word.eq(Mux(word == len(Event) + 1, 0, word + 1))
        with m.Elif(self.ask & ~write.en):
            values = Mux(word[0], self.interval, self.latency)
            m.d.sync += [held.eq(Mux(word[3], values, read.data)), self.o.valid.eq(1)]
        return m
