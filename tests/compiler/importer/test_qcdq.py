"""QCDQ: QuantizeLinear, Clip, DequantizeLinear."""

import ml_dtypes
import numpy as np
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph
from thresher.compiler.importer import import_model


def graph_of(
    body: str, init: str = "int8 z = {0}", *, opset: int = 21, shape: str = "1, 2, 3"
) -> Graph:
    """Of x of a shape, with a scale `s` of 0.5 and initializers."""
    return import_model(
        parse_model(
            f'<ir_version: 10, opset_import: ["" : {opset}]> g (float[{shape}] x) => (float y) '
            f"<float s = {{0.5}}, {init}> {{ {body} }}"
        )
    )


QDQ = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"


@pytest.mark.parametrize(
    ("dtype", "lo", "hi"),
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", -32768, 32767),
        ("uint16", 0, 65535),
        ("int4", -8, 7),
        ("uint4", 0, 15),
    ],
)
def test_code_types(dtype: str, lo: int, hi: int) -> None:
    quantize, dequantize = graph_of(QDQ, f"{dtype} z = {{0}}").nodes
    assert (quantize.op, dequantize.op) == ("Quantize", "Dequantize")
    assert quantize.inputs == ("x", "s")
    assert quantize.attrs == {"lo": lo, "hi": hi, "clip_first": 0, "rounding": "ROUND"}
    assert (dequantize.inputs, dequantize.attrs) == (("q", "s"), {})


def test_no_zero_point_means_uint8() -> None:
    node = graph_of("q = QuantizeLinear(x, s) y = DequantizeLinear(q, s)").nodes[0]
    assert (node.attrs["lo"], node.attrs["hi"]) == (0, 255)


def test_output_dtype() -> None:
    node = graph_of(
        "q = QuantizeLinear <output_dtype = 5> (x, s) y = DequantizeLinear(q, s)"
    ).nodes[0]
    assert (node.attrs["lo"], node.attrs["hi"]) == (-32768, 32767)


def test_clip_behind_quantize_narrows_it() -> None:
    init = "int8 z = {0}, int8 lo = {-7}, int8 hi = {7}"
    body = "q = QuantizeLinear(x, s, z) c = Clip(q, lo, hi) y = DequantizeLinear(c, s, z)"
    graph = graph_of(body, init)
    assert [node.op for node in graph.nodes] == ["Quantize", "Dequantize"]
    assert graph.nodes[0].attrs["lo"] == -7
    assert graph.nodes[0].attrs["hi"] == 7
    assert graph.nodes[0].outputs == ("c",)
    assert set(graph.constants) == {"s"}


def test_one_sided_clip() -> None:
    init = "int8 z = {0}, int8 hi = {7}"
    body = 'q = QuantizeLinear(x, s, z) c = Clip(q, "", hi) y = DequantizeLinear(c, s, z)'
    node = graph_of(body, init).nodes[0]
    assert (node.attrs["lo"], node.attrs["hi"]) == (-128, 7)


def test_clip_of_codes_that_others_use_too() -> None:
    init = "int8 z = {0}, int8 lo = {0}"
    body = """q = QuantizeLinear(x, s, z) c = Clip(q, lo) a = DequantizeLinear(c, s, z)
              b = DequantizeLinear(q, s, z) y = Add(a, b)"""
    quantisers = [n for n in graph_of(body, init).nodes if n.op == "Quantize"]
    assert [(n.outputs, n.attrs["lo"]) for n in quantisers] == [(("q",), -128), (("c",), 0)]


def test_a_clip_elsewhere_stays_with_float_bounds() -> None:
    init = "int8 z = {0}, int8 lo = {0}, int8 hi = {7}"
    body = """q = QuantizeLinear(x, s, z) f = Flatten(q) c = Clip(f, lo, hi)
              y = DequantizeLinear(c, s, z)"""
    graph = graph_of(body, init)
    clip = next(node for node in graph.nodes if node.op == "Clip")
    assert [graph.constants[name].dtype for name in clip.inputs[1:]] == [np.float32, np.float32]


def test_a_clip_that_leaves_nothing() -> None:
    init = "int8 z = {0}, int8 lo = {3}, int8 hi = {2}"
    with pytest.raises(ModelError, match=r"Clip 'c': the range \[3, 2\] is empty; give min <= max"):
        graph_of("q = QuantizeLinear(x, s, z) [c] y = Clip(q, lo, hi)", init)


@pytest.mark.parametrize(
    ("axis", "count", "shape"), [(1, 2, (2, 1)), (2, 3, (3,)), (-1, 3, (3,)), (-2, 2, (2, 1))]
)
def test_scale_per_channel(axis: int, count: int, shape: tuple[int, ...]) -> None:
    scales, zeros = ", ".join("123"[:count]), ", ".join("000"[:count])
    init = f"float[{count}] t = {{{scales}}}, int8[{count}] z = {{{zeros}}}"
    body = f"""q = QuantizeLinear <axis = {axis}> (x, t, z)
               y = DequantizeLinear <axis = {axis}> (q, t, z)"""
    graph = graph_of(body, init)
    for node in graph.nodes:
        assert graph.constants[node.inputs[1]].shape == shape


