"""FIFOs in a folding: depths and memories that are asked for, told, and given back."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from graphs import GRAPHS
from test_end_to_end import assert_exact, random_codes, random_design

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.fifofolding import check_fifos
from thresher.compiler.schedule.fifos import MIN_DEPTH
from thresher.compiler.schedule.foldingfile import written
from thresher.compiler.schedule.links import Link, estimate, links
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.gen.elaborate import Top
from thresher.gen.verilog import to_verilog
from thresher.rtl.binding import memory_style

ULTRA = Capacity(uram=4)


def graph_of(name: str) -> IntegerGraph:
    return GRAPHS[name](np.random.default_rng(5))


def folded(name: str, seed: int) -> Design:
    """A graph under a random folding: the same for equal seeds."""
    return random_design(graph_of(name), np.random.default_rng(seed))


def again(
    name: str,
    design: Design,
    fifos: Mapping[str, Mapping[str, Any]],
    capacity: Capacity | None = None,
) -> Design:
    """The design's folding, with these FIFOs in it."""
    folding = json.loads(json.dumps({**written(design), "fifos": fifos}))
    return schedule(graph_of(name), ScheduleOptions(folding=folding, capacity=capacity))


def by_edge(design: Design) -> dict[str, Link]:
    return {link.edge: link for link in links(design)}


def deepest(design: Design) -> Link:
    """The FIFO that needs most room."""
    return max(links(design), key=lambda link: link.depth)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_same_again(name: str) -> None:
    """What is written gives the same Verilog, and tells every FIFO."""
    design = folded(name, 5)
    fifos = written(design)["fifos"]
    assert set(fifos) == {link.edge for link in links(design) if link.fifo is not None}
    assert {entry["depth"] for entry in fifos.values()} == {"auto"}
    for edge, entry in fifos.items():
        assert entry["least"] == by_edge(design)[edge].depth
    found = again(name, design, fifos)
    assert written(found) == written(design)
    assert to_verilog(Top(found), "top") == to_verilog(Top(design), "top")


def test_asked_for_and_the_same_again(rng: np.random.Generator) -> None:
    """Depth and memory of one FIFO; all others stay as they are."""
    design = folded("lstm", 5)
    edge = deepest(design).edge
    found = again("lstm", design, {edge: {"depth": 40, "memory": "block"}})
    before, after = by_edge(design), by_edge(found)
    assert (after[edge].depth, memory_style(after[edge].fifo)) == (40, "block")  # type: ignore[arg-type]
    assert [before[e].depth for e in before if e != edge] == [
        after[e].depth for e in after if e != edge
    ]
    told = written(found)["fifos"]
    assert told[edge] == {"depth": 40, "least": before[edge].depth, "memory": "block"}
    third = again("lstm", found, told)
    assert written(third) == written(found)
    assert to_verilog(Top(third), "top") == to_verilog(Top(found), "top")
    assert_exact(found, random_codes(found, rng))


@pytest.mark.parametrize("name", ["residual", "lstm"])
def test_every_edge_can_be_deepened(name: str, rng: np.random.Generator) -> None:
    """Plain connections, skids and ports of the top too; cycles are still foretold."""
    design = folded(name, 6)
    found = again(name, design, {edge: {"depth": 9} for edge in by_edge(design)})
    assert {link.depth for link in links(found)} == {9}
    assert {link.depth for link in links(design)} >= {0, 2}
    codes = random_codes(found, rng)
    assert_exact(found, codes)


def test_less_room_costs_cycles_that_are_foretold(rng: np.random.Generator) -> None:
    design = folded("residual", 6)
    link = deepest(design)
    assert link.depth > 4
    intervals = []
    for depth in range(MIN_DEPTH, link.depth + 1):
        found = again("residual", design, {link.edge: {"depth": depth}})
        intervals.append(found.predicted.interval)
        assert_exact(found, random_codes(found, rng))
        assert written(found)["fifos"][link.edge]["least"] == link.depth
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[-2] > intervals[-1] == design.predicted.interval


