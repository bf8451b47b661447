"""onnxruntime as a calculator of single operators."""

import numpy as np
import onnxruntime
import pytest
from onnx.parser import parse_model

from thresher.compiler.ort import run_node, session

ACTIVATIONS = [
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("Exp", {}),
    ("Erf", {}),
    ("Softsign", {}),
    ("HardSwish", {}),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
    ("Elu", {"alpha": 0.5}),
    ("Softplus", {}),
    ("Mish", {}),
    ("Sin", {}),
    ("Gelu", {"approximate": "tanh"}),
    ("Celu", {"alpha": 0.5}),
]


@pytest.mark.parametrize(("op", "attrs"), ACTIVATIONS)
def test_a_value_does_not_depend_on_its_neighbours(
    op: str, attrs: dict[str, object], rng: np.random.Generator
) -> None:
    x = rng.normal(0, 3, 300).astype(np.float32)
    whole = run_node(op, attrs, x)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(run_node(op, attrs, x.reshape(3, 4, 25)).reshape(-1), whole)
    np.testing.assert_array_equal(np.array([run_node(op, attrs, v) for v in x[:40]]), whole[:40])
    np.testing.assert_array_equal(run_node(op, attrs, x[17:150]), whole[17:150])


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
def test_it_is_what_a_model_computes(op: str, rng: np.random.Generator) -> None:
    model = parse_model(
        f'<ir_version: 10, opset_import: ["" : 13]> g (float[3,7] x) => (float[3,7] y) '
        f"{{ y = {op}(x) }}"
    )
    x = rng.normal(0, 3, (3, 7)).astype(np.float32)
    np.testing.assert_array_equal(session(model).run(None, {"x": x})[0], run_node(op, {}, x))


def test_operands_are_broadcast() -> None:
    x = np.arange(-3, 3, dtype=np.float32).reshape(2, 3)
    slope = np.array([[0.5], [2.0]], np.float32)
    np.testing.assert_array_equal(run_node("PRelu", {}, x, slope), np.where(x < 0, x * slope, x))
    assert run_node("Greater", {}, x, np.float32(0)).dtype == bool
    assert run_node("Where", {}, x > 0, x, np.float32(7)).tolist() == [[7, 7, 7], [7, 1, 2]]


def test_scalars_and_empty_arrays() -> None:
    assert run_node("Relu", {}, np.float32(-1)).shape == ()
    assert run_node("Relu", {}, np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_an_operator_younger_than_the_opset() -> None:
    assert run_node("Gelu", {}, np.float32(0), opset=13) == 0


def test_lists_as_attributes_and_bytes_as_model() -> None:
    model = parse_model(
        '<ir_version: 10, opset_import: ["" : 13]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    )
    runner = session(model.SerializeToString())
    assert isinstance(runner, onnxruntime.InferenceSession)
    options = runner.get_session_options()
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert (options.graph_optimization_level, options.intra_op_num_threads) == (level, 1)
