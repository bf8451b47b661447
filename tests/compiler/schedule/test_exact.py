"""The search against all foldings of small designs, with their FIFOs and predicted cycles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
from graphs import finish, quantise, weights

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.choice import Choice, area, figures
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.folding import Folding
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


def cell() -> IntegerGraph:
    """Two states and two gates, as an LSTM has them: c = c + i * g, h = c * o."""
    rng, b = np.random.default_rng(5), Builder()
    x = b.input((3, 1, 2), -4, 3, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    h, c = (body.input((1, 2), -4, 3, name=name) for name in "hc")
    gates = body.matmul(body.concat([u, h], 1), weights(rng, 4, 2))
    i = quantise(body, rng, gates, -4, 3)
    new_c = quantise(body, rng, body.binary("add", c, i), -4, 3)
    new_h = quantise(body, rng, body.binary("mul", new_c, i), -4, 3)
    zero = np.zeros((1, 2), np.int64)
    states = [(zero, h, new_h, None), (zero, c, new_c, None)]
    made = b.loop(3, body, [(x, u)], states, [(new_h, "hs")])
    return finish(b, [x], [made.scan_outputs[0].outer])


MODELS: Mapping[str, Callable[[], IntegerGraph]] = {
    f.__name__: f for f in (feed_forward, two_layers, rnn, cell)
}
FIXED: Mapping[str, Folding] = {
    "cell": {
        "state_c": {"lanes": 2}, "concat_concat": {"lanes": 2}, "step_step": {"lanes": 2},
        "elementwise_step_1": {"lanes": 1},
    },
}  # fmt: skip
"""Foldings that are given, so that few are left."""


@dataclass(frozen=True)
class Found:
    """A folding: its kernels' area, that of the whole design with what is limited, the cycles."""

    area: int
    whole: int
    used: Mapping[str, int]
    interval: int
    latency: int


def allowed(choices: list[Choice], limits: Mapping[str, int]) -> list[Choice]:
    found = [d for c in choices for d in (c, *c.elsewhere(limits))]
    if "dsp" not in limits and any(not c.sparing for c in found):
        found = [c for c in found if not c.sparing]
    return found


@cache
def every(model: str, limits: tuple[tuple[str, int], ...]) -> list[Found]:
    """All foldings of the space that are within the limits."""
    return list(_every(MODELS[model](), dict(limits), FIXED.get(model, {})))


def _every(graph: IntegerGraph, limits: Mapping[str, int], fixed: Folding) -> Iterator[Found]:
    lowered = lower(graph)
    space = Space(lowered, fixed, limits)
    names = list(space.choices)
    for combined in product(*(allowed(choices, limits) for choices in space.choices.values())):
        if any(sum(c.used[k] for c in combined) > most for k, most in limits.items()):
            continue
        folding = {n: c.folding for n, c in zip(names, combined, strict=True)}
        design = Candidate(lowered, folding, limits).final
        total, cycles = estimate(design), design.predicted
        used = figures(total)
        if all(used[k] <= most for k, most in limits.items()):
            kernels = sum(c.area for c in combined)
            yield Found(kernels, area(total), used, cycles.interval, cycles.latency)


def kernels_area(design: Design, model: str, limits: Mapping[str, int]) -> int:
    space = Space(lower(MODELS[model]()), FIXED.get(model, {}), limits)
    return space.area(design.folding)


def made(model: str, limits: Mapping[str, int], **targets: float) -> Design:
    capacity = Capacity(**limits) if limits else None
    options = ScheduleOptions(capacity=capacity, folding=FIXED.get(model), **targets)  # type: ignore[arg-type]
    return schedule(MODELS[model](), options)


def check_least(design: Design, found: list[Found], model: str, limits: Mapping[str, int]) -> None:
    """No folding of these has kernels of less area, unless its FIFOs make it larger in all."""
    assert "not proven" not in design.limit
    least = min(f.area for f in found)
    kernels = kernels_area(design, model, limits)
    if "more with their FIFOs" in design.limit:
        assert kernels > least
        assert area(estimate(design)) < max(f.whole for f in found if f.area == least)
    else:
        assert kernels == least


CASES = [
    ("feed_forward", {}), ("feed_forward", {"dsp": 2}), ("feed_forward", {"dsp": 1, "lut": 120}),
    ("two_layers", {}), ("rnn", {}), ("rnn", {"dsp": 2}), ("cell", {}), ("cell", {"dsp": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "limits"), CASES)
def test_the_cheapest_for_an_interval(model: str, limits: dict[str, int]) -> None:
    found = every(model, tuple(limits.items()))
    for interval in sorted({f.interval for f in found}):
        design = made(model, limits, target_fps=1e8 / interval)
        assert design.predicted.interval <= interval
        check_least(design, [f for f in found if f.interval <= interval], model, limits)


@pytest.mark.parametrize(("model", "limits"), CASES)
def test_the_cheapest_for_a_latency(model: str, limits: dict[str, int]) -> None:
    found = every(model, tuple(limits.items()))
    for latency in sorted({f.latency for f in found})[::3]:
        design = made(model, limits, max_latency_us=latency / 100)
        assert design.predicted.latency <= latency
        check_least(design, [f for f in found if f.latency <= latency], model, limits)


@pytest.mark.parametrize(("model", "limits"), [case for case in CASES if case[1]])
def test_the_fastest_within_limits(model: str, limits: dict[str, int]) -> None:
    found = every(model, tuple(limits.items()))
    fastest = min(f.interval for f in found)
    design = made(model, limits)
    assert design.predicted.interval == fastest
    check_least(design, [f for f in found if f.interval == fastest], model, limits)


@pytest.mark.parametrize("model", MODELS)
def test_the_least_latency_is_found_and_no_less(model: str) -> None:
    least = min(f.latency for f in every(model, ()))
    assert made(model, {}, max_latency_us=least / 100).predicted.latency == least
    with pytest.raises(ThresherError, match="target: the design must reach"):
        made(model, {}, max_latency_us=(least - 1) / 100)
