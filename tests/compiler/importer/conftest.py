"""Runs a Graph by the words of `thresher.compiler.graph`, to hold the importer to them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from onnx import helper

from thresher.compiler import ort
from thresher.compiler.graph import Graph, Node
from thresher.compiler.importer import ELEMENTWISE, ROUNDING, multithreshold_axis, onnx_name

Arrays = dict[str, np.ndarray]
RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], Arrays]

NEWEST = 24  # an opset in which every operator of the vocabulary exists


@pytest.fixture
def run_graph() -> RunGraph:
    """`run_graph(graph, inputs)`: the outputs by name, for one sample."""
    return lambda graph, inputs: dict(
        zip(graph.outputs, execute(graph, dict(inputs), list(inputs.values())), strict=True)
    )


def execute(graph: Graph, outer: Arrays, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs of a graph whose inputs have these values, inside a scope of these tensors."""
    values: dict[str, Any] = {"": None, **outer, **graph.constants}
    values.update(zip((item.name for item in graph.inputs), inputs, strict=True))
    for node in graph.nodes:
        results = run_node(node, values)
        values.update(zip(node.outputs, results, strict=True))
    return [np.asarray(values[name]) for name in graph.outputs]


def run_node(node: Node, values: Mapping[str, np.ndarray | None]) -> list[np.ndarray]:
    """Outputs of one node."""
    inputs = [values[name] for name in node.inputs]
    if node.op == "Scan":
        return scan(node, {k: v for k, v in values.items() if v is not None}, inputs)
    if node.op in OWN:
        return [np.asarray(OWN[node.op](node.attrs, *inputs), np.float32)]
    if node.op == "Clip":
        x, lo, hi = inputs
        assert x is not None
        x = x if lo is None else np.maximum(x, lo)
        return [x if hi is None else np.minimum(x, hi)]
    if node.op == "Cast":
        assert inputs[0] is not None
        return [inputs[0].astype(str(node.attrs["to"]))]
    return onnx_node(node, inputs)


def onnx_node(node: Node, inputs: list[np.ndarray | None]) -> list[np.ndarray]:
    """An operator that is ONNX's, with attributes of its newest form."""
    attrs: dict[str, Any] = {k: v for k, v in node.attrs.items() if v is not None}
    if isinstance(value := attrs.get("value"), np.ndarray):
        attrs["value"] = helper.make_tensor(
            "value", helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value.reshape(-1)
        )
    op = onnx_name(node.op) if node.op in ELEMENTWISE else node.op
    names = [name and f"x{i}" for i, name in enumerate(node.inputs)]
    while not names[-1]:
        names.pop()
    proto = helper.make_node(op, names, node.outputs, **attrs)
    feed = {k: v for k, v in zip(names, inputs, strict=False) if v is not None}
    model = ort.node_model(proto, {k: v.dtype for k, v in feed.items()}, NEWEST)
    results = iter(ort.session(model).run(None, feed))
    return [next(results) if name else np.empty(0) for name in node.outputs]


def scan(node: Node, outer: Arrays, inputs: list[Any]) -> list[np.ndarray]:
    """ONNX's Scan on a Graph body."""
    attrs: Mapping[str, Any] = node.attrs
    body: Graph = attrs["body"]
    count = len(inputs) - attrs["num_scan_inputs"]
    states = list(inputs[:count])
    sequences = [
        np.moveaxis(x, axis, 0)[::-1] if back else np.moveaxis(x, axis, 0)
        for x, axis, back in zip(
            inputs[count:],
            attrs["scan_input_axes"],
            attrs["scan_input_directions"],
            strict=True,
        )
    ]
    steps = []
    for slices in zip(*sequences, strict=True):
        results = execute(body, outer, [*states, *map(np.asarray, slices)])
        states = list(results[:count])
        steps.append(results[count:])
    outputs = [
        np.moveaxis(np.stack(values[::-1] if back else values), 0, axis)
        for values, axis, back in zip(
            zip(*steps, strict=True),
            attrs["scan_output_axes"],
            attrs["scan_output_directions"],
            strict=True,
        )
    ]
    return [*states, *outputs]


def quantize(attrs: Mapping[str, Any], x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """clip(round(x / scale)), in the order of `clip_first`."""
    lo, hi = np.float32(attrs["lo"]), np.float32(attrs["hi"])
    rounder = ROUNDING[str(attrs["rounding"])]
    codes = x / scale
    if attrs["clip_first"]:
        return rounder(np.clip(codes, lo, hi))
    return np.clip(rounder(codes), lo, hi)


def truncate(
    attrs: Mapping[str, Any], x: np.ndarray, scale: np.ndarray, divisor: np.ndarray
) -> np.ndarray:
    """round(round(x / scale) / divisor), clipped."""
    codes = ROUNDING[str(attrs["rounding"])](np.round(x / scale) / divisor)
    lo, hi = attrs["lo"], attrs["hi"]
    return codes if lo is None or hi is None else np.clip(codes, lo, hi)


def count_thresholds(attrs: Mapping[str, Any], x: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """#{k : thresholds[c, k] <= x}."""
    axis = multithreshold_axis(str(attrs["data_layout"]), x.ndim)
    counts = (np.moveaxis(x, axis, -1)[..., None] >= thresholds).sum(-1)
    return np.moveaxis(counts, -1, axis)


OWN: dict[str, Callable[..., np.ndarray]] = {
    "Quantize": quantize,
    "Dequantize": lambda attrs, codes, scale: np.float32(codes) * scale,
    "MultiThreshold": count_thresholds,
    "Trunc": truncate,
    "Sign": lambda attrs, x: np.where(x >= 0, 1, -1),
}
