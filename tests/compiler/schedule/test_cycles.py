"""The solver against plain execution, cycle by cycle, of the same timings."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.compiler.schedule import cycles, plan, tables
from thresher.compiler.schedule.coarse import Coarse, coarse, steps
from thresher.compiler.schedule.cycles import Deadlock, Edge, Late, Network, solve
from thresher.compiler.schedule.latest import measure
from thresher.rtl.skid import SKID_PIPE
from thresher.rtl.timing import Firing, Pipe, Timing, fifo_pipe, register_stages


def stepped(network: Network, frames: int, limit: int = 5000) -> dict[str, list[int]]:
    """The transfers of each port of the top: every cycle, whatever can fire does."""
    pipes: dict[object, Pipe] = {}
    puts: dict[object, list[int]] = {}
    takes: dict[object, list[int]] = {}

    def add(key: object, pipe: Pipe) -> object:
        pipes[key], puts[key], takes[key] = pipe, [], []
        return key

    processes: list[tuple[list[tuple[list[object], list[object]]], list[int]]] = []

    def fifo(source: object, depth: int, key: object) -> object:
        if not depth:
            return source
        add(key, SKID_PIPE if depth == 1 else fifo_pipe(depth))
        processes.append(([([source], [key])], [0]))
        return key

    ports: dict[str, dict[str, object]] = {
        name: {p: add((name, p), pipe) for p, pipe in t.pipes.items()}
        for name, t in network.timings.items()
    }
    sources = {}
    for name, (dst, depth, beats) in network.inputs.items():
        sources[name] = source = add(("source", name), Pipe(1 << 30, 0, 0))
        puts[source] = [0] * (beats * frames)
        ports[dst[0]][dst[1]] = fifo(source, depth, ("in", name))
    for e in network.edges:
        ports[e.dst[0]][e.dst[1]] = fifo(ports[e.src[0]][e.src[1]], e.depth, e)
    sinks = {}
    for name, (src, depth, _) in network.outputs.items():
        sinks[name] = fifo(ports[src[0]][src[1]], depth, ("out", name))
        processes.append(([([sinks[name]], [])], [0]))
    for name, t in network.timings.items():
        for process in t.processes:
            moves = [
                ([ports[name][n] for n in f.takes], [ports[name][n] for n in f.gives])
                for f in process
                for _ in range(f.repeat)
            ]
            processes.append((moves, [0]))
    for now in range(limit):
        waiting = list(range(len(processes)))
        while True:
            fired = []
            for k in waiting:
                moves, at = processes[k]
                taken, given_ = moves[at[0] % len(moves)]
                can = all(
                    (i := len(takes[c])) < len(puts[c]) and puts[c][i] + pipes[c].forward <= now
                    for c in taken
                ) and all(
                    (j := len(puts[c]) - pipes[c].capacity) < 0
                    or (j < len(takes[c]) and takes[c][j] + pipes[c].backward <= now)
                    for c in given_
                )
                if can:
                    for c in taken:
                        takes[c].append(now)
                    for c in given_:
                        puts[c].append(now)
                    at[0] += 1
                    fired.append(k)
            waiting = [k for k in waiting if k not in fired]
            if not fired:
                break
        done = {n: len(takes[s]) >= network.outputs[n][2] * frames for n, s in sinks.items()}
        if all(done.values()):
            break
    found = {n: takes[s][: network.outputs[n][2] * frames] for n, s in sinks.items()}
    return found | {n: takes[s] for n, s in sources.items()}


def assert_stepped(network: Network, frames: int = 3) -> None:
    """Solver and plain execution agree on every transfer."""
    found, expected = solve(network, frames), stepped(network, frames)
    assert found.outputs["y"].tolist() == expected["y"]
    assert found.inputs["x"].tolist() == expected["x"]


def accumulator(rows: int, runs: int, n: int, stages: int, slow: int) -> Network:
    """Runs of n summed up, as an MVAU does, into a sink that is slower."""
    issue = [Firing(("i",), ("p",), n)]
    if runs > 1:
        issue.append(Firing((), ("p",), n * (runs - 1)))
    silent = [Firing(("p",), (), n - 1)] if n > 1 else []
    mvau = Timing.of(
        issue, [*silent, Firing(("p",), ("o",))] * runs,
        p=register_stages(stages), o=register_stages(1),
    )  # fmt: skip
    wait = Timing.of([Firing(("i",), ("o",)), Firing((), (), slow)], o=register_stages(1))
    return Network(
        {"mvau": mvau, "wait": wait},
        (Edge(("mvau", "o"), ("wait", "i"), 0),),
        {"x": (("mvau", "i"), 2, n * rows)},
        {"y": (("wait", "o"), 2, runs * rows)},
    )


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 9), st.integers(1, 12)
)
def test_runs_of_accumulation(rows: int, runs: int, n: int, stages: int, slow: int) -> None:
    assert_stepped(accumulator(rows, runs, n, stages, slow))


def test_runs_are_one_firing_each() -> None:
    timing = accumulator(1, 4, 5, 3, 1).timings["mvau"]
    counts = [sum(s.repeat for s in p) for p in coarse(timing).processes]
    assert counts == [5 + 3, 4]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A fork, two branches of a few kernels each, a join; widths that change on the way."""
    timings: dict[str, Timing] = {
        "fork": Timing.of(
            [Firing(("i",), ("o0", "o1"))], o0=register_stages(1), o1=register_stages(1)
        )
    }
    edges = []
    ends = []
    for branch in range(2):
        end = ("fork", f"o{branch}")
        for k in range(draw(st.integers(0, 3))):
            name = f"k{branch}{k}"
            pipe = draw(st.sampled_from([register_stages(1), register_stages(3), Pipe(2, 2, 1)]))
            kind = draw(st.sampled_from(["pass", "swap", "burst"]))
            if kind == "pass":
                timings[name] = Timing.of([Firing(("i",), ("o",))], o=pipe)
            elif kind == "swap":  # takes two, then gives two
                timings[name] = Timing.of([Firing(("i",), (), 2), Firing((), ("o",), 2)], o=pipe)
            else:
                timings[name] = Timing.of(
                    [Firing(("i",), ("p",), 3)],
                    [Firing(("p",), ("o",)), Firing(("p",), ("o",), 2)],
                    p=register_stages(2), o=pipe,
                )  # fmt: skip
            edges.append(Edge(end, (name, "i"), draw(st.integers(0, 3))))
            end = (name, "o")
        ends.append(end)
    timings["join"] = Timing.of([Firing(("a", "b"), ("o",))], o=register_stages(2))
    for end, port in zip(ends, "ab", strict=True):
        edges.append(Edge(end, ("join", port), draw(st.integers(6, 9))))
    return Network(
        timings, tuple(edges), {"x": (("fork", "i"), 2, 6)}, {"y": (("join", "o"), 2, 6)}
    )


