"""How long a frame is inside the core, and how far results are apart."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_int
from thresher.rtl.fifo import Fifo

__all__ = ["Meter"]


class Meter(wiring.Component):
    """Clock cycles of the last result, as `packets.Status` tells them.

    `began`, a bit an input port: the first beat of a frame goes into the core. `ended`, a bit an
    output port: the last beat of a result came out in the cycle before. `latency` of a frame is
    from its first beat on any port to its last beat on any port, both included; `interval` between
    the last beats of the last two results, 0 before there are two. Both change 2 cycles after the
    last beat, and a reset, which forgets all that has begun, leaves them.

    :param depth: frames that can be inside at once.
    """

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        check_int("depth", depth, 1)
        self._depth = depth
        super().__init__(
            {
                "began": wiring.In(inputs),
                "ended": wiring.In(outputs),
                "latency": wiring.Out(32),
                "interval": wiring.Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        now, since, another = Signal(32), Signal(32, init=1), Signal()
        latency = Signal(32, reset_less=True)
        interval = Signal(32, reset_less=True)
        starts = Fifo(depth=self._depth, lanes=1, lo=0, hi=2**32 - 1, memory="lutram").create()
        m.submodules.starts = starts
        ended = self._all(m, self.ended)
        m.d.comb += [
            starts.i.valid.eq(self._any(m, self.began)),
            Value.cast(starts.i.payload).eq(now),
            starts.o.ready.eq(ended),
            self.latency.eq(latency),
            self.interval.eq(interval),
        ]
        m.d.sync += [now.eq(now + 1), since.eq(Mux(ended, 1, since + 1))]
        with m.If(ended):
            m.d.sync += [
                latency.eq(now - Value.cast(starts.o.payload)),
                interval.eq(Mux(another, since, 0)),
                another.eq(1),
            ]
        return m

    def _any(self, m: Module, began: Value) -> Value:
        """The first port begins a frame: it is not behind another, each counting its frames."""
        if len(began) == 1:
            return began
        behind = [Signal(range(self._depth + 1), name=f"behind{k}") for k in range(len(began))]
        first = Cat(b & (count == 0) for b, count in zip(began, behind, strict=True)).any()
        for b, count in zip(began, behind, strict=True):
            m.d.sync += count.eq(count + first - b)
        return first

    def _all(self, m: Module, ended: Value) -> Value:
        """The last port ends a result: all the others have ended theirs."""
        if len(ended) == 1:
            return ended
        ahead = [Signal(range(self._depth + 1), name=f"ahead{k}") for k in range(len(ended))]
        last: Value = Const(1, 1)
        for e, count in zip(ended, ahead, strict=True):
            last = last & (e | (count != 0))
        for e, count in zip(ended, ahead, strict=True):
            m.d.sync += count.eq(count + e - last)
        return last
