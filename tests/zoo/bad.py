"""Models that the compiler must refuse, each with the words its error should hold."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper

from zoo.builder import Builder, Quantiser
from zoo.recurrent import recurrent

__all__ = ["BAD_FILES", "BAD_MODELS", "not_onnx", "truncated"]

Build = Callable[[], onnx.ModelProto]
Q8 = Quantiser(8, 2.0**-6)


def float_graph() -> onnx.ModelProto:
    """No quantiser anywhere."""
    b = Builder()
    x = b.input("x", [1, 4])
    weight = b.const(np.random.default_rng(0).normal(size=(4, 3)))
    b.output(b.op("Relu", b.op("MatMul", x, weight)), [1, 3], "y")
    return b.model("float_graph")


def unsupported_operator() -> onnx.ModelProto:
    """A Det in the middle of a quantised graph."""
    b = Builder()
    x = b.quant(b.input("x", [1, 4, 4]), Q8)
    b.output(b.quant(b.op("Det", x), Q8), [1], "y")
    return b.model("unsupported_operator")


def unsupported_in_scan() -> onnx.ModelProto:
    """A Det in a Scan body."""
    b = Builder()
    x = b.quant(b.input("x", [3, 4, 4]), Q8)
    body = b.child("body_")
    state, value = body.input("body_s", [1]), body.input("body_x", [4, 4])
    det = body.quant(body.op("Unsqueeze", body.op("Det", value), body.const([0], np.int64)), Q8)
    body.output(body.quant(body.op("Add", state, det), Q8), [1], "body_out")
    names = b.ops("Scan", [b.const([0.0]), x], 1, body=body.graph("body"), num_scan_inputs=1)
    b.output(names[0], [1], "y")
    return b.model("unsupported_in_scan")


def zero_point() -> onnx.ModelProto:
    """A quantiser with zero point 3."""
    b = Builder()
    x = b.input("x", [1, 4])
    scale, zero = b.const(0.125), b.const(3, np.uint8)
    y = b.op("DequantizeLinear", b.op("QuantizeLinear", x, scale, zero), scale, zero)
    weight = b.weight(np.ones((4, 2), int), 0.5, 4)
    b.output(b.quant(b.op("MatMul", y, weight), Q8), [1, 2], "y")
    return b.model("zero_point")


def wide_step(kind: str = "Sin") -> onnx.ModelProto:
    """A non-monotone function between an accumulator of more than 2^23 values and a quantiser."""
    b = Builder()
    x = b.quant(b.input("x", [1, 600]), Q8)
    codes = np.random.default_rng(0).choice([-127, 127], (600, 3))
    y = b.op("MatMul", x, b.weight(codes, 2.0**-10, 8))
    y = b.op("Mul", y, y) if kind == "parabola" else b.op(kind, y)
    b.output(b.quant(y, Q8), [1, 3], "y")
    return b.model(f"wide_{kind.lower()}")


def wide_parabola() -> onnx.ModelProto:
    """x * x of the same wide accumulator."""
    return wide_step("parabola")


def incommensurable_add(domain_dialect: str = "qcdq") -> onnx.ModelProto:
    """Add of two quantised tensors whose scales have no exact dyadic ratio."""
    b = Builder(domain_dialect)
    x = b.input("x", [1, 4])
    left, right = b.quant(x, Quantiser(6, 0.1)), b.quant(x, Quantiser(6, 0.07))
    b.output(b.quant(b.op("Add", left, right), Q8), [1, 4], "y")
    return b.model("incommensurable_add")


def unbounded_state() -> onnx.ModelProto:
    """s = s + x: no interval holds it."""
    b = Builder()
    x = b.quant(b.input("x", [5, 1, 4]), Q8)
    body = b.child("body_")
    state, value = body.input("body_s", [1, 4]), body.input("body_x", [1, 4])
    body.output(body.op("Add", state, value), [1, 4], "body_out")
    body.output(body.quant("body_out", Q8), [1, 4], "body_y")
    start = b.const(np.zeros((1, 4)))
    names = b.ops("Scan", [start, x], 2, body=body.graph("body"), num_scan_inputs=1)
    b.output(names[1], [5, 1, 4], "y")
    return b.model("unbounded_state")


def missing_length() -> onnx.ModelProto:
    """A symbolic sequence axis; wrong only without --seq-len."""
    return recurrent("missing_length", symbolic_seq=True).model


def computed_scale() -> onnx.ModelProto:
    """A quantiser whose scale is a graph input."""
    b = Builder()
    x, scale = b.input("x", [1, 4]), b.input("scale", [])
    zero = b.const(0, np.int8)
    y = b.op("DequantizeLinear", b.op("QuantizeLinear", x, scale, zero), scale, zero)
    b.output(y, [1, 4], "y")
    return b.model("computed_scale")


def unknown_domain() -> onnx.ModelProto:
    """An operator of a domain that nobody knows."""
    b = Builder()
    x = b.quant(b.input("x", [1, 4]), Q8)
    b.output(b.quant(b.op("Sigmoid", x, domain="com.example"), Q8), [1, 4], "y")
    model = b.model("unknown_domain")
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def string_input() -> onnx.ModelProto:
    """A graph input of strings."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "strings",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def not_onnx() -> bytes:
    """The bytes of something that is no ONNX file."""
    return b"\x89PNG\r\n\x1a\n this is a picture, or says that it is" * 8