def test_too_little_room_is_refused() -> None:
    """The design would stop for ever."""
    design = folded("split_concat", 8)
    link = by_edge(design)["fork_reorder.o1 -> concat_concat.i3"]
    words = (
        rf"^folding of FIFO '{link.edge}': depth must let the design run, not 2, with which output "
        rf"'out0' stops after \d+ of \d+ beats; write {link.depth}, which costs no cycle$"
    )
    with pytest.raises(ThresherError, match=words):
        again("split_concat", design, {link.edge: {"depth": 2}})


def test_memories_whatever_the_budget() -> None:
    design = folded("lstm", 5)
    edge = deepest(design).edge
    for style in ("lutram", "block", "ultra"):
        for capacity in (ULTRA, Capacity(uram=4, bram36=9, lut=100_000)):
            fifos = {edge: {"depth": 3000, "memory": style}}
            found = again("lstm", design, fifos, capacity)
            assert memory_style(by_edge(found)[edge].fifo) == style  # type: ignore[arg-type]
            assert estimate(found).uram == (style == "ultra")
    for depth, style in ((32, "lutram"), (4096, "block")):
        found = again("lstm", design, {edge: {"depth": depth, "memory": "auto"}})
        assert memory_style(by_edge(found)[edge].fifo) == style  # type: ignore[arg-type]


def test_an_edge_of_another_folding_may_stand_where_it_asks_nothing() -> None:
    design = folded("lstm", 5)
    fifos = {"gone.o -> gone.i": {"depth": "auto", "least": 7, "memory": "auto"}}
    assert written(again("lstm", design, fifos)) == written(design)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"depth": 1}, "depth must be auto or a whole number from 2 to 65536, not 1; choose one"),
        ({"depth": 65537}, "depth must be auto or a whole number from 2 to 65536, not 65537;"),
        ({"depth": True}, "depth must be auto or a whole number from 2 to 65536, not true;"),
        ({"depth": "deep"}, 'depth must be auto or a whole number .*, not "deep"; choose one'),
        ({"memory": "bram"}, 'memory must be one of auto, lutram, block, not "bram"; choose one'),
        ({"memory": ["block"]}, r'memory must be one of .*, not \["block"\]; choose one'),
        (
            {"memory": "ultra"},
            r'memory must be one of auto, lutram, block, not "ultra"; choose one of these, for '
            r"only UltraScale\+ boards have UltraRAM",
        ),
        ({"lanes": 1}, r"it may give 'depth' and 'memory', not {\"lanes\": 1}; write {\"depth\""),
        (4, "it may give 'depth' and 'memory', not 4; write"),
        (
            {"depth": 2, "memory": "block"},
            'it has no memory that could be in "block", for registers hold its 2 beats; leave '
            "'memory' away or give a 'depth' of 3 or more",
        ),
    ],
)
def test_refused(entry: Any, words: str) -> None:
    design = folded("rnn", 5)
    edge = links(design)[0].edge
    with pytest.raises(ThresherError, match=f"^folding of FIFO '{edge}': {words}") as caught:
        again("rnn", design, {edge: entry})
    assert "\n" not in str(caught.value)


def test_unknown_edges_are_refused() -> None:
    design = folded("rnn", 5)
    words = "folding of FIFO 'a.o -> b.i': the design has no such edge; choose from '.x"
    for entry in ({"depth": 8}, {"memory": "block"}):
        with pytest.raises(ThresherError, match=words) as caught:
            again("rnn", design, {"a.o -> b.i": entry})
        assert "\n" not in str(caught.value)


def test_fifos_must_be_an_object() -> None:
    words = r"folding of 'fifos': it must be an object of edges, not \[1\]; write {\"a.o -> b.i\""
    with pytest.raises(ThresherError, match=words):
        check_fifos([1])
