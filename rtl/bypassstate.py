"""The state of a loop between steps that takes no cycle: a skid that holds the initial state.

See `thresher.rtl.loopstate`. A state of one beat that comes back goes on at once to whoever waits
for it, so the loop's latency is that of its kernels alone.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring

from thresher.rtl.kernel import Kernel
from thresher.rtl.sequencer import Sequencer
from thresher.rtl.skid import skid

__all__ = ["BypassState"]


class BypassState(wiring.Component):
    """Hardware of a `LoopState` with `bypass`.

    In: `i`; out: `o` and, where asked for, `final`. What comes on `i` is on `o` in the same cycle;
    in place of a sequence's last step the initial state is, and that step's beat goes to `final`,
    1 cycle later, or nowhere. From the reset on, `o` gives the initial state. What `o` does not
    take is kept, and nothing taken from `i` meanwhile.

    `i.ready` is a register, but that the last step waits until `final` is empty. `o.valid` and
    `o.payload` follow `i`, so whatever feeds it must end in a register. Reset starts a new
    sequence.

    :param initial: every element of the initial state.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, kernel: Kernel, *, steps: int, initial: int) -> None:
        self._steps, self._final = steps, "final" in kernel.outputs
        port = kernel.outputs["o"]
        self._initial = Cat(Const(initial, port.element) for _ in range(port.lanes))
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.turn = turn = Sequencer(((0, self._steps - 1), (1, 1)))
        state, free = Value.cast(self.i.payload), Signal()
        arrived = self.i.valid & free
        word = Const.cast(self._initial)
        full, valid, data = skid(
            m,
            i_valid=arrived,
            i_data=Mux(turn.symbol, word, state),
            o_ready=self.o.ready,
            init=word.value,
        )
        m.d.comb += [
            self.i.ready.eq(~full & free),
            turn.advance.eq(arrived & ~full),
            self.o.valid.eq(valid),
            Value.cast(self.o.payload).eq(data),
        ]
        if not self._final:
            m.d.comb += free.eq(1)
            return m
        final: stream.Interface = getattr(self, "final")  # noqa: B009
        m.d.comb += free.eq(~turn.symbol | ~final.valid)
        with m.If(final.valid & final.ready):
            m.d.sync += final.valid.eq(0)
        with m.If(turn.advance & turn.symbol):
            m.d.sync += [final.valid.eq(1), Value.cast(final.payload).eq(state)]
        return m
