"""FIFO depths: enough, none deeper than it must be, and ready never runs too far."""

from collections.abc import Mapping

import numpy as np
import pytest
from graphs import GRAPHS

from thresher.compiler.schedule.assemble import Netlist, assemble, lower
from thresher.compiler.schedule.cycles import Deadlock, End, Late, solve
from thresher.compiler.schedule.fifos import MIN_DEPTH, least_depths, network_of
from thresher.compiler.schedule.latest import measure
from thresher.compiler.schedule.readychain import (
    LONGEST_CHAIN,
    closing_edges,
    direct_edges,
    recurrent_edges,
)

FRAMES = 6
JOINED = [
    "residual", "products", "split_concat", "rnn", "lstm", "stacked", "bidirectional", "delay",
]  # fmt: skip
Depths = Mapping[tuple[End, End], int]

MANY = 40  # frames: as many as `least_depths` may look at


def random_netlist(name: str, seed: int) -> Netlist:
    rng = np.random.default_rng(seed)
    lowered = lower(GRAPHS[name](rng))
    return assemble(
        lowered,
        {
            name: {p: int(rng.choice(v)) for p, v in request.allowed.items()}
            for name, request in lowered.requests.items()
        },
    )


def outputs(netlist: Netlist, depths: Depths, frames: int = FRAMES) -> Mapping[str, np.ndarray]:
    return solve(network_of(netlist, depths), frames).outputs


@pytest.mark.parametrize("name", JOINED)
def test_no_output_comes_later_than_with_endless_fifos(name: str) -> None:
    netlist = random_netlist(name, 5)
    endless = {(src, dst): beats * (FRAMES + 1) for src, dst, beats in netlist.edges}
    fastest = outputs(netlist, endless)
    found = outputs(netlist, least_depths(netlist))
    for port, times in fastest.items():
        assert (found[port] <= times).all()


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("seed", [5, 6])
def test_one_beat_less_slows_or_deadlocks(name: str, seed: int) -> None:
    netlist = random_netlist(name, seed)
    depths = least_depths(netlist)
    limits = outputs(netlist, depths, MANY)
    for key, depth in depths.items():
        if depth > MIN_DEPTH:
            less = network_of(netlist, {**depths, key: depth - 1})
            with pytest.raises((Late, Deadlock)):
                solve(less, MANY, limits)


def test_some_depths_matter() -> None:
    """Or the test above would hold without a check."""
    netlists = (random_netlist(name, 5) for name in JOINED)
    assert any(d > MIN_DEPTH for n in netlists for d in least_depths(n).values())


def test_parts_in_another_order_deadlock_without_room() -> None:
    netlist = random_netlist("split_concat", 5)
    depths = least_depths(netlist)
    solve(network_of(netlist, depths), FRAMES)
    words = r"output 'out0' stops after \d of \d+ beats; waiting: .*split_step for room"
    with pytest.raises(Deadlock, match=words):
        solve(network_of(netlist, dict.fromkeys(depths, 0)), FRAMES)


@pytest.mark.parametrize("name", GRAPHS)
def test_ready_passes_few_processes(name: str) -> None:
    netlist = random_netlist(name, 7)
    depths = least_depths(netlist)
    direct = {key for key, depth in depths.items() if depth == 0}
    assert not direct & closing_edges(netlist)
    assert direct_edges(netlist, direct) == direct


def test_skids_stand_in_recurrences_and_delay_nothing() -> None:
    netlist = random_netlist("lstm", 5)
    depths = least_depths(netlist)
    skids = {key for key, depth in depths.items() if depth == 1}
    assert skids
    assert skids <= recurrent_edges(netlist)
    assert skids < {(src, dst) for src, dst, _ in netlist.edges}
    found = outputs(netlist, depths)
    slower = outputs(netlist, {**depths, **dict.fromkeys(skids, MIN_DEPTH)})
    assert any((found[port] < slower[port]).any() for port in found)
    assert all((found[port] <= slower[port]).all() for port in found)


def test_only_loops_recur() -> None:
    assert recurrent_edges(random_netlist("residual", 5)) == frozenset()
    netlist = random_netlist("lstm", 5)
    recurrent = recurrent_edges(netlist)
    assert closing_edges(netlist) < recurrent < {(src, dst) for src, dst, _ in netlist.edges}


def test_long_chains_of_ready_are_cut() -> None:
    netlist = random_netlist("lstm", 7)
    everywhere = {(src, dst) for src, dst, _ in netlist.edges} - closing_edges(netlist)
    assert len(everywhere) > 3 * LONGEST_CHAIN
    assert direct_edges(netlist, everywhere) < everywhere


@pytest.mark.parametrize("name", JOINED)
def test_measured_depths_keep_the_outputs(name: str) -> None:
    netlist = random_netlist(name, 8)
    endless = {(src, dst): beats * (FRAMES + 1) for src, dst, beats in netlist.edges}
    usage = measure(network_of(netlist, endless), FRAMES)
    for depths in (usage.early, usage.late):
        found = outputs(netlist, {key: max(MIN_DEPTH, depth) for key, depth in depths.items()})
        for port, times in usage.trace.outputs.items():
            np.testing.assert_array_equal(found[port], times)
    for key, depth in usage.least.items():
        if depth > MIN_DEPTH:
            with pytest.raises((Late, Deadlock)):
                solve(network_of(netlist, {**endless, key: depth - 1}), FRAMES, usage.trace.outputs)
