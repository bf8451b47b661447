"""The search against all foldings of small designs, with their FIFOs and predicted cycles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
from graphs import finish, quantise, weights

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.choice import Choice, figures
from thresher.compiler.schedule.choose import families
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.compiler.schedule.search import Space


def feed_forward() -> IntegerGraph:
    rng, b = np.random.default_rng(2), Builder()
    x = b.input((1, 4), -8, 7, name="x")
    return finish(b, [x], [quantise(b, rng, b.matmul(x, weights(rng, 4, 4)), -4, 3)])


def two_layers() -> IntegerGraph:
    rng, b = np.random.default_rng(3), Builder()
    x = b.input((1, 2), -8, 7, name="x")
    h = quantise(b, rng, b.matmul(x, weights(rng, 2, 3)), -4, 3)
    return finish(b, [x], [b.argmax(b.matmul(h, weights(rng, 3, 2)))])


def rnn() -> IntegerGraph:
    rng, b = np.random.default_rng(4), Builder()
    x = b.input((3, 1, 2), -8, 7, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    h = body.input((1, 2), -8, 7, name="h")
    both = body.concat([u, h], 1)
    new = quantise(body, rng, body.matmul(both, weights(rng, 4, 2)), -8, 7)
    made = b.loop(3, body, [(x, u)], [(np.zeros((1, 2), np.int64), h, new, None)], [(new, "hs")])
    return finish(b, [x], [made.scan_outputs[0].outer])


MODELS: Mapping[str, Callable[[], IntegerGraph]] = {
    f.__name__: f for f in (feed_forward, two_layers, rnn)
}


@dataclass(frozen=True)
class Found:
    """A folding: its kernels' area, and of the whole design what is limited and the cycles."""

    area: int
    used: Mapping[str, int]
    interval: int
    latency: int


def allowed(choices: list[Choice], limits: Mapping[str, int]) -> list[Choice]:
    found = [d for c in choices for d in (c, *c.elsewhere(limits))]
    if "dsp" not in limits and any(not c.lut for c in found):
        found = [c for c in found if not c.lut]
    return found


@cache
def every(model: str, limits: tuple[tuple[str, int], ...]) -> list[Found]:
    """All foldings of the space whose kernels are within the limits."""
    return list(_every(MODELS[model](), dict(limits)))


def _every(graph: IntegerGraph, limits: Mapping[str, int]) -> Iterator[Found]:
    lowered = lower(graph)
    space = Space(lowered, {}, limits)
    for family in families(space):
        names = list(space.choices)
        kept = [
            [c for c in space.choices[n] if family.dataflows.get(n) in (None, c.dataflow)]
            for n in names
        ]
        for combined in product(*(allowed(choices, limits) for choices in kept)):
            if any(sum(c.used[k] for c in combined) > most for k, most in limits.items()):
                continue
            folding = {n: c.folding for n, c in zip(names, combined, strict=True)}
            design = Candidate(lowered, folding, limits).final
            used, cycles = figures(estimate(design)), design.predicted
            if all(used[k] <= most for k, most in limits.items()):
                area = sum(c.area for c in combined)
                yield Found(area, used, cycles.interval, cycles.latency)


def kernels_area(design: Design, model: str, limits: Mapping[str, int]) -> int:
    space = Space(lower(MODELS[model]()), {}, limits)
    return sum(space.choice(n, f).area for n, f in design.folding.items())


def options(limits: Mapping[str, int], **targets: float) -> ScheduleOptions:
    return ScheduleOptions(capacity=Capacity(**limits) if limits else None, **targets)  # type: ignore[arg-type]


CASES = [
    ("feed_forward", {}), ("feed_forward", {"dsp": 2}), ("feed_forward", {"dsp": 1, "lut": 120}),
    ("two_layers", {}), ("rnn", {}), ("rnn", {"dsp": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "limits"), CASES)
def test_the_cheapest_for_an_interval(model: str, limits: dict[str, int]) -> None:
    """The least area of kernels; inside a loop, where budgets are common to all, within 3%."""
    found = every(model, tuple(limits.items()))
    for interval in sorted({f.interval for f in found}):
        design = schedule(MODELS[model](), options(limits, target_fps=1e8 / interval))
        least = min(f.area for f in found if f.interval <= interval)
        assert design.predicted.interval <= interval
        area = kernels_area(design, model, limits)
        assert least <= area <= (least * 1.03 if model == "rnn" else least), interval


@pytest.mark.parametrize(("model", "limits"), [case for case in CASES if case[1]])
def test_the_fastest_within_limits(model: str, limits: dict[str, int]) -> None:
    found = every(model, tuple(limits.items()))
    fastest = min(f.interval for f in found)
    design = schedule(MODELS[model](), options(limits))
    assert design.predicted.interval == fastest
    least = min(f.area for f in found if f.interval == fastest)
    assert kernels_area(design, model, limits) == least


@pytest.mark.parametrize("model", ["feed_forward", "two_layers", "rnn"])
def test_the_least_latency_is_found(model: str) -> None:
    least = min(f.latency for f in every(model, ()))
    design = schedule(MODELS[model](), options({}, max_latency_us=least / 100))
    assert design.predicted.latency == least