@given(networks())
def test_random_networks(network: Network) -> None:
    assert_stepped(network)


@given(networks())
def test_shortcuts_change_nothing(network: Network) -> None:
    """With every FIFO in place and every firing on its own the cycles are the same."""
    found = solve(network, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            plan, "coarse",
            lambda t: Coarse(tuple(steps(p) for p in t.processes), t.pipes, {}),
        )  # fmt: skip
        run = cycles.Run(network, 3, record=True)
        run.run()
    np.testing.assert_array_equal(run.trace().outputs["y"], found.outputs["y"])
    np.testing.assert_array_equal(run.trace().inputs["x"], found.inputs["x"])


@given(networks(), st.integers(1, 12))
def test_tables_grow(network: Network, size: int) -> None:
    """Whatever room there is for cycles at first."""
    frames = 12
    found, usage = solve(network, frames), measure(network, frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_FIRST_SIZE", size)
        again, usage_again = solve(network, frames), measure(network, frames)
    for trace in (again, usage.trace, usage_again.trace):
        np.testing.assert_array_equal(trace.outputs["y"], found.outputs["y"])
        np.testing.assert_array_equal(trace.inputs["x"], found.inputs["x"])
    told, told_again = ((u.early, u.late, u.least) for u in (usage, usage_again))
    assert told == told_again


def test_long_runs_grow_tables() -> None:
    """Beats that wait for a slow kernel in a channel without a bound."""
    assert_stepped(accumulator(40, 4, 3, 2, 5), 5)


def test_no_folder_for_machine_code(tmp_path: Path) -> None:
    """A process that may write nowhere compiles for itself."""
    code = (
        "from thresher.compiler.schedule.firing import fire;"
        "print(len(fire.signatures), fire._cache.cache_path)"
    )
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": "/proc/none",
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "None"]


def test_limits_are_kept(rng: np.random.Generator) -> None:
    network = accumulator(2, 3, 4, 2, 1)
    exact: Mapping[str, np.ndarray] = solve(network, 3).outputs
    assert solve(network, 3, exact).outputs["y"].tolist() == exact["y"].tolist()
    with pytest.raises(Late, match="output y"):
        solve(network, 3, {"y": exact["y"] - np.eye(1, len(exact["y"]), 7, dtype=int)[0]})


def test_a_deadlock_names_who_waits() -> None:
    """A kernel that wants all of one branch before any of the other."""
    timings = {
        "fork": Timing.of(
            [Firing(("i",), ("o0", "o1"))], o0=register_stages(1), o1=register_stages(1)
        ),
        "concat": Timing.of(
            [Firing(("i0",), ("o",), 4), Firing(("i1",), ("o",), 4)], o=register_stages(1)
        ),
    }

    def network(depth: int) -> Network:
        edges = (Edge(("fork", "o0"), ("concat", "i0"), 0),
                 Edge(("fork", "o1"), ("concat", "i1"), depth))  # fmt: skip
        return Network(timings, edges, {"x": (("fork", "i"), 2, 4)}, {"y": (("concat", "o"), 2, 8)})

    assert len(solve(network(4), 2).outputs["y"]) == 16
    with pytest.raises(Deadlock, match=r"'y' stops after 2 of 16 beats; waiting: .*fork for room"):
        solve(network(1), 2)
