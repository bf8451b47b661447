"""Inject and Tap against their models, alone and as the two ends of a closed loop."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from harness import check_kernel, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.elastic import elastic_stages
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.recurrence import Inject, Tap
from thresher.rtl.timing import Firing, Timing, register_stages


@settings(max_examples=25)
@given(
    steps=st.integers(1, 4),
    beats=st.integers(1, 3),
    lanes=st.integers(1, 2),
    kind=st.sampled_from(["stream", "zero", "constant"]),
    seed=st.integers(0, 99),
)
def test_inject(steps: int, beats: int, lanes: int, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    constants = rng.integers(-3, 5, beats * lanes, endpoint=True).tolist()
    initial = {"stream": None, "zero": (0,) * len(constants), "constant": tuple(constants)}[kind]
    kernel = Inject(steps=steps, beats=beats, initial=initial, lanes=lanes, lo=-3, hi=5)
    assert tuple(kernel.inputs) == ("init",) * (initial is None) + ("feedback",) * (steps > 1)
    check_kernel(kernel, rng)


@settings(max_examples=15)
@given(
    steps=st.integers(1, 4), beats=st.integers(1, 3), final=st.booleans(), seed=st.integers(0, 99)
)
def test_tap(steps: int, beats: int, final: bool, seed: int) -> None:
    kernel = Tap(steps=steps, beats=beats, final=final, lanes=2, lo=-3, hi=5)
    assert tuple(kernel.outputs) == ("feedback",) * (steps > 1) + ("final",) * final
    check_kernel(kernel, np.random.default_rng(seed))


def test_inject_puts_the_initial_state_first() -> None:
    kernel = Inject(steps=3, beats=1, initial=(7, 8), lanes=2, lo=0, hi=9)
    (o,) = kernel.compute(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]))
    np.testing.assert_array_equal(o, [[7, 8, 1, 2, 3, 4], [7, 8, 5, 6, 7, 8]])


def test_tap_takes_the_last_state_out() -> None:
    kernel = Tap(steps=3, beats=1, final=True, lanes=2, lo=0, hi=9)
    feedback, final = kernel.compute(np.array([[1, 2, 3, 4, 5, 6]]))
    np.testing.assert_array_equal(feedback, [[1, 2, 3, 4]])
    np.testing.assert_array_equal(final, [[5, 6]])


def joined(timing: Timing, names: Mapping[str, str]) -> Timing:
    """The timing with its ports named as in the network around it."""
    processes = tuple(
        tuple(
            Firing(tuple(names[n] for n in f.takes), tuple(names[n] for n in f.gives), f.repeat)
            for f in process
        )
        for process in timing.processes
    )
    return Timing(processes, {names[n]: pipe for n, pipe in timing.pipes.items()})


@dataclass(frozen=True, kw_only=True)
class Loop(Kernel):
    """state <- (state + x) mod 8 in every step; gives the last state. State starts as `initial`."""

    steps: int
    beats: int
    depth: int
    initial: tuple[int, ...] | None

    @property
    def inject(self) -> Inject:
        return Inject(steps=self.steps, beats=self.beats, initial=self.initial, lanes=1, lo=0, hi=7)

    @property
    def tap(self) -> Tap:
        return Tap(steps=self.steps, beats=self.beats, final=True, lanes=1, lo=0, hi=7)

    @property
    def fifo(self) -> Fifo:
        return Fifo(depth=self.depth, beats=(self.steps - 1) * self.beats, lanes=1, lo=0, hi=7)

    @property
    def inputs(self) -> Mapping[str, Port]:
        ports = {"x": Port(self.steps * self.beats, 1, 0, 7)}
        return ports | ({"init": Port(self.beats, 1, 0, 7)} if self.initial is None else {})

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"final": Port(self.beats, 1, 0, 7)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        first = inputs[1] if self.initial is None else np.array(self.initial)
        return ((first + inputs[0].reshape(-1, self.steps, self.beats).sum(axis=1)) % 8,)

    def timing(self) -> Timing:
        parts = [
            joined(self.inject.timing(), {"init": "init", "feedback": "back", "o": "state"}),
            Timing.of(
                [Firing(("state", "x"), ("sum",), self.steps * self.beats)],
                sum=register_stages(1),
            ),
            joined(self.tap.timing(), {"i": "sum", "feedback": "fed", "final": "final"}),
            joined(self.fifo.timing(), {"i": "fed", "o": "back"}),
        ]
        return Timing(
            tuple(p for part in parts for p in part.processes),
            {name: pipe for part in parts for name, pipe in part.pipes.items()},
        )

    def resources(self) -> Resources:
        return Resources()

    def create(self) -> wiring.Component:
        return LoopComponent(self)


class LoopComponent(wiring.Component):
    def __init__(self, kernel: Loop) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inject = inject = self._kernel.inject.create()
        m.submodules.tap = tap = self._kernel.tap.create()
        m.submodules.fifo = fifo = self._kernel.fifo.create()
        if self._kernel.initial is None:
            wiring.connect(m, wiring.flipped(self.init), inject.init)
        wiring.connect(m, tap.feedback, fifo.i)
        wiring.connect(m, fifo.o, inject.feedback)
        wiring.connect(m, tap.final, wiring.flipped(self.final))
        both = self.x.valid & inject.o.valid
        stage = elastic_stages(m, count=1, i_valid=both, o_ready=tap.i.ready)
        m.d.comb += [
            self.x.ready.eq(inject.o.valid & stage.ready),
            inject.o.ready.eq(self.x.valid & stage.ready),
            tap.i.valid.eq(stage.valid),
        ]
        with m.If(stage.ready):
            m.d.sync += tap.i.payload[0].eq(self.x.payload[0] + inject.o.payload[0])
        return m


@pytest.mark.parametrize("steps, beats, depth", [(2, 1, 1), (3, 3, 2), (4, 6, 5), (5, 2, 8)])
@pytest.mark.parametrize("constant", [True, False])
def test_closed_loop(
    steps: int, beats: int, depth: int, constant: bool, rng: np.random.Generator
) -> None:
    initial = tuple(rng.integers(0, 8, beats).tolist()) if constant else None
    check_kernel(Loop(steps=steps, beats=beats, depth=depth, initial=initial), rng, periods=4)


def test_sequences_follow_each_other_without_a_bubble(rng: np.random.Generator) -> None:
    # once round the loop takes 4 cycles: Inject, sum, Tap and FIFO
    kernel = Loop(steps=5, beats=4, depth=2, initial=(0, 1, 2, 3))
    run = simulate(kernel, {"x": rng.integers(0, 8, (6, 20))})
    assert run.times["x"] == list(range(1, 121))


def test_a_short_state_waits_for_its_way_round(rng: np.random.Generator) -> None:
    kernel = Loop(steps=3, beats=1, depth=2, initial=(0,))
    run = simulate(kernel, {"x": rng.integers(0, 8, (3, 3))})
    assert run.times["x"] == [1, 5, 9, 10, 14, 18, 19, 23, 27]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, not 0"),
        ({"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        ({"initial": (1, 2, 3)}, ValueError, r"initial must have beats \* lanes = 4 elements"),
        ({"initial": (0, 0, 0, 6)}, ValueError, r"initial\[3\] must be at most 5, not 6"),
        ({"initial": (0, 0, 0, 0.5)}, TypeError, r"initial\[3\] must be an int, not 0.5"),
        ({"initial": 0}, TypeError, "initial must be a tuple, not 0"),
        ({"lanes": -1}, ValueError, "lanes must be at least 1, not -1"),
    ],
)
def test_inject_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"steps": 2, "beats": 2, "lanes": 2, "lo": 0, "hi": 5} | change
    with pytest.raises(error, match=words):
        Inject(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, not 0"),
        ({"steps": 2.5}, TypeError, "steps must be an int, not 2.5"),
        ({"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        ({"final": 1}, TypeError, "final must be a bool, not 1"),
    ],
)
def test_tap_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"steps": 2, "beats": 2, "final": True, "lanes": 2, "lo": 0, "hi": 5} | change
    with pytest.raises(error, match=words):
        Tap(**parameters)  # type: ignore[arg-type]
