"""What convolutional models become: where axes are turned, what is shared, and sizes."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx import helper

from thresher.compiler import ort
from thresher.compiler.graph import Node
from thresher.compiler.importer import import_model
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    Binary,
    GroupedMatMul,
    IntegerGraph,
    Loop,
    MatMul,
    Reduce,
    Reorder,
    Repeat,
    Window,
)
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.streamline import streamline
from thresher.compiler.streamline.context import Context
from thresher.compiler.streamline.geometry import geometry
from zoo import load
from zoo.images import shape_of

CHANNELS_LAST = (0, 2, 3, 1)


def graph_of(name: str) -> IntegerGraph:
    return streamline(import_model(load(name).model)).graph


def nodes(graph: IntegerGraph, kind: type) -> list:
    return [n for n in walk(graph.block) if isinstance(n, kind)]


@pytest.mark.parametrize(
    "name",
    [
        "conv_8bit", "conv_grouped", "conv_separable", "max_pool", "average_pool",
        "global_average_pool", "global_max_pool", "resize", "residual", "residual_input", "unet",
        "channels_last", "conv1d", "conv_transpose_shape", "finn_conv", "finn_conv_channels_last",
        "qonnx_conv_per_channel",
    ],
)  # fmt: skip
def test_nothing_is_moved_in_hardware(name: str) -> None:
    assert nodes(graph_of(name), Reorder) == []


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("conv_grouped", CHANNELS_LAST, CHANNELS_LAST),
        ("conv_symbolic_batch", None, None),  # one channel; logits
        ("channels_last", None, None),
        ("conv1d", (0, 2, 1), (0, 2, 1)),
        ("finn_conv", CHANNELS_LAST, CHANNELS_LAST),
    ],
)
def test_the_host_turns_axes(
    name: str, inputs: tuple[int, ...] | None, outputs: tuple[int, ...] | None
) -> None:
    graph = graph_of(name)
    assert [p.order for p in graph.inputs] == [inputs]
    assert [p.order for p in graph.outputs] == [outputs]
    assert graph.inputs[0].shape == load(name).inputs(np.random.default_rng(0), 1)["x"].shape[1:]


@pytest.mark.parametrize("name", ["conv_lstm", "qonnx_conv_lstm", "conv_rows_lstm"])
def test_recurrences_hold_images_channels_last(name: str) -> None:
    """All that is moved in a loop, or before it, are slices of products."""
    graph = graph_of(name)
    (loop,) = nodes(graph, Loop)
    for node in nodes(graph, Reorder):
        assert isinstance(producer(graph, node.x.name), MatMul)
        assert (np.diff(node.index.reshape(-1)) > 0).all()
    if "rows" not in name:
        assert {s.inner.shape for s in loop.states} == {(1, 4, 5, 3)}
        assert len([n for n in loop.body if isinstance(n, Window)]) == 1  # four gates share it


def producer(graph: IntegerGraph, name: str) -> object:
    return next(n for n in walk(graph.block) if name in {x.name for x in n.outputs})


def test_biases_and_batch_norms_leave_no_sums() -> None:
    assert nodes(graph_of("conv_separable"), Binary) == []
    graph = graph_of("conv_grouped")
    assert nodes(graph, Binary) == []
    assert [n.bias is not None for n in nodes(graph, GroupedMatMul)] == [True, False]


def test_pointwise_convolutions_have_no_window() -> None:
    assert len(nodes(graph_of("conv_separable"), Window)) == 2  # of four
    assert [n.kernel for n in nodes(graph_of("residual"), Window)].count((1, 1)) == 1  # stride 2


def test_pads_before_a_convolution_are_its_own() -> None:
    first, second, third = nodes(graph_of("pad"), Window)
    assert (first.kernel, first.pads) == ((3, 3), (2, 2, 0, 2))
    assert (second.kernel, second.fill) == ((1, 1), 3)
    assert third.pads == (0, 0, 0, 0)


def test_whole_rows_and_columns_are_repeated() -> None:
    (repeat,) = nodes(graph_of("resize"), Repeat)
    assert (repeat.rows, repeat.columns) == (2, 3)
    assert nodes(graph_of("resize_down"), Repeat) == []


def test_maximum_pads_with_the_least_value() -> None:
    windows = nodes(graph_of("max_pool"), Window)
    assert windows[0].fill == windows[0].x.lo == -16
    assert {n.op for n in nodes(graph_of("max_pool"), Reduce)} == {"max"}


def test_the_bias_of_scales_that_are_floats_is_a_threshold() -> None:
    """A float bias off the grid of the products joins the step behind them."""
    graph = graph_of("conv_float_scales")
    assert all(n.bias is None for n in nodes(graph, MatMul))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("ceil", [0, 1])
def test_sizes_are_onnxruntimes(op: str, ceil: int) -> None:
    context = Context(Builder(), {}, {})
    for size, k, s, before, after in product(range(2, 8), (1, 2, 3), (1, 2, 3), (0, 1), (0, 1, 2)):
        if max(before, after) >= k or size + before + after < k:
            continue
        given = {"kernel_shape": [k], "strides": [s], "pads": [before, after], "ceil_mode": ceil}
        expected = shape_of(op, [np.zeros((1, 1, size), np.float32)], given)
        attrs = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
        node = Node(op, "n", ("x",), ("y",), attrs | {"dilations": (1,), "auto_pad": "NOTSET"})
        assert geometry(context, node, (1, 1, size)).out == (1, expected[2]), given


@pytest.mark.parametrize("opset", [11, 19, 22])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("include", [0, 1])
def test_averages_divide_by_what_onnxruntime_divides_by(
    include: int, ceil: int, opset: int
) -> None:
    """Of pixels that are all 1 the average is the share of pixels among what is counted."""
    context = Context(Builder(), {}, {})
    sizes = product((2, 5, 7), (2, 3), (1, 2, 3), (0, 1), (0, 1, 2), (1, 2))
    for size, k, s, before, after, d in sizes:
        if max(before, after) >= k or size + before + after < (k - 1) * d + 1 or d > opset // 10:
            continue
        attrs: dict[str, Any] = {
            "kernel_shape": (k,), "strides": (s,), "pads": (before, after), "ceil_mode": ceil,
            "count_include_pad": include, "dilations": (d,),
        }  # fmt: skip
        node = Node("AveragePool", "n", ("x",), ("y",), attrs | {"auto_pad": "NOTSET"})
        at = geometry(context, node, (1, 1, size))
        if d == 1:
            del attrs["dilations"]  # older opsets have none
        proto = helper.make_node("AveragePool", ["x"], ["y"], name="n", **attrs)
        ones = np.ones((1, 1, size), np.float32)
        session = ort.session(ort.node_model(proto, {"x": ones.dtype}, opset))
        found = session.run(None, {"x": ones})[0].reshape(-1)
        seen = (at.along(1) >= 0).sum(axis=1)
        assert found == pytest.approx(seen / at.counts(bool(include)).reshape(-1)), attrs
