"""streamlined.onnx against the golden interpreter: run by qonnx, and by onnx with qonnx's op."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.custom_op.general.multithreshold import multithreshold

from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.onnx_export import to_onnx
from zoo.image_graphs import random_image_graph
from zoo.integer_graphs import random_codes, random_graph
from zoo.run import run_qonnx

SAMPLES = 3


class MultiThreshold(OpRun):
    """qonnx's own function, for Scan bodies, which qonnx cannot run."""

    op_domain = "qonnx.custom_op.general"

    def _run(self, x, thresholds, out_scale=1.0, out_bias=0.0, data_layout="", out_dtype=""):
        axis = data_layout.index("C")
        moved = np.moveaxis(x, axis, 1)
        return (np.moveaxis(multithreshold(moved, thresholds, out_scale, out_bias), 1, axis),)


def run_onnx(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    evaluator = ReferenceEvaluator(model, new_ops=[MultiThreshold])
    samples = [evaluator.run(None, {k: v[i] for k, v in feeds.items()}) for i in range(SAMPLES)]
    return [np.stack(parts) for parts in zip(*samples, strict=True)]


def feeds_of(model: onnx.ModelProto, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    types = {
        i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type)
        for i in model.graph.input
    }
    return {name: array.astype(types[name]) for name, array in codes.items()}


def compare(graph: IntegerGraph, model: onnx.ModelProto, found: list[np.ndarray]) -> None:
    codes = random_codes(graph, np.random.default_rng(0), SAMPLES)
    expected = Golden(graph).run(codes)
    for out, value in zip(graph.outputs, found, strict=True):
        np.testing.assert_array_equal(value, expected[out.name])


@pytest.mark.parametrize("seed", range(24))
def test_loops_in_onnx(seed: int) -> None:
    graph = random_graph(seed, loops=1 + seed % 2)
    model = to_onnx(graph)
    onnx.checker.check_model(model, full_check=False)
    codes = random_codes(graph, np.random.default_rng(0), SAMPLES)
    compare(graph, model, run_onnx(model, feeds_of(model, codes)))


@pytest.mark.parametrize("seed", range(200, 224))
def test_images_in_onnx(seed: int) -> None:
    graph = random_image_graph(seed, loop=seed % 3 == 0)
    model = to_onnx(graph)
    onnx.checker.check_model(model, full_check=False)
    codes = random_codes(graph, np.random.default_rng(0), SAMPLES)
    compare(graph, model, run_onnx(model, feeds_of(model, codes)))


@pytest.mark.parametrize("seed", range(300, 308))
def test_images_in_qonnx(seed: int) -> None:
    graph = random_image_graph(seed)
    model = to_onnx(graph)
    codes = random_codes(graph, np.random.default_rng(0), SAMPLES)
    found = run_qonnx(model, feeds_of(model, codes))
    compare(graph, model, [found[o.name] for o in model.graph.output])


@pytest.mark.parametrize("seed", range(100, 112))
def test_feedforward_in_qonnx(seed: int) -> None:
    graph = random_graph(seed, loops=0, nodes=10)
    model = to_onnx(graph)
    codes = random_codes(graph, np.random.default_rng(0), SAMPLES)
    found = run_qonnx(model, feeds_of(model, codes))
    compare(graph, model, [found[o.name] for o in model.graph.output])
