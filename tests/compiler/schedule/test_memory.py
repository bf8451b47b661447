"""Where memories are: asked for, chosen under a budget, reported, and the same design again."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from graphparts import quantise, weights
from graphs import transpose
from loopgraphs import lstm
from test_end_to_end import assert_golden, random_codes, run

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.cycles import Edge
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.fifomemory import bound_fifos
from thresher.compiler.schedule.foldingfile import written
from thresher.compiler.schedule.links import estimate, links
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.rtl.binding import memory_style
from zoo.integer_graphs import finish

Rng = np.random.Generator


def layer(rng: Rng) -> IntegerGraph:
    """A product whose weights are many, when it is folded."""
    b = Builder()
    x = b.input((1, 48), -8, 7, name="x")
    return finish(b, [x], [quantise(b, rng, b.matmul(x, weights(rng, 48, 32)), -8, 7)])


def styles(design: Design) -> dict[str, str]:
    found = {name: memory_style(kernel) for name, kernel in design.kernels.items()}
    return {name: style for name, style in found.items() if style is not None}


def made(rng: Rng, **capacity: int) -> Design:
    """The layer for 400 cycles a frame."""
    options = ScheduleOptions(target_fps=250_000, capacity=Capacity(**capacity))
    return schedule(layer(rng), options)


def test_weights_go_where_there_is_room(rng: Rng) -> None:
    """Few block RAMs: LUT ROM. Few LUTs: block RAM. The hardware computes the same."""
    no_blocks = made(np.random.default_rng(0), bram36=0)
    assert styles(no_blocks)["mvau_matmul"] == "logic"
    least = estimate(no_blocks).lut
    few_luts = made(np.random.default_rng(0), bram36=20, lut=least - 30)
    assert styles(few_luts)["mvau_matmul"] == "block"
    assert estimate(few_luts).lut <= least - 30
    for design in (no_blocks, few_luts):
        codes = random_codes(design, rng)
        assert_golden(design, codes, run(design, codes))
        assert design.predicted.interval <= 400


def test_the_same_again(rng: Rng) -> None:
    """What folding.json tells gives the same kernels, whatever the budget would choose now."""
    first = made(np.random.default_rng(0), bram36=0)
    folding = written(first)
    assert folding["mvau_matmul"]["memory"] in ("auto", "logic")
    for capacity in (None, Capacity(bram36=0), Capacity(bram36=40, lut=100_000)):
        again = schedule(
            layer(np.random.default_rng(0)), ScheduleOptions(folding=folding, capacity=capacity)
        )
        assert again.kernels == first.kernels
        assert styles(again) == styles(first)


@pytest.mark.parametrize("memory", ["logic", "block"])
def test_asked_for(memory: str, rng: Rng) -> None:
    folding = {"mvau_matmul_1": {"pe": 4, "simd": 1, "memory": memory}}
    design = schedule(lstm(rng), ScheduleOptions(folding=folding))
    assert styles(design)["mvau_matmul_1"] == memory
    assert design.folding["mvau_matmul_1"] == folding["mvau_matmul_1"]
    codes = random_codes(design, rng)
    assert_golden(design, codes, run(design, codes))


def test_a_reorder_in_ultraram(rng: Rng) -> None:
    folding = {"reorder_reorder_1": {"lanes": 1, "memory": "ultra"}}
    options = ScheduleOptions(folding=folding, capacity=Capacity(uram=2))
    design = schedule(transpose(rng), options)
    assert styles(design)["reorder_reorder_1"] == "ultra"
    assert estimate(design).uram == 1
    codes = random_codes(design, rng)
    assert_golden(design, codes, run(design, codes))


def test_ultraram_where_nothing_else_is_left(rng: Rng) -> None:
    options = ScheduleOptions(capacity=Capacity(bram36=0, lutram=0, lut=100_000, uram=4))
    found = styles(schedule(transpose(rng), options))
    assert "ultra" in found.values()
    assert not {"lutram", "block"} & set(found.values())


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"memory": "bram"}, r'memory must be one of auto, logic, block, not "bram"; choose one'),
        ({"memory": 1}, r"memory must be one of auto, logic, block, not 1; choose one"),
        (
            {"memory": "ultra"},
            r'not "ultra", for UltraRAM cannot hold constants from the start; choose one of these',
        ),
        (
            {"pe": 16, "simd": 4, "memory": "block"},
            r"'mvau_matmul_1': it has no memory that could be in \"block\"; leave 'memory' away",
        ),
    ],
)
def test_refused(entry: Mapping[str, object], words: str, rng: Rng) -> None:
    folding = {"mvau_matmul_1": {"pe": 4, "simd": 1, **entry}}
    with pytest.raises(ThresherError, match=words) as caught:
        schedule(lstm(rng), ScheduleOptions(folding=folding))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("capacity", [None, Capacity(uram=0), Capacity(lut=100_000)])
def test_ultraram_that_is_not_there(capacity: Capacity | None, rng: Rng) -> None:
    folding = {"reorder_reorder_1": {"lanes": 1, "memory": "ultra"}}
    words = (
        r"folding of kernel 'reorder_reorder_1': memory must be one of auto, lutram, block, not "
        r'"ultra", for only UltraScale\+ boards have UltraRAM; choose one of these'
    )
    with pytest.raises(ThresherError, match=words):
        schedule(transpose(rng), ScheduleOptions(folding=folding, capacity=capacity))


# FIFOs


def deep(rng: Rng, depth: int) -> Design:
    """A design with one FIFO of this depth, deeper than it needs."""
    design = schedule(lstm(rng))
    first, *rest = design.edges
    return replace(design, edges=(Edge(first.src, first.dst, depth), *rest))


def fifo_styles(design: Design) -> list[str]:
    """Of the FIFOs that lie in a memory, the deepest first."""
    fifos = sorted((n.fifo for n in links(design) if n.fifo), key=lambda fifo: -fifo.depth)
    return [style for fifo in fifos if (style := memory_style(fifo))]


def test_a_deep_fifo_goes_to_a_block(rng: Rng) -> None:
    shallow, design = deep(rng, 40), deep(np.random.default_rng(0), 5000)
    assert fifo_styles(bound_fifos(shallow, {}))[0] == "lutram"
    assert fifo_styles(design)[0] == "lutram"
    bound = bound_fifos(design, {})
    assert fifo_styles(bound)[0] == "block"
    assert set(fifo_styles(bound)[1:]) <= {"lutram"}
    assert estimate(bound).lut < estimate(design).lut


def test_fifos_keep_to_the_limits(rng: Rng) -> None:
    design = deep(rng, 5000)
    blocks = estimate(design).bram18
    assert fifo_styles(bound_fifos(design, {"bram18": blocks}))[0] == "lutram"
    assert fifo_styles(bound_fifos(design, {"bram18": blocks, "uram": 2}))[0] == "ultra"
    shallow = deep(np.random.default_rng(0), 40)
    assert fifo_styles(shallow)[0] == "lutram"
    tight = {"lut": estimate(shallow).lut - 1, "bram18": 100}
    assert fifo_styles(bound_fifos(shallow, tight))[0] == "block"
    lutram = {"lutram": estimate(shallow).lutram - 1, "bram18": 100}
    assert estimate(bound_fifos(shallow, lutram)).lutram < estimate(shallow).lutram
