"""Gemm, BatchNormalization, Conv and pooling; and the folding of constants."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph
from thresher.compiler.importer import import_model
from thresher.compiler.ort import run_node
from thresher.compiler.reference import Reference

Arrays = dict[str, np.ndarray]
RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def model_of(
    body: str, shape: str, weights: Mapping[str, np.ndarray], opset: int = 19
) -> onnx.ModelProto:
    model = parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}]> g (float[{shape}] x) => (float y) '
        f"{{ {body} }}"
    )
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in weights.items()
    )
    return model


def sizes(graph: Graph) -> list[int]:
    return [int(size) for size in graph.inputs[0].shape]


def check(model: onnx.ModelProto, run_graph: RunGraph, rng: np.random.Generator) -> Graph:
    graph = import_model(model)
    x = rng.integers(-8, 8, sizes(graph)).astype(np.float32)
    expected = Reference(model, {}).run({"x": x[None]})["y"][0]
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], expected)
    return graph


@pytest.mark.parametrize(
    ("attrs", "bias", "ops"),
    [
        ("", "", ["MatMul"]),
        ("", ", c", ["MatMul", "Add"]),
        ("alpha = 0.5", "", ["MatMul", "Mul"]),
        ("alpha = 0.5, beta = 0.25", ", c", ["MatMul", "Mul", "Add"]),
        ("beta = 0.0", ", c", ["MatMul"]),
        ("beta = 2.0", ", r", ["Relu", "Mul", "MatMul", "Add"]),
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_gemm(
    attrs: str,
    bias: str,
    ops: list[str],
    transposed: bool,
    run_graph: RunGraph,
    rng: np.random.Generator,
) -> None:
    weight = rng.integers(-8, 8, (4, 3)).astype(np.float32)
    given = [item for item in (attrs, "transB = 1" if transposed else "") if item]
    body = f"[n] y = Gemm <{', '.join(given)}> (x, w{bias})" if given else f"y = Gemm(x, w{bias})"
    if "r" in bias:
        body = f"r = Relu(d) {body} d = Slice(x, k0, k3, k1)"
    weights = {
        "w": weight.T if transposed else weight,
        "c": np.array([1, 2, 3], np.float32),
        "k0": np.array([0]),
        "k3": np.array([3]),
        "k1": np.array([1]),
    }
    graph = check(model_of(body, "2, 4", weights), run_graph, rng)
    assert [node.op for node in graph.nodes if node.op != "Slice"] == ops


def test_gemm_transposes_what_is_not_constant(
    run_graph: RunGraph, rng: np.random.Generator
) -> None:
    weights = {"w": np.ones((2, 3), np.float32)}
    body = "[n] y = Gemm <transA = 1> (x, w)"
    graph = check(model_of(body, "2, 4", weights), run_graph, rng)
    assert [(node.op, node.name) for node in graph.nodes] == [
        ("Transpose", "n_Transpose"),
        ("MatMul", "n"),
    ]
    assert graph.nodes[0].attrs == {"perm": (1, 0)}


@given(st.integers(0, 10_000), st.sampled_from(["2, 5", "1, 5, 3", "1, 5, 2, 2"]))
def test_batchnorm_is_onnxruntimes_to_the_bit(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 2, 5).astype(np.float32) for name in ("g", "b", "m")}
    weights["v"] = rng.lognormal(0, 2, 5).astype(np.float32)
    body = f"y = BatchNormalization <epsilon = {rng.choice([1e-5, 1e-3, 0.1])}> (x, g, b, m, v)"
    model = model_of(body, shape, weights)
    graph = import_model(model)
    assert [node.op for node in graph.nodes] == ["Mul", "Add"]
    x = rng.normal(0, 4, sizes(graph)).astype(np.float32)
    factor, addend = (graph.constants[node.inputs[1]] for node in graph.nodes)
    expected = Reference(model, {}).run({"x": x[None]})["y"][0]
    np.testing.assert_array_equal((x * factor) + addend, expected)


BATCHNORM = {name: np.ones(4, np.float32) for name in "gbmv"}


@pytest.mark.parametrize(
    ("body", "opset", "rule"),
    [
        (
            "[n] y = BatchNormalization <training_mode = 1> (x, g, b, m, v)",
            15,
            "BatchNormalization 'n': training mode is unsupported; export in eval mode",
        ),
        ("[n] y = BatchNormalization <spatial = 0> (x, g, b, m, v)", 7, "spatial must be 1"),
        (
            "r = Relu(x) k = Shape(x) z = Reshape(r, k) [n] y = BatchNormalization(z, g, b, m, v)",
            15,
            "the rank of its input is unknown; run onnx.shape_inference",
        ),
        (
            "r = Relu(g2) [n] y = BatchNormalization(x, r, b, m, v) g2 = Squeeze(x)",
            15,
            "input 'r' must be a constant",
        ),
    ],
)
def test_batchnorm_refused(body: str, opset: int, rule: str) -> None:
    with pytest.raises(ModelError, match=rule):
        import_model(model_of(body, "1, 4", BATCHNORM, opset))


def test_a_variance_that_is_not_positive() -> None:
    weights = BATCHNORM | {"v": -np.ones(4, np.float32)}
    with pytest.raises(ModelError, match="'n': its parameters must be finite and its variance p"):
        import_model(model_of("[n] y = BatchNormalization(x, g, b, m, v)", "1, 4", weights))


def test_ranks_are_followed_to_batchnorm() -> None:
    body = """a = Unsqueeze(x, k) b1 = Conv(a, w) c = Relu(b1) d = Squeeze(c, k) e = Transpose(d)
              f = Gather <axis = 0> (e, z) h = Add(f, x2) s = ReduceSum <keepdims = 0> (h, k1)
              t = Flatten(s) u = MatMul(t, m2) y = BatchNormalization(u, g, b, m, v)"""
    weights = BATCHNORM | {
        "k": np.array([1]),
        "w": np.ones((4, 1, 3), np.float32),
        "z": np.array([0]),
        "x2": np.ones((1, 1, 1), np.float32),
        "k1": np.array([0]),
        "m2": np.ones((3, 4), np.float32),
    }
    graph = import_model(model_of(body, "2, 4", weights))
    assert graph.constants[graph.nodes[-1].inputs[1]].shape == (4,)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Conv(x, w)", {"pads": (0,) * 4, "strides": (1, 1), "group": 1}),
        (
            "y = Conv <pads = [1, 0, 1, 0], strides = [2, 1]> (x, w, b)",
            {"pads": (1, 0, 1, 0), "strides": (2, 1), "dilations": (1, 1), "kernel_shape": (2, 2)},
        ),
        ('y = Conv <auto_pad = "VALID"> (x, w)', {"pads": (0,) * 4, "auto_pad": "NOTSET"}),
        ('y = Conv <auto_pad = "SAME_UPPER"> (x, w)', {"pads": None, "auto_pad": "SAME_UPPER"}),
        ("y = MaxPool <kernel_shape = [2, 2]> (x)", {"strides": (1, 1), "ceil_mode": 0}),
        (
            "y = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 0, 0]> (x)",
            {"count_include_pad": 0, "pads": (1, 1, 0, 0)},
        ),
        ("y = GlobalAveragePool(x)", {}),
        ("y = GlobalMaxPool(x)", {}),
    ],
)
def test_spatial(
    body: str, expected: dict[str, object], run_graph: RunGraph, rng: np.random.Generator
) -> None:
    weights = {
        "w": rng.integers(-4, 4, (2, 3, 2, 2)).astype(np.float32),
        "b": np.ones(2, np.float32),
    }
    (node,) = check(model_of(body, "1, 3, 5, 4", weights), run_graph, rng).nodes
    assert expected.items() <= node.attrs.items()
    assert len(node.inputs) == (3 if node.op == "Conv" else 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "y = ConvTranspose <strides = [2, 1], group = 4> (x, t)",
            {"output_padding": (0, 0), "output_shape": None, "pads": (0,) * 4, "group": 4},
        ),
        (
            "y = ConvTranspose <strides = [2, 2], output_padding = [1, 0]> (x, t)",
            {"output_padding": (1, 0), "kernel_shape": (2, 2)},
        ),
        (
            "y = ConvTranspose <strides = [2, 2], output_shape = [8, 13]> (x, t, b)",
            {"output_shape": (8, 13)},
        ),
        (
            'y = Resize <mode = "nearest"> (x, , up)',
            {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"},
        ),
        ("y = SpaceToDepth <blocksize = 2> (x)", {"blocksize": 2}),
        ("y = DepthToSpace <blocksize = 2> (x)", {"blocksize": 2, "mode": "DCR"}),
        ('y = DepthToSpace <blocksize = 2, mode = "CRD"> (x)', {"mode": "CRD"}),
    ],
)
def test_images_of_other_sizes(
    body: str, expected: dict[str, object], run_graph: RunGraph, rng: np.random.Generator
) -> None:
    weights = {
        "t": rng.integers(-4, 4, (4, 2, 2, 2)).astype(np.float32),
        "b": np.ones(2, np.float32),
        "up": np.array([1, 1, 2, 3], np.float32),
    }
    (node,) = check(model_of(body, "1, 4, 4, 6", weights), run_graph, rng).nodes
    assert expected.items() <= node.attrs.items()
    assert len(node.inputs) == {"ConvTranspose": 3, "Resize": 4}.get(node.op, 1)


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("y = Upsample <scales = [1.0, 1.0, 2.0, 3.0]> (x)", 7),
        ('y = Upsample <mode = "nearest"> (x, up)', 9),
        ("y = Resize (x, up)", 10),
    ],
)
def test_what_resize_was(
    body: str, opset: int, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    scales = np.array([1, 1, 2, 3], np.float32)
    weights: Arrays = {"up": scales} if "up)" in body else {}
    (node,) = check(model_of(body, "1, 1, 3, 4", weights, opset), run_graph, rng).nodes
    assert node.op == "Resize"
    assert node.attrs["coordinate_transformation_mode"] == "asymmetric"
    assert node.attrs["nearest_mode"] == "floor"


def test_kernel_shape_of_quantised_weights() -> None:
    body = "s = Constant <value_float = 0.5> () q = QuantizeLinear(w, s, z) "
    body += "d = DequantizeLinear(q, s, z) y = Conv(x, d)"
    weights: Arrays = {"w": np.ones((2, 1, 3, 2), np.float32), "z": np.zeros((), np.int8)}
    graph = import_model(model_of(body, "1, 1, 4, 4", weights))
    assert graph.nodes[-1].attrs["kernel_shape"] == (3, 2)


def test_indices_of_maxpool() -> None:
    body = "[n] y, i = MaxPool <kernel_shape = [2, 2]> (x)"
    assert import_model(model_of(body, "1, 1, 4, 4", {})).nodes[0].outputs == ("y",)
    with pytest.raises(ModelError, match="MaxPool 'n': its output 'i' is used; export without"):
        import_model(model_of(f"{body} z = Neg(i)", "1, 1, 4, 4", {}))


def test_kernel_shape_missing() -> None:
    with pytest.raises(ModelError, match="Conv 'n': kernel_shape is missing"):
        import_model(model_of("[n] y = Conv(x, x)", "1, 1, 4, 4", {}))


def test_constants_are_folded_but_not_through_quantisers() -> None:
    weights: Arrays = {
        "w": np.array([[100, -100]], np.int8),
        "lo": np.array(-7, np.int8),
        "hi": np.array(7, np.int8),
        "s": np.array(0.5, np.float32),
        "f": np.ones(2, np.float32),
    }
    body = """c = Clip(w, lo, hi) d = DequantizeLinear(c, s) t = Transpose(d)
              e = Exp(f) m = MatMul(x, t) y = Mul(m, e)"""
    graph = import_model(model_of(body, "1, 2", weights))
    assert [node.op for node in graph.nodes] == ["Dequantize", "Transpose", "MatMul", "Mul"]
    assert graph.constants["c"].tolist() == [[7, -7]]
    assert graph.constants["c"].dtype == np.int8
    np.testing.assert_array_equal(graph.constants["e"], run_node("Exp", {}, weights["f"]))


def test_folding_what_onnxruntime_has_no_kernel_for() -> None:
    weights: Arrays = {
        "w": np.array([100, -100], np.int16),
        "lo": np.array(-7, np.int16),
        "hi": np.array(7, np.int16),
        "s": np.array(0.5, np.float32),
    }
    body = "c = Clip(w, lo, hi) d = DequantizeLinear(c, s) y = Add(x, d)"
    graph = import_model(model_of(body, "2", weights, 21))
    assert graph.constants["c"].tolist() == [7, -7]


def test_folding_what_cannot_be() -> None:
    weights = {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}
    rule = "Add 'n': cannot be evaluated on its constant inputs"
    with pytest.raises(ModelError, match=rule):
        import_model(model_of("[n] c = Add(a, b) y = Add(x, c)", "2", weights))


def test_random_numbers_are_not_folded() -> None:
    body = "[n] r = RandomNormalLike(a) y = Add(x, r)"
    with pytest.raises(ModelError, match="RandomNormalLike 'n': unsupported operator"):
        import_model(model_of(body, "2", {"a": np.ones(2, np.float32)}))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8e4m3fn"])
def test_element_types_of_constants(dtype: str) -> None:
    model = model_of("c = Cast <to = 1> (w) y = Add(x, c) z = Cast <to = 1> (w)", "1", {})
    model.graph.output.append(helper.make_tensor_value_info("w", 16, [1]))
    kind = {"bfloat16": 16, "float8e4m3fn": 17}[dtype]
    model.graph.initializer.append(helper.make_tensor("w", kind, [1], [1.0]))
    with pytest.raises(ModelError, match="initializer 'w': unsupported element type"):
        import_model(model)
