"""A latency shared out among kernels that add unlike parts of their cycles to it."""

from collections.abc import Callable

import numpy as np
import pytest
from graphs import finish, mlp, quantise, weights
from loopgraphs import lstm

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.balance import balanced, frontier
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.choice import Choice, Limits, area
from thresher.compiler.schedule.choose import Family, families
from thresher.compiler.schedule.latency import for_latency
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.compiler.schedule.search import Space

LIMITS: list[Limits] = [{}, {"dsp": 12}, {"lut": 900, "dsp": 3}, {"bram18": 1, "lutram": 40}]


def first(graph: IntegerGraph) -> Family:
    return next(iter(families(Space(lower(graph, 1), {}))))


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_the_frontier_is_what_none_beats(limits: Limits) -> None:
    family = first(mlp(np.random.default_rng(2)))
    for name, choices in family.space.choices.items():
        found = frontier(choices, limits)

        def figures(choice: Choice) -> tuple[int, ...]:
            used = (choice.used[key] for key in sorted(limits))
            return choice.cycles, area(choice.kernel.resources()), *used

        every = {figures(c) for c in choices if all(c.used[k] <= m for k, m in limits.items())}
        best = {
            f for f in every
            if not any(g != f and all(a <= b for a, b in zip(g, f, strict=True)) for g in every)
        }  # fmt: skip
        assert {figures(c) for c in found} == best, name
        assert len(found) == len(best)


def tail(rng: np.random.Generator) -> IntegerGraph:
    """Rows go through a large product beside each other, and behind them all through a small one.

    The second one's cycles add to the latency as they are, the first one's hardly.
    """
    b = Builder()
    x = b.input((1, 24, 16), -8, 7, name="x")
    h = quantise(b, rng, b.matmul(x, weights(rng, 16, 24)), -4, 3)
    h = quantise(b, rng, b.matmul(h, weights(rng, 24, 2)), -4, 3)
    y = b.matmul(b.reshape(h, (1, 48)), weights(rng, 48, 12))
    return finish(b, [x], [y])


@pytest.mark.parametrize("make, most", [(tail, 700), (tail, 400), (mlp, 40), (lstm, 150)])
def test_less_area_for_the_same_latency(
    make: Callable[[np.random.Generator], IntegerGraph], most: int
) -> None:
    graph, options = make(np.random.default_rng(3)), ScheduleOptions(max_latency_us=most / 100)
    every = list(families(Space(lower(graph, 1), {})))
    uniform = [
        (family, candidate)
        for family in every
        for budget in family.budgets
        for candidate in [family.candidate(family.at(budget, {}) or {})]
        if candidate.ideal.latency <= most
    ]
    family, start = min(uniform, key=lambda found: found[0].area(found[1].folding))
    found = balanced(family, start, most, {})
    if found is not None:
        assert found.ideal.latency <= most
        assert family.area(found.folding) < family.area(start.folding)
    assert (found is None) == (make is lstm)
    made = for_latency(every, options, {})
    assert made is not None
    assert made[1].final.predicted.latency <= most
    assert made[0].area(made[1].folding) <= family.area((found or start).folding)


def test_a_limit_is_kept() -> None:
    """Products that a budget of DSPs does not allow are built from LUTs."""
    graph = tail(np.random.default_rng(3))
    for dsp in (0, 4):
        options = ScheduleOptions(max_latency_us=4, capacity=Capacity(dsp=dsp))
        design = schedule(graph, options)
        assert design.predicted.latency <= 400
        assert estimate(design).dsp <= dsp
