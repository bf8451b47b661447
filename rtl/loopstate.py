"""The state of a loop that starts from one constant: Tap, FIFO and Inject in one.

    +-> o --> body --> i -+--> final
    +---------------------+

At the reset the store holds the initial state. Every beat of `i` but those of a sequence's last
step goes into it; in place of those the next sequence's initial state does, and so sequences
follow each other without a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.utils import ceil_log2

from thresher.rtl.bypassstate import BypassState
from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.fifo import Fifo, FifoControl
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.sequencer import Sequencer
from thresher.rtl.skid import SKID_PIPE
from thresher.rtl.timing import Firing, Pipe, Timing

__all__ = ["LoopState", "LoopStateComponent"]


@dataclass(frozen=True, kw_only=True)
class LoopState(Kernel):
    """A state between the steps of a loop; see `LoopStateComponent`.

    Ports: `i` and `o` (`steps` * `beats` a period), `final` (`beats`) where `final` is True.

    :param steps: steps of one sequence, at least 2.
    :param beats: beats of one state.
    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :param initial: every element of the state before the first step.
    :param final: whether the last state is given; else it is dropped.
    :param bypass: a state of one beat goes round in no cycle, see `BypassState`; what feeds it
        must end in a register.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    steps: int
    beats: int
    lanes: int
    lo: int
    hi: int
    initial: int = 0
    final: bool
    bypass: bool = False

    def __post_init__(self) -> None:
        check_int("steps", self.steps, 2)
        check_int("beats", self.beats, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)
        check_int("initial", self.initial, self.lo)
        if self.initial > self.hi:
            raise ValueError(f"initial must be at most {self.hi}, not {self.initial}")
        if not isinstance(self.final, bool):
            raise TypeError(f"final must be a bool, not {self.final!r}")
        if not isinstance(self.bypass, bool):
            raise TypeError(f"bypass must be a bool, not {self.bypass!r}")
        if self.bypass and self.beats > 1:
            raise ValueError(f"beats must be 1 with bypass, not {self.beats}")

    @property
    def depth(self) -> int:
        """Beats that it holds: a state, and at least as many as move a beat a cycle."""
        return max(2, self.beats)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.steps * self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        ports = {"o": Port(self.steps * self.beats, self.lanes, self.lo, self.hi)}
        if self.final:
            ports["final"] = Port(self.beats, self.lanes, self.lo, self.hi)
        return ports

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        size = self.beats * self.lanes
        states = np.full_like(rows, self.initial)
        states[:, size:] = rows[:, :-size]
        return (states, rows[:, -size:]) if self.final else (states,)

    def timing(self) -> Timing:
        """The store's last place, which the reader looks at, is a pipe of its own."""
        if self.bypass:
            return self._bypass_timing()
        turns = (self.steps - 1) * self.beats
        last = ("kept", "final") if self.final else ("kept",)
        pipes = {
            "kept": Pipe(self.depth - 1, 1, 0),
            "o": Pipe(1, 0, 1),
        }
        if self.final:
            pipes["final"] = Pipe(1, 1, 0)
        return Timing(
            (
                (Firing(("i",), ("kept",), turns), Firing(("i",), last, self.beats)),
                (Firing(("kept",), ("o",), self.steps * self.beats),),
            ),
            pipes,
            {"kept": self.beats},
        )

    def _bypass_timing(self) -> Timing:
        pipes = {"o": SKID_PIPE}
        if self.final:
            pipes["final"] = Pipe(1, 1, 1)
        turns = Firing(("i",), ("o",), self.steps - 1)
        return Timing(((turns, Firing(("i",), tuple(pipes))),), pipes, {"o": 1})

    def resources(self) -> Resources:
        bits = self.lanes * self.inputs["i"].width
        if self.bypass:
            turns = (self.steps - 1).bit_length()
            last = bits + 1 if self.final else 0
            return Resources(lut=bits + turns + 4, ff=bits + turns + 2 + last)
        store = Fifo(depth=max(3, self.depth), lanes=self.lanes, lo=self.lo, hi=self.hi)
        count = (self.steps * self.beats - 1).bit_length()
        final = Resources(lut=7, ff=bits + 1) if self.final else Resources()
        return store.resources() + Resources(lut=2 * bits + count + 4, ff=count + 2) + final

    def create(self) -> wiring.Component:
        if self.bypass:
            return BypassState(self, steps=self.steps, initial=self.initial)
        return LoopStateComponent(self)


class LoopStateComponent(wiring.Component):
    """Hardware of `LoopState`.

    In: `i`; out: `o` and, where asked for, `final`. From the reset on, `o` gives `beats` beats of
    the initial state, then what came on `i` in every step but a sequence's last, in place of
    which it gives the initial state again. The last step's beats go to `final`, or nowhere.

    Latency 1 cycle, a beat a cycle; `i.ready` and `o.valid` are registers, but that the last step
    waits for `final` too. Reset starts a new sequence.
    """

    def __init__(self, parameters: LoopState) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        turns = (p.steps - 1) * p.beats
        m.submodules.turn = turn = Sequencer(((0, turns), (1, p.beats)))
        m.submodules.control = control = FifoControl(p.depth, p.beats)
        free = Signal(init=1)
        if p.final:
            m.d.comb += free.eq(~turn.symbol | ~self.final.valid | self.final.ready)
            with m.If(~self.final.valid | self.final.ready):
                m.d.sync += self.final.valid.eq(control.put & turn.symbol)
                m.d.sync += Value.cast(self.final.payload).eq(Value.cast(self.i.payload))
        else:
            m.d.comb += free.eq(1)
        m.d.comb += [
            control.i_valid.eq(self.i.valid & free),
            self.i.ready.eq(control.i_ready & free),
            control.o_ready.eq(self.o.ready),
            self.o.valid.eq(control.o_valid),
            turn.advance.eq(control.put),
        ]
        self._store(m, control, turn.symbol)
        return m

    def _store(self, m: Module, control: FifoControl, last: Value) -> None:
        p = self.parameters
        initial = Signal(p.outputs["o"].payload)
        m.d.comb += [initial[k].eq(p.initial) for k in range(p.lanes)]
        width, bits = len(initial.as_value()), ceil_log2(p.depth)
        m.submodules.storage = storage = memory.Memory(shape=width, depth=1 << bits, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        place = Signal(bits, init=p.beats % (1 << bits))
        fresh = Signal(init=1)  # the initial state of the first sequence was never written
        m.d.comb += [
            write.addr.eq(place),
            write.data.eq(Mux(last, initial.as_value(), Value.cast(self.i.payload))),
            write.en.eq(control.put),
            Value.cast(self.o.payload).eq(Mux(fresh, initial.as_value(), read.data)),
        ]
        with m.If(control.put):
            m.d.sync += place.eq(place + 1)
        with m.If(control.take):
            m.d.sync += read.addr.eq(read.addr + 1)
            with m.If(read.addr == p.beats - 1):
                m.d.sync += fresh.eq(0)
