"""Samples that take turns in a recurrence: RTL == golden, cycles as predicted, MACs kept busy."""

import numpy as np
import pytest
from graphs import GRAPHS, mlp
from loopgraphs import lstm, rnn
from topsim import simulate_top

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.predict import predict_trace
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.compiler.schedule.utilisation import busy_cycles, utilisation
from thresher.sim.packing import to_frames, to_samples

FRAMES = 3
LOOPS = [
    "rnn", "rnn_constant", "rnn_input", "rnn_last", "lstm", "gates_hoisted", "gates_joined",
    "stacked", "bidirectional", "delay", "one_step", "last_only", "nested",
]  # fmt: skip


def random_design(graph: IntegerGraph, samples: int, rng: np.random.Generator) -> Design:
    folding = {
        name: {p: int(rng.choice(values)) for p, values in request.allowed.items()}
        for name, request in lower(graph, samples).requests.items()
    }
    return schedule(graph, ScheduleOptions(folding=folding, samples=samples))


def assert_same(design: Design, rng: np.random.Generator) -> None:
    """Every value of every sample, and the cycle of every transfer."""
    tensors = [p.io.tensor for p in design.inputs]
    count = FRAMES * design.samples
    codes = {t.name: rng.integers(t.lo, t.hi, (count, *t.shape), endpoint=True) for t in tensors}
    golden = Golden(design.graph).run(codes)
    frames = {
        p.name: to_frames(codes[p.io.tensor.name], design.samples, p.place) for p in design.inputs
    }
    trace = predict_trace(design, FRAMES)
    for stalls in (0.0, 0.4):
        found = simulate_top(design, frames, stalls=stalls)
        for top, io in zip(design.outputs, design.graph.outputs, strict=True):
            values = to_samples(found.outputs[top.name], io.tensor.shape, design.samples, top.place)
            np.testing.assert_array_equal(values, golden[io.name], err_msg=top.name)
        if not stalls:
            for port, times in {**trace.inputs, **trace.outputs}.items():
                np.testing.assert_array_equal(found.times[port], times, err_msg=port)


@pytest.mark.parametrize("name", LOOPS)
def test_values_and_cycles(name: str) -> None:
    rng = np.random.default_rng([3, len(name)])
    assert_same(random_design(GRAPHS[name](rng), 3, rng), rng)


@pytest.mark.parametrize("name", ["lstm", "rnn_input", "bidirectional"])
def test_automatic_folding(name: str, rng: np.random.Generator) -> None:
    assert_same(schedule(GRAPHS[name](rng), ScheduleOptions(samples=4)), rng)


def latency_bound(rng: np.random.Generator, samples: int) -> Design:
    """An LSTM whose product takes 2 cycles a step, and the way round the loop many more."""
    folding = {"mvau_matmul": {"pe": 16, "simd": 3}, "mvau_matmul_1": {"pe": 16, "simd": 2}}
    return schedule(lstm(rng), ScheduleOptions(folding=folding, samples=samples))


def test_the_product_is_kept_busy() -> None:
    """Utilisation grows with the samples up to 1, and so does what a second brings."""
    shares, cycles = [], []
    for samples in (1, 2, 4, 8, 16):
        design = latency_bound(np.random.default_rng(0), samples)
        shares.append(utilisation(design)["mvau_matmul_1"])
        cycles.append(design.predicted.interval / samples)
        assert busy_cycles(design)["mvau_matmul_1"] == 2 * 4 * samples
    assert shares[0] < 0.2
    assert shares == sorted(shares)
    assert cycles == sorted(cycles, reverse=True)
    assert shares[-1] == 1
    assert cycles[-1] == 2 * 4


def test_busy_cycles_of_a_network_without_a_loop(rng: np.random.Generator) -> None:
    design = schedule(mlp(rng), ScheduleOptions(folding={"mvau_matmul": {"pe": 2, "simd": 3}}))
    assert busy_cycles(design)["mvau_matmul"] == 8
    assert max(utilisation(design).values()) == 1
    assert set(utilisation(design)) == set(design.kernels)


def test_targets_count_samples(rng: np.random.Generator) -> None:
    graph = rnn(rng)
    design = schedule(graph, ScheduleOptions(target_fps=10e6, samples=4))
    assert 20 < design.predicted.interval <= 40
    assert ScheduleOptions(target_fps=10e6, samples=4).interval == 40
    with pytest.raises(ThresherError, match=r"the design must reach 1e\+09 samples/s at 100 MHz"):
        schedule(graph, ScheduleOptions(target_fps=1e9, samples=4))


def test_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ThresherError, match="must have a recurrence .* leave --interleave away"):
        schedule(mlp(rng), ScheduleOptions(samples=2))
    with pytest.raises(ThresherError, match="interleave must be at least 1, not 0"):
        schedule(rnn(rng), ScheduleOptions(samples=0))
