"""The shipped ConvLSTM is what its record says; Brevitas, onnxruntime and golden agree."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from thresher.compiler.importer import import_model, load_model
from thresher.compiler.integer.golden import Golden
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Streamlined, streamline
from thresher.sim.equality import compare_with_reference

HORIZONS = (1, 2, 3, 5, 10)


@pytest.fixture(scope="module")
def folder(repo: Path) -> Path:
    return repo / "examples" / "convlstm_lob"


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, np.ndarray]:
    return dict(np.load(folder / "convlstm_lob.npz"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Streamlined:
    return streamline(import_model(load_model(folder / "convlstm_lob.onnx")))


def record(folder: Path, horizon: int) -> dict:
    stem = "convlstm_lob" if horizon == 10 else f"convlstm_lob_{horizon}"
    return json.loads((folder / f"{stem}.json").read_text())


def test_sizes(folder: Path, data: dict[str, np.ndarray]) -> None:
    assert (folder / "convlstm_lob.onnx").stat().st_size < 1_000_000
    assert (folder / "convlstm_lob.npz").stat().st_size < 200_000
    assert data["x"].shape == (16, 1, 1, 100, 40)
    assert data["x"].dtype == np.float32
    assert data["brevitas"].shape == (16, 1, 3)
    assert len(np.unique(data["brevitas"])) > 24


def test_golden_equals_brevitas_to_the_bit(model: Streamlined, data: dict[str, np.ndarray]) -> None:
    found = Golden(model.graph).run_model({"x": data["x"]})
    assert list(found) == ["logits"]
    assert np.array_equal(found["logits"], data["brevitas"])


def test_golden_equals_onnxruntime_by_e2(
    folder: Path, model: Streamlined, data: dict[str, np.ndarray]
) -> None:
    reference = Reference(onnx.load(folder / "convlstm_lob.onnx"), model.dims)
    outcome = compare_with_reference(model, reference, {"x": data["x"]})
    assert (outcome.samples, outcome.differing, outcome.unexplained) == (16, 0, 0)


def test_eight_six_bits_and_powers_of_two(folder: Path) -> None:
    graph = onnx.load(folder / "convlstm_lob.onnx").graph
    graphs = [graph, *(a.g for n in graph.node for a in n.attribute if a.type == a.GRAPH)]
    assert len(graphs) == 2
    spans = []
    for part in graphs:
        constants = {t.name: numpy_helper.to_array(t) for t in part.initializer}
        for node in part.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                assert (np.frexp(constants[node.input[1]])[0] == 0.5).all()
            if node.op_type == "DequantizeLinear" and node.input[0] in constants:
                values = constants[node.input[0]]
                assert values.dtype == np.int32 or np.abs(values).max() <= 127
            if node.op_type == "Clip" and node.input[0] not in constants:
                low, high = (int(constants[name]) for name in node.input[1:])
                spans.append(high - low)
    assert max(spans) <= 63
    assert len(spans) >= 5 + 1 + 11


@pytest.mark.parametrize("horizon", HORIZONS)
def test_scores_are_above_the_largest_class(folder: Path, horizon: int) -> None:
    told = record(folder, horizon)
    assert told["horizon"] == horizon
    assert told["data"]["source"] == "synthetic"
    for found in told["held_out"].values():
        confusion = np.array(found["confusion"])
        assert confusion.sum() == found["windows"] == told["data"]["windows"]["held_out"]
        assert found["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
        assert found["majority"] == pytest.approx(confusion.sum(axis=1).max() / confusion.sum())
        for i, side in enumerate(found["classes"].values()):
            assert side["recall"] == pytest.approx(confusion[i, i] / confusion[i].sum())
    if horizon == 10:
        shipped = told["held_out"]["quantised"]
        assert shipped["accuracy"] > shipped["majority"] + 0.15
        assert min(side["recall"] for side in shipped["classes"].values()) > 0.2


def test_the_page_has_these_scores(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert [int(horizon) for horizon, _ in rows] == list(HORIZONS)
    for horizon, cells in rows:
        told = record(folder, int(horizon))
        floats, found = told["held_out"]["float"], told["held_out"]["quantised"]
        sides = found["classes"].values()
        wanted = [
            f"{told['data']['windows']['train']:,}",
            " + ".join(str(phase["epochs"]) for phase in told["training"].values()),
            f"{floats['macro_f1']:.3f}",
            f"{found['macro_f1']:.3f}",
            f"{found['accuracy']:.1%}",
            f"{found['majority']:.1%}",
            " / ".join(f"{side['precision']:.2f}" for side in sides),
            " / ".join(f"{side['recall']:.2f}" for side in sides),
        ]
        assert cells.split(" | ") == wanted
