"""`verify`: the proof, on given data, that hardware, integers and model file are one function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.ports import quantised
from thresher.compiler.schedule.predict import completion_times
from thresher.gen.compiled import Compiled
from thresher.sim.engine import Engine, SimResult, Stalls
from thresher.sim.equality import Equality, compare_with_reference
from thresher.sim.top import run_design

__all__ = ["Mismatch", "Verification", "compare", "cycles_agree", "verify"]

_SOLVED_FRAMES = 16
_STEADY = 4  # equal intervals
_STALL = 0.3


@dataclass(frozen=True)
class Mismatch:
    """The first element in which the RTL left the integer graph."""

    sample: int
    output: str
    at: tuple[int, ...]
    golden: int
    rtl: int

    def __str__(self) -> str:
        return (
            f"sample {self.sample}, output '{self.output}' at {self.at}: golden {self.golden}, "
            f"RTL {self.rtl}"
        )


@dataclass(frozen=True)
class Verification:
    """Outcome of E2 and E3.

    :param equality: E2, golden against the model file's runtime.
    :param mismatches: E3, samples in which the RTL left golden, with and without stalls.
    :param stalled: whether the run with random stalls was made too.
    :param latency: simulated cycles of one frame.
    :param interval: simulated cycles between frames, None for fewer than 2 of them.
    :param cycles_agree: every frame simulated at full rate ended in the predicted cycle.
    """

    engine: str
    samples: int
    equality: Equality
    mismatches: int
    first: Mismatch | None
    stalled: bool
    latency: int
    interval: int | None
    cycles_agree: bool

    @property
    def passed(self) -> bool:
        """All that was asked for held."""
        return self.equality.unexplained == 0 and self.mismatches == 0 and self.cycles_agree

    def to_dict(self) -> dict[str, object]:
        """For `report.json`."""
        return {
            "samples": self.samples,
            "mismatches": self.mismatches,
            "first_mismatch": None if self.first is None else str(self.first),
            "engine": self.engine,
            "stalls": self.stalled,
            "cycles_agree": self.cycles_agree,
            "reference": {
                "engine": self.equality.engine,
                "samples": self.equality.samples,
                "differing": self.equality.differing,
                "unexplained": self.equality.unexplained,
                "differences": [str(d) for d in self.equality.differences],
            },
            "passed": self.passed,
        }


def verify(
    compiled: Compiled,
    inputs: Mapping[str, np.ndarray],
    engine: Engine,
    *,
    stalls: bool = False,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Verification:
    """Compare model file, golden and RTL on model inputs (N, *shape), N at least 1.

    :param stalls: run a second time with random stalls on every port.
    :param seed: of the stalls.
    :raises ThresherError: an input does not fit, or a tool is missing.
    """
    say = say or (lambda _: None)
    say("golden against the model file")
    equality = compare_with_reference(compiled.streamlined, compiled.reference, inputs)
    say(f"RTL on {engine.name} against golden")
    golden = compiled.golden.run(quantised(compiled.streamlined.graph.inputs, inputs))
    result, outputs = run_design(compiled, engine, inputs)
    wrong, first = compare(golden, outputs)
    if stalls:
        say("the same with random stalls")
        _, paused = run_design(compiled, engine, inputs, stalls=Stalls(_STALL, seed))
        wrong_too, first_too = compare(golden, paused)
        wrong, first = wrong | wrong_too, first or first_too
    return Verification(
        engine.name,
        equality.samples,
        equality,
        int(wrong.sum()),
        first,
        stalls,
        result.latency,
        result.interval if result.frames > 1 else None,
        cycles_agree(compiled, result),
    )


def compare(
    golden: Mapping[str, np.ndarray], rtl: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, Mismatch | None]:
    """Which samples differ, (N,), and the first difference; codes (N, *shape) by output."""
    wrong, first = None, None
    for name, want in golden.items():
        differs = rtl[name] != want
        samples = differs.reshape(len(want), -1).any(axis=1)
        wrong = samples if wrong is None else wrong | samples
        if differs.any() and first is None:
            n, *at = (int(i) for i in np.argwhere(differs)[0])
            place = (n, *at)
            first = Mismatch(n, name, tuple(at), int(want[place]), int(rtl[name][place]))
    assert wrong is not None
    return wrong, first


def cycles_agree(compiled: Compiled, result: SimResult) -> bool:
    """Whether every frame ended in its predicted cycle.

    Where the solver has reached the predicted interval, later frames must keep to it.
    """
    design, ends = compiled.design, result.frame_ends
    predicted = completion_times(design, min(result.frames, _SOLVED_FRAMES))
    later = result.frames - len(predicted)
    if later and (np.diff(predicted)[-_STEADY:] == design.predicted.interval).all():
        more = predicted[-1] + design.predicted.interval * np.arange(1, later + 1)
        predicted = np.concatenate([predicted, more])
    elif later:
        predicted = completion_times(design, result.frames)
    return bool((predicted == ends).all())
