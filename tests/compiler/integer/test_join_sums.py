"""`join_sums`: the same function, with one product in the loop instead of two."""

import numpy as np
import onnx
import pytest

from thresher.compiler.importer import import_model
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import Concat, Loop, MatMul
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.ports import quantised
from thresher.compiler.streamline import streamline
from thresher.sim.inputs import random_inputs
from zoo import load


@pytest.mark.parametrize(
    ("name", "joined"),
    [("lstm", 13), ("cifg", 13), ("gru", 13), ("gru_before", 13), ("rnn_tanh", 13),
     ("lstm_coarse_input", None), ("lstm_column", 13), ("lstm_gemm", 13), ("mlp", None)],
)  # fmt: skip
def test_the_function_stays(name, joined, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(load(name).model, path)
    model = streamline(import_model(path))
    graph = optimise(model.source, join=True)
    check(graph)
    codes = quantised(graph.inputs, random_inputs(graph, 64, seed=5))
    want, got = Golden(model.graph).run(codes), Golden(graph).run(codes)
    assert all(np.array_equal(want[k], got[k]) for k in want)
    loops = [n for n in graph.block if isinstance(n, Loop)]
    rows = [n.weights.shape[0] for loop in loops for n in loop.body if isinstance(n, MatMul)]
    assert (joined in rows) == (joined is not None)
    assert any(isinstance(n, Concat) for loop in loops for n in loop.body) == (joined is not None)
