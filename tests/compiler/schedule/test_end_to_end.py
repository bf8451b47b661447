"""Random foldings of every structure: RTL == golden interpreter, RTL's cycles == predicted."""

import numpy as np
import pytest
from graphs import GRAPHS
from topsim import Run, simulate_top

from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.predict import completion_times, predict_trace
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.rtl.fanout import core
from thresher.rtl.loopstate import LoopState

FRAMES = 4


def random_design(graph: IntegerGraph, rng: np.random.Generator) -> Design:
    requests = lower(graph).requests
    folding = {
        name: {p: int(rng.choice(values)) for p, values in request.allowed.items()}
        for name, request in requests.items()
    }
    return schedule(graph, ScheduleOptions(folding=folding))


def random_codes(design: Design, rng: np.random.Generator) -> dict[str, np.ndarray]:
    tensors = [p.io.tensor for p in design.inputs]
    return {t.name: rng.integers(t.lo, t.hi, (FRAMES, *t.shape), endpoint=True) for t in tensors}


def run(design: Design, codes: dict[str, np.ndarray], stalls: float = 0.0) -> Run:
    inputs = {p.name: codes[p.io.tensor.name].reshape(FRAMES, -1) for p in design.inputs}
    return simulate_top(design, inputs, stalls=stalls)


def assert_golden(design: Design, codes: dict[str, np.ndarray], found: Run) -> None:
    golden = Golden(design.graph).run(codes)
    for top, io in zip(design.outputs, design.graph.outputs, strict=True):
        expected = golden[io.name].reshape(FRAMES, -1)
        np.testing.assert_array_equal(found.outputs[top.name], expected, err_msg=top.name)


def assert_exact(design: Design, codes: dict[str, np.ndarray]) -> None:
    """Values with and without stalls, and without them every transfer's cycle."""
    full = run(design, codes)
    assert_golden(design, codes, full)
    trace = predict_trace(design, FRAMES)
    for port, times in {**trace.inputs, **trace.outputs}.items():
        np.testing.assert_array_equal(full.times[port], times, err_msg=port)

    stalled = run(design, codes, stalls=0.4)
    assert_golden(design, codes, stalled)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_cycles(name: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(name)])
    graph = GRAPHS[name](rng)
    check(graph)
    design = random_design(graph, rng)
    codes = random_codes(design, rng)

    assert_exact(design, codes)


LOOPS = ["rnn", "lstm", "stacked", "bidirectional", "delay"]


@pytest.mark.parametrize("lanes", ["all", "some"])
@pytest.mark.parametrize("name", LOOPS)
def test_least_latency(name: str, lanes: str) -> None:
    """Every kernel of a loop in its fastest form: states that take no cycle, and skids."""
    rng = np.random.default_rng(len(name))
    graph = GRAPHS[name](rng)
    folding = {}
    for request in lower(graph).requests.values():
        flow = next((d for d in request.dataflows if "fast" in d), request.allowed)
        folding[request.name] = {
            p: values[-1] if lanes == "all" or rng.random() < 0.5 else values[0]
            for p, values in flow.items()
        }
    unlimited = Capacity(lut=1_000_000)
    design = schedule(graph, ScheduleOptions(folding=folding, capacity=unlimited))
    states = [k for k in map(core, design.kernels.values()) if isinstance(k, LoopState)]
    if lanes == "all" and name != "delay":
        assert any(state.bypass for state in states)
        assert any(edge.depth == 1 for edge in design.edges) or name == "rnn"
    assert_exact(design, random_codes(design, rng))


@pytest.mark.parametrize("name", GRAPHS)
def test_automatic_folding(name: str, rng: np.random.Generator) -> None:
    design = schedule(GRAPHS[name](rng))
    codes = random_codes(design, rng)
    found = run(design, codes)
    assert_golden(design, codes, found)
    last = [found.times[p.name][p.port.beats - 1 :: p.port.beats] for p in design.outputs]
    np.testing.assert_array_equal(np.max(last, axis=0), completion_times(design, FRAMES))


@pytest.mark.parametrize("name", ["mlp", "residual", "lstm", "bidirectional"])
def test_latency_and_interval(name: str, rng: np.random.Generator) -> None:
    """The definitions: one frame alone, first input to last output; and the steady difference,
    or its mean where frames alternate, as those of "residual" do."""
    design = schedule(GRAPHS[name](rng))
    alone = completion_times(design, 1)[0] - predict_trace(design, 1).inputs["x"][0] + 1
    assert design.predicted.latency == alone
    many = np.diff(completion_times(design, 12))
    assert (many[-4:-2] == many[-2:]).all()
    assert -(-many[-2:].sum() // 2) == design.predicted.interval