def truncated() -> bytes:
    """The first two thirds of a good file."""
    whole = recurrent("truncated").model.SerializeToString()
    return whole[: len(whole) * 2 // 3]


def image(
    *nodes: Callable[[Builder, str], str], shape: Sequence[int | str] = (1, 2, 4, 4)
) -> Build:
    """A model of a quantised image and these nodes behind it."""

    def build() -> onnx.ModelProto:
        b = Builder()
        x = b.quant(b.input("x", shape), Q8)
        for node in nodes:
            x = node(b, x)
        sizes = [f"d{k}" for k in range(len(shape))]
        b.outputs.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, sizes))
        return b.model("image")

    return build


def raw_average() -> onnx.ModelProto:
    """An average of floats: codes do not add up to its code."""
    b = Builder()
    x = b.op("AveragePool", b.input("x", [1, 2, 4, 4]), kernel_shape=[2, 2])
    b.output(b.quant(x, Q8), [1, 2, 3, 3], "y")
    return b.model("raw_average")


def uneven_pads() -> onnx.ModelProto:
    """Pads in front of an input quantiser with a scale for each channel."""
    b = Builder()
    pads = b.const([0, 0, 0, 1, 0, 0, 0, 1], np.int64)
    x = b.op("Pad", b.input("x", [1, 2, 4, 4]), pads, b.const(0.4))
    b.output(uneven(b, x), [1, 2, 4, 6], "y")
    return b.model("uneven_pads")


def maximum_of_columns() -> onnx.ModelProto:
    """A maximum in front of a normalisation of each column."""
    b = Builder()
    x = b.op("MaxPool", b.input("x", [1, 2, 4, 4]), kernel_shape=[1, 3], pads=[0, 1, 0, 1])
    x = b.op("Mul", x, b.const(np.arange(1.0, 5)))
    b.output(b.quant(x, Q8), [1, 2, 4, 4], "y")
    return b.model("maximum_of_columns")


def folded_maximum() -> onnx.ModelProto:
    """A maximum in front of a function that rises and falls."""
    b = Builder()
    x = b.op("MaxPool", b.input("x", [1, 2, 4, 4]), kernel_shape=[2, 2])
    b.output(b.quant(b.op("Abs", x), Q8), [1, 2, 3, 3], "y")
    return b.model("folded_maximum")


def pooled_then_scanned() -> onnx.ModelProto:
    """A loop that quantises what was pooled as float outside."""
    b = Builder()
    x = b.op("MaxPool", b.input("x", [1, 3, 1, 4]), kernel_shape=[1, 2])
    x = b.op("Squeeze", x, b.const([0], np.int64))
    body = b.child("body_")
    state, value = body.input("body_s", [1, 3]), body.input("body_x", [1, 3])
    total = body.op("Add", body.quant(state, Q8), body.quant(value, Q8))
    body.output(body.quant(total, Q8), [1, 3], "body_out")
    start = b.const(np.zeros((1, 3)))
    names = b.ops("Scan", [start, x], 1, body=body.graph("body"), num_scan_inputs=1)
    b.output(names[0], [1, 3], "y")
    return b.model("pooled_then_scanned")


def conv(b: Builder, x: str, size: Sequence[int] = (3, 2, 2, 2)) -> str:
    return b.op("Conv", x, b.weight(np.ones(size, int), 0.5, 4))


def float_conv(b: Builder, x: str) -> str:
    return b.op("Conv", x, b.const(np.random.default_rng(0).normal(size=(3, 2, 2, 2))))


def computed_conv(b: Builder, x: str) -> str:
    return b.op("Conv", b.quant(b.op("Relu", x), Q8), x, kernel_shape=[3, 3])