def test_scale_per_channel_of_weights() -> None:
    init = "int8[2,3] w = {1,2,3,4,5,6}, float[2] t = {1, 2}"
    body = "d = DequantizeLinear <axis = 0> (w, t) y = Add(x, d)"
    graph = graph_of(body, init)
    node = graph.nodes[0]
    assert (node.op, graph.constants[node.inputs[1]].shape) == ("Dequantize", (2, 1))
    assert graph.constants["w"].dtype == np.int8


@pytest.mark.parametrize("dtype", ["int4", "int2", "uint4"])
def test_weights_below_eight_bits_are_widened(dtype: str) -> None:
    model = parse_model("""
        <ir_version: 13, opset_import: ["" : 25]> g (float[3] x) => (float[3] y)
        <float s = {0.5}> { d = DequantizeLinear(w, s) y = Add(x, d) }
    """)
    codes = np.array([1, 0, -2 if dtype[0] == "i" else 2]).astype(getattr(ml_dtypes, dtype))
    model.graph.initializer.append(numpy_helper.from_array(codes, "w"))
    weight = import_model(model).constants["w"]
    assert weight.dtype == (np.int8 if dtype[0] == "i" else np.uint8)
    np.testing.assert_array_equal(weight, codes.astype(int))


def test_a_scale_of_one_element_is_a_scalar() -> None:
    init = "float[1] t = {0.25}, int8[1] z = {0}"
    body = "q = QuantizeLinear(x, t, z) y = DequantizeLinear(q, t, z)"
    graph = graph_of(body, init)
    assert all(graph.constants[node.inputs[1]].shape == () for node in graph.nodes)


def test_zero_point_of_quantize() -> None:
    rule = "QuantizeLinear 'n': zero point 'z' must be 0, not 3; use symmetric quantisers"
    with pytest.raises(ModelError, match=rule):
        graph_of("[n] q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s)", "uint8 z = {3}")


def test_zero_point_of_dequantize() -> None:
    init = "int8[2,3] w = {1,2,3,4,5,6}, float[2] t = {1, 2}, int8[2] z = {0, -1}"
    with pytest.raises(ModelError, match="DequantizeLinear 'n': zero point 'z' must be 0, not -1"):
        graph_of("[n] d = DequantizeLinear <axis = 0> (w, t, z) y = Add(x, d)", init)


@pytest.mark.parametrize(
    ("body", "init", "rule"),
    [
        (QDQ, "float8e4m3fn z = {0}", "codes must be integers of 2 to 16 bits, not float8_e4m3fn"),
        (
            "q = QuantizeLinear <block_size = 2, axis = 2> (x, t) y = DequantizeLinear(q, s)",
            "float[1,2,2] t = {1,2,3,4}",
            "block_size is unsupported",
        ),
        (
            "q = QuantizeLinear <saturate = 0> (x, s, z) y = DequantizeLinear(q, s)",
            "int8 z = {0}",
            "saturate must be 1",
        ),
        (
            "q = QuantizeLinear(x, x) y = DequantizeLinear(q, s)",
            "int8 z = {0}",
            "scale 'x' must be a constant",
        ),
        (
            "q = QuantizeLinear(x, t) y = DequantizeLinear(q, s)",
            "float t = {0}",
            "scale 't' must be positive and finite",
        ),
        (
            "q = QuantizeLinear(x, t) y = DequantizeLinear(q, s)",
            "float16 t = {1}",
            "scale 't' must be float32, not float16",
        ),
        (
            "q = QuantizeLinear(x, t) y = DequantizeLinear(q, s)",
            "float[2,1] t = {1, 2}",
            "scale 't' must have one axis, not 2",
        ),
        (
            "d = DequantizeLinear <axis = 0> (w, t) y = Add(x, d)",
            "int8[3] w = {1,2,3}, float[2] t = {1, 2}",
            "scale 't' of 2 elements does not fit axis",
        ),
        (
            "q = QuantizeLinear(x, s, u) u = Cast <to = 3> (x) y = DequantizeLinear(q, s)",
            "int8 z = {0}",
            "zero point 'u' must be a constant",
        ),
        ("y = DequantizeLinear(w, s)", "float8e4m3fn[1] w = {1}", "codes must be integers, not"),
        (
            "r = Reshape(x, k) q = QuantizeLinear(r, t) y = DequantizeLinear(q, s) k = Shape(x)",
            "float[2] t = {1, 2}",
            "a scale for each channel needs a known rank",
        ),
    ],
)
def test_refused(body: str, init: str, rule: str) -> None:
    with pytest.raises(ModelError, match=rule) as caught:
        graph_of(body, init)
    assert "; " in str(caught.value)
