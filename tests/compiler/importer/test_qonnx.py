"""QONNX's Quant, BipolarQuant and Trunc, FINN's MultiThreshold, in all their domains."""

import numpy as np
import pytest
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph
from thresher.compiler.importer import import_model, multithreshold_axis

DOMAINS = ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", "finn"]


def graph_of(body: str, init: str = "", domain: str = "qonnx.custom_op.general") -> Graph:
    """Of x (1, 4), with scale s, zero z, bits b; `Q.` stands for the domain."""
    return import_model(
        parse_model(
            f'<ir_version: 10, opset_import: ["" : 13, "{domain}" : 1]> '
            "g (float[1,4] x) => (float y) "
            f"<float s = {{0.5}}, float z = {{0}}, float b = {{4}}{init}> "
            f"{{ {body.replace('Q.', domain + '.')} }}"
        )
    )


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_quant(domain: str, op: str) -> None:
    graph = graph_of(f"[n] y = Q.{op} <signed = 1, narrow = 1> (x, s, z, b)", domain=domain)
    quantize, dequantize = graph.nodes
    assert (quantize.op, quantize.name, quantize.inputs) == ("Quantize", "n_Quantize", ("x", "s"))
    assert quantize.attrs == {"lo": -7, "hi": 7, "clip_first": 1, "rounding": "ROUND"}
    assert (dequantize.op, dequantize.name) == ("Dequantize", "n")
    assert dequantize.inputs == (quantize.outputs[0], "s")
    assert dequantize.outputs == ("y",)


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "interval"),
    [
        (4, 1, 0, (-8, 7)),
        (4, 0, 0, (0, 15)),
        (4, 0, 1, (0, 14)),
        (1, 0, 0, (0, 1)),
        (2, 1, 1, (-1, 1)),
        (32, 1, 0, (-(2**31), 2**31 - 1)),
    ],
)
def test_intervals(bits: int, signed: int, narrow: int, interval: tuple[int, int]) -> None:
    body = f"y = Q.Quant <signed = {signed}, narrow = {narrow}> (x, s, z, k)"
    node = graph_of(body, f", float k = {{{bits}}}").nodes[0]
    assert (node.attrs["lo"], node.attrs["hi"]) == interval


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("ROUND", "ROUND"),
        ("half_even", "ROUND"),
        ("FLOOR", "FLOOR"),
        ("CEIL", "CEIL"),
        ("UP", "UP"),
        ("DOWN", "DOWN"),
        ("ROUND_TO_ZERO", "DOWN"),
        ("HALF_UP", "HALF_UP"),
        ("HALF_DOWN", "HALF_DOWN"),
    ],
)
def test_rounding_modes(mode: str, name: str) -> None:
    body = f'y = Q.Quant <signed = 1, narrow = 0, rounding_mode = "{mode}"> (x, s, z, b)'
    assert graph_of(body).nodes[0].attrs["rounding"] == name


def test_one_signed_bit_is_a_sign() -> None:
    graph = graph_of("y = Q.Quant <signed = 1, narrow = 0> (x, s, z, k)", ", float k = {1}")
    assert [node.op for node in graph.nodes] == ["Div", "Sign", "Dequantize"]


def test_scale_per_channel_stays_as_it_is() -> None:
    init = ", float[1,4] t = {1, 2, 3, 4}"
    graph = graph_of("y = Q.Quant <signed = 1, narrow = 0> (x, t, z, b)", init)
    assert graph.constants[graph.nodes[0].inputs[1]].shape == (1, 4)


def test_scale_of_one_element_is_a_scalar() -> None:
    graph = graph_of("y = Q.BipolarQuant(x, t)", ", float[1,1,1] t = {3}")
    assert [node.op for node in graph.nodes] == ["Sign", "Dequantize"]
    assert graph.constants[graph.nodes[1].inputs[1]].shape == ()


def test_trunc_of_five_inputs() -> None:
    graph = graph_of("y = Q.Trunc(x, s, z, k, b)", ", float k = {10}")
    truncate, dequantize = graph.nodes
    assert truncate.attrs == {"lo": None, "hi": None, "rounding": "FLOOR"}
    assert graph.constants[truncate.inputs[2]] == 64
    assert dequantize.inputs[1] == "s"


def test_trunc_of_six_inputs() -> None:
    init = ", float k = {10}, float t = {4}"
    body = 'y = Q.Trunc <signed = 0, narrow = 1, rounding_mode = "CEIL"> (x, s, z, k, t, b)'
    graph = graph_of(body, init)
    truncate, dequantize = graph.nodes
    assert truncate.attrs == {"lo": 0, "hi": 14, "rounding": "CEIL"}
    assert graph.constants[truncate.inputs[2]] == 8
    assert dequantize.inputs[1] == "t"


