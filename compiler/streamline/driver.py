"""The walk over a model: each node once, in order, each tensor seen as a function of integers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.errors import ModelError
from thresher.compiler.expr import ELEMENTWISE, Leaf
from thresher.compiler.graph import Graph, GraphInput, Node
from thresher.compiler.importer import multithreshold_axis
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort, Tensor
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.streamline.closing import Closing
from thresher.compiler.streamline.context import Context, scaled
from thresher.compiler.streamline.elementwise import elementwise, quantize
from thresher.compiler.streamline.greatest import greatest
from thresher.compiler.streamline.images import IMAGES
from thresher.compiler.streamline.layout import LAYOUTS, concat, layout_of, move, split
from thresher.compiler.streamline.matmul import matmul
from thresher.compiler.streamline.scan import scan
from thresher.compiler.streamline.symbols import fix_shapes
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Deferred,
    Lazy,
    Raw,
    Unknown,
    Value,
    shape_of,
    to_const,
)

__all__ = ["SUPPORTED", "Streamlined", "streamline"]

_CODES = {"Quantize", "Trunc", "Sign"}
_WIDEST_INPUT = 1 << 31

SUPPORTED: frozenset[str] = ELEMENTWISE | _CODES | LAYOUTS.keys() | IMAGES.keys() | {
    "ArgMax", "Cast", "Concat", "ConstantOfShape", "Dequantize", "MatMul", "MultiThreshold",
    "Scan", "Shape", "Split", "TopK",
}  # fmt: skip
"""Operators of `thresher.compiler.graph` that can be brought to hardware."""


@dataclass(frozen=True)
class Streamlined:
    """A model on integers.

    :param graph: the integer graph, optimised.
    :param source: the same before optimisation: one step for each quantiser of the model.
    :param closings: how the quantisers became the steps of `source`, in order.
    :param dims: the number that stands for each symbolic dimension of the model.
    """

    graph: IntegerGraph
    source: IntegerGraph
    closings: tuple[Closing, ...]
    dims: Mapping[str, int]


def streamline(graph: Graph, *, seq_len: int | None = None) -> Streamlined:
    """Bring a model to integers.

    :param seq_len: length of the symbolic sequence axis, None where the model has none.
    :raises ModelError: where the model cannot be brought to integers; names node, rule and remedy.
    """
    graph, dims = fix_shapes(graph, seq_len)
    context = Context(Builder(), {i.name: i for i in graph.inputs}, {})
    for port in graph.inputs:
        context.env[port.name] = _input(context, port)
    _walk(context, graph)
    dtypes = graph.output_dtypes or ("",) * len(graph.outputs)
    outputs = tuple(
        _output(context, name, dtype or "float32")
        for name, dtype in zip(graph.outputs, dtypes, strict=True)
    )
    raw = IntegerGraph(
        graph.name, tuple(context.ports.values()), Block(context.builder.nodes), outputs
    )
    check(raw)
    final = optimise(raw)
    check(final)
    if not final.inputs:
        raise ModelError(
            graph.name, "Graph", "no output depends on any input", "check the model's outputs"
        )
    return Streamlined(final, raw, tuple(context.closings), dims)


def _input(context: Context, port: GraphInput) -> Value:
    shape = tuple(int(d) for d in port.shape)
    if any(d < 1 for d in shape):
        raise ModelError(port.name, "input", f"its shape {shape} is empty", "fix its shape")
    if port.integer is None:
        if not port.dtype.startswith("float"):
            raise ModelError(
                port.name, "input", f"element type {port.dtype} is not supported", "use float32"
            )
        return Lazy(Raw(port.name, np.arange(int(np.prod(shape))).reshape(shape)))
    lo, hi = port.integer
    if hi - lo >= 2 * _WIDEST_INPUT:
        raise ModelError(
            port.name, "input", f"{port.dtype} is too wide for hardware", "use int32 or narrower"
        )
    tensor = context.builder.input(shape, lo, hi, name=port.name)
    context.ports[(port.name,)] = InputPort(tensor, port.name, port.dtype, None)
    return Lazy(tensor)


def _output(context: Context, name: str, dtype: str) -> OutputPort:
    value = context.lookup(name)
    if isinstance(value, Lazy) and isinstance(value.tensor, Raw | Deferred):
        try:
            value = scaled(*_pair(context, value))
        except ModelError as e:
            raise ModelError(
                name,
                "output",
                "the model has no quantiser on the way from its input to this output",
                "quantise the model (QuantIdentity at the input, quantised layers after it)",
            ) from e
    if not isinstance(value, Lazy) or not isinstance(value.tensor, Tensor):
        raise ModelError(name, "output", "it does not depend on any input", "drop the output")
    absorbed = context.absorbed(value)
    assert isinstance(absorbed.tensor, Tensor)
    integer = isinstance(absorbed.expr, Leaf)
    return OutputPort(name, absorbed.tensor, dtype, None if integer else absorbed.expr)


def _pair(context: Context, value: Lazy) -> tuple[Tensor | Codes, np.ndarray]:
    found = context.integers(value)
    return found.tensor, found.scale


def _walk(context: Context, graph: Graph) -> None:
    for name, array in graph.constants.items():
        context.env[name] = Const(array)
    for node in graph.nodes:
        with context.at(node):
            values = _node(context, node)
        context.env.update((n, v) for n, v in zip(node.outputs, values, strict=False) if n)


def _node(context: Context, node: Node) -> list[Value]:
    if node.op == "Scan":
        return scan(context, node, _walk)
    operands = [context.lookup(n) if n else None for n in node.inputs]
    if node.op in LAYOUTS:
        assert operands[0] is not None
        return [move(context, operands[0], layout_of(context, node, operands))]
    if node.op in IMAGES:
        return [IMAGES[node.op](context, node, operands)]
    if node.op == "Split":
        return split(context, node, operands)
    if node.op in ("ArgMax", "TopK"):
        return greatest(context, node, operands)
    if node.op == "Clip":
        operands = _clip_bounds(operands)
    present = [v for v in operands if v is not None]
    return [_computed(context, node, present)]


def _computed(context: Context, node: Node, operands: list[Value]) -> Value:
    op = node.op
    if op == "MatMul":
        return matmul(context, node, *operands)
    if op == "Concat":
        return concat(context, node, operands)
    if op == "Dequantize":
        return _dequantize(context, operands)
    if op in _CODES:
        return quantize(context, op, operands, dict(node.attrs))
    if op == "MultiThreshold":
        return quantize(context, op, _threshold_operands(context, node, operands), {})
    if op == "Cast":
        return _cast(context, node, operands[0])
    if op == "Shape":
        start, end = node.attrs.get("start", 0), node.attrs.get("end")
        assert isinstance(start, int)
        assert end is None or isinstance(end, int)
        return Const(np.array(shape_of(operands[0])[start:end], np.int64))
    if op == "ConstantOfShape":
        shape = to_const(operands[0])
        if shape is None:
            raise context.error("its shape must be constant", "export with static shapes")
        fill = np.asarray(node.attrs.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
        return Const(np.full(tuple(int(d) for d in shape.array), fill))
    if op in ELEMENTWISE:
        return elementwise(context, op, operands, dict(node.attrs))
    raise context.error(
        "operator is not supported in hardware yet",
        f"supported are {', '.join(sorted(SUPPORTED))}",
    )


def _dequantize(context: Context, operands: list[Value]) -> Value:
    codes = operands[0]
    if isinstance(codes, Const):
        codes = Lazy(Codes(np.rint(codes.array).astype(np.int64)))
    return elementwise(context, "Mul", [codes, operands[1]], {})


def _threshold_operands(context: Context, node: Node, operands: list[Value]) -> list[Value]:
    """The thresholds one by one, each with its channels on the channel axis."""
    rank = len(shape_of(operands[0]))
    found = to_const(operands[1])
    if found is None:
        raise context.error("its thresholds must be constant", "store them as an initializer")
    table = np.asarray(found.array, np.float32)
    axis = multithreshold_axis(str(node.attrs.get("data_layout", "")), rank)
    shape = [1] * rank
    if table.shape[0] > 1:
        shape[axis] = table.shape[0]
    return [operands[0], *(Const(t.reshape(shape)) for t in table.T)]


def _clip_bounds(operands: list[Value | None]) -> list[Value | None]:
    """Clip with both bounds present."""
    low, high = (operands[k] if len(operands) > k else None for k in (1, 2))
    return [
        operands[0],
        low or Const(np.array(-np.inf, np.float32)),
        high or Const(np.array(np.inf, np.float32)),
    ]


def _cast(context: Context, node: Node, value: Value) -> Value:
    to = np.dtype(str(node.attrs["to"]))
    if isinstance(value, Const):
        return Const(value.array.astype(to))
    if to.kind == "f" or isinstance(value, Unknown):
        return value
    integers = context.integers(value)
    if not np.all(integers.scale == 1.0):
        raise context.error(
            f"a cast of fractions to {to.name} is not supported", "quantise with a Round in front"
        )
    info = np.iinfo(to) if to.kind in "iu" else None
    tensor = integers.tensor
    if isinstance(tensor, Tensor) and not (
        info is not None and info.min <= tensor.lo and tensor.hi <= info.max
    ):
        raise context.error(
            f"values in [{tensor.lo}, {tensor.hi}] do not fit {to.name}", "cast to a wider type"
        )
    return Lazy(tensor)
