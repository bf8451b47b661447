"""Models whose samples take turns: E2 and E3 hold, and every frame ends in its cycle."""

import numpy as np
import pytest

from thresher.gen.compiled import Compiled
from thresher.sim.amaranth import AmaranthEngine
from thresher.sim.engine import Engine
from thresher.sim.engines import get_engine
from thresher.sim.inputs import random_inputs
from thresher.sim.top import predict, top_of
from thresher.sim.verilator import VerilatorEngine
from zoo.rtl import compiled, random_folding, verified

SAMPLES = 8  # two frames of three and one that is not full


def check(model: Compiled, engine: Engine, samples: int = SAMPLES) -> None:
    outcome = verified(model, engine, samples, seed=1)
    assert outcome.passed, outcome
    assert outcome.samples == outcome.equality.samples == samples
    assert outcome.latency == model.design.predicted.latency
    assert outcome.interval == model.design.predicted.interval


@pytest.mark.parametrize(
    "name",
    [
        "lstm_batch_first", "lstm_bidirectional_init", "lstm_reverse", "lstm_init_raw",
        "lstm_argmax", "gru_gemm_captured", "stacked_rnn_gru", "lstm_one_step",
    ],
)  # fmt: skip
def test_models(name: str) -> None:
    """One after the other or with others between: the same codes, with and without stalls."""
    folding = random_folding(name, seed=7, products=2)
    model = compiled(name, folding, interleave=3)
    assert model.design.samples == 3
    check(model, VerilatorEngine())


def test_amaranth() -> None:
    check(compiled("rnn_relu", interleave=2), AmaranthEngine(), samples=5)


def test_outputs_do_not_depend_on_the_samples_beside() -> None:
    """The same codes as without interleaving, whichever sample stands where."""
    folding = random_folding("gru", seed=7, products=2)
    alone, turns = (compiled("gru", folding, interleave=n) for n in (1, 4))
    inputs = random_inputs(alone.streamlined.graph, 7, seed=3)
    expected = predict(alone, "verilator", inputs)
    order = np.random.default_rng(0).permutation(7)
    for permuted in (np.arange(7), order):
        found = predict(turns, "verilator", {n: a[permuted] for n, a in inputs.items()})
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array[permuted])


def test_the_model_of_a_frame() -> None:
    """What engines compare with takes and gives frames."""
    model = compiled("rnn_relu", interleave=2)
    top = top_of(model)
    rng = np.random.default_rng(0)
    frames = {
        p.name: rng.integers(p.port.lo, p.port.hi, (3, p.port.elements), endpoint=True)
        for p in top.inputs
    }
    expected = top.model(*frames.values())
    found = get_engine("amaranth").run(top, frames).outputs
    for port, rows in zip(top.outputs, expected, strict=True):
        np.testing.assert_array_equal(found[port.name], rows)
