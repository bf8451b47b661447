"""The shipped demo model is what its record says."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from thresher.quant.check import run_onnx


@pytest.fixture
def folder(repo: Path) -> Path:
    return repo / "examples" / "digits_lstm"


def test_equals_brevitas_at_the_recorded_accuracy(folder: Path) -> None:
    data, record = (
        np.load(folder / "digits_test.npz"),
        json.loads((folder / "train.json").read_text()),
    )
    model = onnx.load(folder / "digits_lstm.onnx")
    x, y = data["x"], data["y"]
    assert x.shape == (record["held_out"], 1, 8, 8)
    assert x.dtype == np.float32
    (logits,) = run_onnx(model, [x[:, 0]])
    assert (logits == data["brevitas"][:, 0]).all()
    assert (logits.argmax(1) == y).sum() == record["correct"]
    assert record["accuracy"] == record["correct"] / record["held_out"] >= 0.95
    (one,) = run_onnx(model, [x[5]])
    assert (one == data["brevitas"][5]).all()


def test_six_bits_and_powers_of_two(folder: Path) -> None:
    model = onnx.load(folder / "digits_lstm.onnx")
    graphs = [model.graph]
    graphs += [a.g for n in model.graph.node for a in n.attribute if a.type == a.GRAPH]
    assert len(graphs) == 2
    assert max(json.loads((folder / "train.json").read_text())["bits"].values()) <= 6
    for graph in graphs:
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        clipped = {n.input[0] for n in graph.node if n.op_type == "Clip"}
        for node in graph.node:
            if node.op_type == "QuantizeLinear":
                assert node.output[0] in clipped
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                assert np.frexp(constants[node.input[1]])[0] == 0.5
            if node.op_type == "DequantizeLinear" and node.input[0] in constants:
                assert np.abs(constants[node.input[0]]).max() <= 31
            if node.op_type == "Clip":
                low, high = (int(constants[name]) for name in node.input[1:])
                assert high - low <= 63
