"""What products are built from: DSPs, or LUTs where a budget makes it so."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from loopgraphs import lstm

from thresher.compiler.integer.build import Builder
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.gen.synth import synthesise_design
from zoo.integer_graphs import finish


def in_luts(design: Design) -> set[str]:
    return {name for name, folding in design.folding.items() if "lut" in folding}


def test_without_a_limit_on_dsps_they_make_the_products(rng: np.random.Generator) -> None:
    for options in (ScheduleOptions(), ScheduleOptions(capacity=Capacity(lut=9_000))):
        design = schedule(lstm(rng), options)
        assert estimate(design).dsp > 0
        assert not in_luts(design)


@pytest.mark.parametrize("dsp", [0, 1, 5])
def test_a_limit_on_dsps_is_kept(dsp: int, rng: np.random.Generator) -> None:
    design = schedule(lstm(rng), ScheduleOptions(capacity=Capacity(dsp=dsp)))
    assert estimate(design).dsp <= dsp
    assert in_luts(design)


def test_luts_that_are_scarce_too(rng: np.random.Generator) -> None:
    graph = lstm(rng)
    free = schedule(graph, ScheduleOptions(capacity=Capacity(dsp=2)))
    most = estimate(free).lut * 3 // 4
    tight = schedule(graph, ScheduleOptions(capacity=Capacity(dsp=2, lut=most)))
    assert estimate(tight).dsp <= 2
    assert estimate(tight).lut <= most
    assert tight.predicted.interval > free.predicted.interval


def test_dsps_as_yosys_counts_them(rng: np.random.Generator) -> None:
    design = schedule(lstm(rng), ScheduleOptions(capacity=Capacity(dsp=3)))
    assert in_luts(design)
    found = synthesise_design(design)
    for name, kernel in design.kernels.items():
        assert found.kernels[name].dsp == kernel.resources().dsp, name


def test_products_share_dsps_where_these_are_limited(rng: np.random.Generator) -> None:
    b = Builder()
    x = b.input((4, 64), 0, 63, name="x")
    graph = finish(b, [x], [b.matmul(x, rng.integers(-127, 128, (64, 16)))])
    free = schedule(graph, ScheduleOptions(capacity=Capacity(lut=4_000)))
    tight = schedule(graph, ScheduleOptions(capacity=Capacity(dsp=32, lut=4_000)))
    assert "pack" not in free.folding["mvau_matmul"]
    folding = tight.folding["mvau_matmul"]
    assert folding["pack"] == 2
    assert estimate(tight).dsp == folding["pe"] * folding["simd"] // 2 == 32
    again = schedule(graph, ScheduleOptions(folding=tight.folding))
    assert (again.kernels, again.predicted) == (tight.kernels, tight.predicted)


@pytest.mark.parametrize("name", ["T2", "T3", "T8"])
def test_a_target_within_its_budget(name: str, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(repo / "benchmarks")
    bench = import_module("lstm")
    work, (made, refusal) = bench.WORKS[name], bench.compiled(name)
    assert refusal == ""
    used = estimate(made.design)
    assert made.design.predicted.interval <= work.cycles * work.model["steps"]
    assert used.dsp <= work.budget["dsp"]
    assert used.lut <= work.budget["lut"]
    assert used.bram18 <= 2 * work.budget["bram"]
