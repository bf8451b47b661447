"""A model with neurons that nothing needs: its graph, its text, its hardware, its foldings."""

import numpy as np
import onnx
import pytest

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import MatMul
from thresher.compiler.integer.onnx_export import to_onnx
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.text import to_text
from thresher.compiler.schedule import schedule
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.targets import ScheduleOptions
from thresher.gen.compiled import compile_model
from thresher.gen.options import CompileOptions
from thresher.sim.amaranth import AmaranthEngine
from zoo.builder import Builder as ModelBuilder
from zoo.feedforward import Layers
from zoo.integer_graphs import random_codes
from zoo.rtl import verified
from zoo.run import run_qonnx


class Planted(ModelBuilder):
    """In the layer of 8, neurons 1 and 5 are equal and 2 has no weights; 6 and 7 are not read."""

    def weight(
        self, codes: np.ndarray, scale: float | np.ndarray, bits: int, form: str = "int8",
        axis: int = -1,
    ) -> str:  # fmt: skip
        codes = codes.copy()
        if codes.shape == (6, 8):
            codes[:, 5], codes[:, 2] = codes[:, 1], 0
        else:
            codes[[6, 7]] = 0
        return super().weight(codes, scale, bits, form, axis)


def model() -> onnx.ModelProto:
    """Two layers; neuron 3 of the first is never active."""
    b = Planted()
    net = Layers(b, 4, True, 3, "int8")
    first, hidden = net.quantiser(1.0), net.quantiser(4.0, signed=False)
    x = b.quant(b.input("x", [1, 6]), first)
    offset = b.const([0, 0, 0, -16, 0, 0, 0, 0], hint="b")
    y = b.quant(b.op("Relu", b.op("Add", net.linear(x, first, 6, 8), offset)), hidden)
    b.output(net.linear(y, hidden, 8, 3), [1, 3], "logits")
    return b.model("planted")


def test_a_model_with_planted_neurons_in_hardware(tmp_path):
    """Three of eight neurons are left; the design is smaller, and is the model file to the bit."""
    onnx.save(model(), tmp_path / "planted.onnx")
    options = CompileOptions(target_fps=1e6, clock_mhz=100)
    made = compile_model(tmp_path / "planted.onnx", options)
    products = [n for n in made.streamlined.graph.block if isinstance(n, MatMul)]
    assert [m.weights.shape for m in products] == [(6, 3), (3, 3)]
    whole = optimise(made.streamlined.source, shrink=False)
    design = schedule(whole, ScheduleOptions(target_fps=1e6, clock_mhz=100))
    small, large = estimate(made.design), estimate(design)
    assert small.lut < large.lut
    assert small.ff < large.ff
    outcome = verified(made, AmaranthEngine(), 4, seed=0)
    assert outcome.passed, outcome
    assert outcome.equality.differing == 0


def test_text_and_onnx_of_a_shrunk_graph(tmp_path):
    onnx.save(model(), tmp_path / "planted.onnx")
    graph = compile_model(tmp_path / "planted.onnx").streamlined.graph
    assert to_text(graph).count("matmul") >= 2
    codes = random_codes(graph, np.random.default_rng(1), 8)
    exported = to_onnx(graph)
    onnx.checker.check_model(exported)
    feeds = {name: array.astype(np.float32) for name, array in codes.items()}
    found, wanted = run_qonnx(exported, feeds), Golden(graph).run(codes)
    for out in graph.outputs:
        np.testing.assert_array_equal(found[out.name], wanted[out.name])


def test_a_folding_may_be_of_the_whole_form(tmp_path):
    """Eight neurons have divisors that three do not; a fold of neither is refused."""
    onnx.save(model(), tmp_path / "planted.onnx")
    design = compile_model(tmp_path / "planted.onnx").design
    first = next(n for n in design.graph.block if isinstance(n, MatMul))
    name = next(k for k, origin in design.origins.items() if origin == first.out.name)
    for pe, columns in ((4, 8), (3, 3)):
        options = CompileOptions(folding={name: {"pe": pe, "simd": 1}})
        graph = compile_model(tmp_path / "planted.onnx", options).design.graph
        first = next(n for n in graph.block if isinstance(n, MatMul))
        assert first.weights.shape[1] == columns
    options = CompileOptions(folding={name: {"pe": 5, "simd": 1}})
    with pytest.raises(ThresherError, match="divide what it folds, not 5; choose from 1, 3"):
        compile_model(tmp_path / "planted.onnx", options)