def test_parameters_may_be_computed_from_constants() -> None:
    body = """two = Constant <value_float = 2.0> () t = Mul(s, two)
              y = Q.Quant <signed = 1, narrow = 0> (x, t, z, b)"""
    graph = graph_of(body)
    assert graph.constants[graph.nodes[0].inputs[1]] == 1.0


@pytest.mark.parametrize(
    ("body", "init", "rule"),
    [
        (
            "[n] y = Q.Quant <signed=1, narrow=0> (x, s, k, b)",
            ", float k = {2}",
            "Quant 'n': zero point 'k' must be 0, not 2; use symmetric",
        ),
        ("[n] y = Q.Quant <signed=1, narrow=0> (x, s, x, b)", "", "zero point 'x' must be a const"),
        ("[n] y = Q.Quant <signed=1, narrow=0> (x, x, z, b)", "", "scale 'x' must be a constant"),
        (
            "[n] y = Q.Quant <signed=1, narrow=0> (x, k, z, b)",
            ", float k = {-1}",
            "scale 'k' must be positive",
        ),
        (
            "[n] y = Q.Quant <signed=1, narrow=0> (x, s, z, k)",
            ", float k = {3.5}",
            "bit width 'k' must be a whole number of 1 to 32, not 3.5",
        ),
        (
            "[n] y = Q.Quant <signed=1, narrow=0> (x, s, z, k)",
            ", float[2] k = {3, 4}",
            "bit width 'k' must be one constant",
        ),
        ("[n] y = Q.Quant <narrow=0> (x, s, z, b)", "", "attribute signed is missing"),
        ("[n] y = Q.Quant <signed=1, narrow=0> (x, s)", "", "number of inputs must be 4, not 2"),
        (
            '[n] y = Q.Quant <signed=1, narrow=0, rounding_mode="LEARNED"> (x, s, z, b)',
            "",
            "unknown rounding_mode 'LEARNED'; use ROUND",
        ),
        (
            '[n] y = Q.Quant <signed="1", narrow=0> (x, s, z, b)',
            "",
            "attribute signed must be a number, not '1'; export the model again",
        ),
        ("[n] y = Q.Trunc(x, s, z)", "", "number of inputs must be 5 or 6, not 3"),
        ("[n] y = Q.FloatQuant(x, s)", "", "FloatQuant 'n': unsupported operator of domain 'qonnx"),
        ("[n] y = Q.MultiThreshold(x, x)", "", "thresholds 'x' must be a constant of shape"),
        ("[n] y = Q.MultiThreshold(x, k)", ", float[2] k = {1, 2}", "thresholds 'k' must be a con"),
    ],
)
def test_refused(body: str, init: str, rule: str) -> None:
    with pytest.raises(ModelError, match=rule):
        graph_of(body, init)


THRESHOLDS = ", float[1,3] t = {-1, 0, 1}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_multithreshold(domain: str) -> None:
    body = '[n] y = Q.MultiThreshold <out_dtype = "UINT2"> (x, t)'
    (node,) = graph_of(body, THRESHOLDS, domain).nodes
    assert (node.op, node.name, node.inputs) == ("MultiThreshold", "n", ("x", "t"))
    assert node.attrs == {"data_layout": ""}


def test_multithreshold_with_scale_and_bias() -> None:
    body = """y = Q.MultiThreshold
              <out_dtype = "INT2", out_scale = 2.0, out_bias = -1.0, data_layout = "NHWC"> (x, t)"""
    graph = graph_of(body, THRESHOLDS)
    step, mul, add = graph.nodes
    assert [step.op, mul.op, add.op] == ["MultiThreshold", "Mul", "Add"]
    assert step.attrs == {"data_layout": "NHWC"}
    assert (graph.constants[mul.inputs[1]], graph.constants[add.inputs[1]]) == (2.0, -1.0)
    assert add.outputs == ("y",)


@pytest.mark.parametrize(("attr", "op"), [("out_scale = 0.5", "Mul"), ("out_bias = -8.0", "Add")])
def test_multithreshold_with_one_of_them(attr: str, op: str) -> None:
    body = f'y = Q.MultiThreshold <out_dtype = "INT2", {attr}> (x, t)'
    assert [node.op for node in graph_of(body, THRESHOLDS).nodes] == ["MultiThreshold", op]


@pytest.mark.parametrize(
    ("layout", "rank", "axis"),
    [
        ("", 2, 1),
        ("", 3, 2),
        ("", 4, 1),
        ("", 5, 1),
        ("NCHW", 4, 1),
        ("NHWC", 4, 3),
        ("NC", 2, 1),
        ("NW", 2, 1),
    ],
)
def test_multithreshold_axis(layout: str, rank: int, axis: int) -> None:
    assert multithreshold_axis(layout, rank) == axis


def test_constants_are_arrays() -> None:
    graph = graph_of("y = Q.Quant <signed=1, narrow=0> (x, s, z, b)")
    assert all(isinstance(value, np.ndarray) for value in graph.constants.values())
