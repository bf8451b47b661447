"""Targets, capacities and the choice between them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from graphs import mlp, mlp_rows
from loopgraphs import lstm, rnn

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.links import estimate, links
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.rtl.mvau import MVAU


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_default_has_few_multipliers(rng: np.random.Generator) -> None:
    design = schedule(lstm(rng))
    mvaus = [k for k in design.kernels.values() if isinstance(k, MVAU)]
    assert 1 < sum(k.pe * k.simd for k in mvaus) <= 64


def test_a_folding_may_ask_for_more_multipliers(rng: np.random.Generator) -> None:
    folding = {"mvau_matmul": {"pe": 16, "simd": 3}, "mvau_matmul_1": {"pe": 16, "simd": 2}}
    design = schedule(lstm(rng), ScheduleOptions(folding=folding))
    assert {name: design.folding[name] for name in folding} == folding


def test_a_higher_target_costs_more(rng: np.random.Generator) -> None:
    graph = mlp_rows(rng)
    slow = schedule(graph, ScheduleOptions(target_fps=1e6))
    fast = schedule(graph, ScheduleOptions(target_fps=20e6))
    assert slow.predicted.interval <= 100
    assert fast.predicted.interval <= 5
    assert slow.predicted.interval > 10 * fast.predicted.interval
    assert estimate(slow).lut < estimate(fast).lut


def test_a_latency_target_is_met(rng: np.random.Generator) -> None:
    graph = rnn(rng)
    assert schedule(graph, ScheduleOptions(max_latency_us=1)).predicted.latency <= 100
    options = ScheduleOptions(max_latency_us=0.5, clock_mhz=200)
    assert schedule(graph, options).predicted.latency <= 100


def test_an_impossible_target_names_the_nearest(rng: np.random.Generator) -> None:
    graph = rnn(rng)
    words = r"1e\+09 samples/s at 100 MHz; the nearest is"
    with pytest.raises(ThresherError, match=words) as caught:
        schedule(graph, ScheduleOptions(target_fps=1e9))
    nearest = float(str(caught.value).split("nearest is ")[1].split(";")[0])
    assert schedule(graph, ScheduleOptions(target_fps=nearest * 0.999)).predicted.interval > 1
    with pytest.raises(ThresherError, match=r"0.01 us at 100 MHz; the nearest is .*kernel '\w+'"):
        schedule(graph, ScheduleOptions(max_latency_us=0.01))


def test_the_fastest_that_fits(rng: np.random.Generator) -> None:
    graph = mlp(rng)
    small, large = (schedule(graph, ScheduleOptions(capacity=Capacity(lut=n))) for n in (700, 3000))
    assert estimate(small).lut <= 700
    assert estimate(large).lut <= 3000
    assert small.predicted.interval > large.predicted.interval


@pytest.mark.parametrize("name", ["lut", "ff"])
def test_a_design_that_does_not_fit_is_refused(name: str, rng: np.random.Generator) -> None:
    with pytest.raises(ThresherError, match=rf"must fit {name} = 5, not take \d+ even"):
        schedule(mlp(rng), ScheduleOptions(capacity=replace(Capacity(), **{name: 5})))


def test_a_target_beyond_the_capacity_is_refused(rng: np.random.Generator) -> None:
    options = ScheduleOptions(target_fps=20e6, capacity=Capacity(lut=700, bram36=0))
    with pytest.raises(ThresherError, match=r"the nearest is .* within lut = 700"):
        schedule(mlp(rng), options)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ScheduleOptions(clock_mhz=0), "clock_mhz"),
        (lambda: ScheduleOptions(target_fps=0), "target_fps"),
        (lambda: ScheduleOptions(max_latency_us=0), "max_latency_us"),
    ],
)
def test_options_must_be_positive(make: Callable[[], ScheduleOptions], name: str) -> None:
    with pytest.raises(ThresherError, match=f"{name} must be greater than 0, not 0"):
        make()


def test_the_estimate_is_the_sum(rng: np.random.Generator) -> None:
    design = schedule(lstm(rng))
    fifos = [link.fifo for link in links(design) if link.fifo is not None]
    parts = [k.resources() for k in (*design.kernels.values(), *fifos)]
    assert estimate(design).lut == sum(p.lut for p in parts)
    assert estimate(design).ff == sum(p.ff for p in parts)


def test_the_choice_is_repeatable(rng: np.random.Generator) -> None:
    graph = lstm(rng)
    one, two = schedule(graph), schedule(graph)
    assert one.edges == two.edges
    assert one.folding == two.folding
    assert list(one.kernels) == list(two.kernels)