def linear_resize(b: Builder, x: str) -> str:
    return b.op("Resize", x, "", b.const([1, 1, 2, 2]), mode="linear")


def odd_pad(b: Builder, x: str) -> str:
    return b.op("Pad", x, b.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), b.const(0.3))


def border_average(b: Builder, x: str) -> str:
    return b.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def too_many(b: Builder, x: str) -> str:
    """More samples than one."""
    return b.ops("TopK", [x, b.const([2], np.int64)], 2, axis=0)[0]


def unsorted(b: Builder, x: str) -> str:
    return b.ops("TopK", [x, b.const([2], np.int64)], 2, axis=1, sorted=0)[0]


def uneven(b: Builder, x: str) -> str:
    scale, zero = b.const([0.1, 0.07]), b.const([0, 0], np.int8)
    return b.op(
        "DequantizeLinear", b.op("QuantizeLinear", x, scale, zero, axis=1), scale, zero, axis=1
    )


def channel_sum(b: Builder, x: str) -> str:
    return b.op("ReduceSum", x, b.const([1], np.int64))


def wide_average(b: Builder, x: str) -> str:
    """The average of a sigmoid of sums that no quantiser closes."""
    x = b.op("Conv", x, b.weight(np.full((1, 2, 4, 4), 127), 2.0**-9, 8))
    return b.op("GlobalAveragePool", b.op("Sigmoid", x))


# name -> (builder, a regular expression that the error line must match)
BAD_MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "float_graph": (float_graph, r"(?i)quanti[sz]"),
    "unsupported_operator": (unsupported_operator, r"Det"),
    "unsupported_in_scan": (unsupported_in_scan, r"Det"),
    "zero_point": (zero_point, r"(?i)zero.?point.*3"),
    "wide_sin": (wide_step, r"(?i)monoton"),
    "wide_parabola": (wide_parabola, r"(?i)monoton|wide"),
    "incommensurable_add": (incommensurable_add, r"(?i)scale"),
    "unbounded_state": (unbounded_state, r"(?i)bound"),
    "missing_length": (missing_length, r"--seq-len"),
    "computed_scale": (computed_scale, r"(?i)scale"),
    "unknown_domain": (unknown_domain, r"com\.example|Sigmoid"),
    "conv_of_volumes": (
        image(partial(conv, size=(3, 2, 2, 2, 2)), shape=(1, 2, 4, 4, 4)),
        r"Conv .*3 or 4 axes.*; use",
    ),
    "conv_float_weights": (image(float_conv), r"Conv .*float.*; quantise the weights"),
    "conv_computed_weights": (
        image(computed_conv, shape=(1, 1, 3, 3)),
        r"Conv .*weights are computed; use constant",
    ),
    "conv_of_uneven_scales": (image(uneven, conv), r"Conv .*powers of two; share"),
    "conv_behind_padded_average": (
        image(border_average, conv),
        r"Conv .*scale of its input changes from pixel to pixel; put a quantiser",
    ),
    "sum_of_uneven_scales": (image(uneven, channel_sum), r"ReduceSum .*different scales; quantise"),
    "average_of_floats": (image(wide_average), r"GlobalAveragePool .*quantiser"),
    "linear_resize": (image(linear_resize), r"Resize .*'linear'.*; use mode nearest"),
    "pad_of_no_code": (image(odd_pad), r"Pad .*0\.3.*no code.*; pad with 0"),
    "top_k_of_too_few": (
        image(too_many, shape=("N", 2, 4, 4)),
        r"TopK .*k = 2 is not in 1\.\.1.*; check",
    ),
    "top_k_unsorted": (image(unsorted), r"TopK .*order .* undefined; set sorted"),
    "raw_average": (raw_average, r"AveragePool .*input 'x' reaches it as float.*; insert"),
    "uneven_pads": (uneven_pads, r"code of the pads, 0\.4.*; quantise in front"),
    "maximum_of_columns": (maximum_of_columns, r"'x' is pooled.*elements that meet; quantise"),
    "folded_maximum": (folded_maximum, r"(?i)monotone.*; quantise"),
    "pooled_then_scanned": (pooled_then_scanned, r"Scan .*'x' is pooled.*; quantise it outside"),
    "string_input": (string_input, r"(?i)string|type"),
}
BAD_FILES: dict[str, Callable[[], bytes]] = {
    "not_onnx": not_onnx,
    "truncated": truncated,
    "empty": bytes,
}
