"""An integer graph as text for people: one line a node, loop bodies indented."""

from collections.abc import Iterator

import numpy as np

from thresher.compiler.expr import Constant, Expr, Leaf
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Block,
    Concat,
    GroupedMatMul,
    InputPort,
    IntegerGraph,
    Loop,
    MatMul,
    Node,
    OutputPort,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    Step,
    Tensor,
    Window,
)

__all__ = ["expression", "to_text"]

_INDENT = "    "
_SIGNS = {"add": "+", "sub": "-", "mul": "*"}


def to_text(graph: IntegerGraph) -> str:
    """The listing: inputs with their quantisers, nodes, outputs with their dequantisers."""
    lines = [f"graph {graph.name}"]
    lines += [_INDENT + _input(p) for p in graph.inputs]
    lines += [_INDENT + line for line in _block(graph.block)]
    lines += [_INDENT + _output(o) for o in graph.outputs]
    return "\n".join(lines) + "\n"


def expression(expr: Expr, leaf: str) -> str:
    """A float expression in one line, its leaf written as `leaf`."""
    if isinstance(expr, Leaf):
        return leaf
    if isinstance(expr, Constant):
        return _constant(expr.array)
    args = [expression(a, leaf) for a in expr.args]
    attrs = [f"{k}={v}" for k, v in sorted(expr.attrs.items())]
    return f"{expr.op}({', '.join(args + attrs)})"


def _typed(x: Tensor) -> str:
    if x.lo < 0:
        bits, kind = max((-x.lo - 1).bit_length(), x.hi.bit_length()) + 1, "int"
    else:
        bits, kind = max(x.hi.bit_length(), 1), "uint"
    shape = ",".join(map(str, x.shape))
    return f"%{x.name}: {kind}{bits}[{shape}] in [{x.lo}, {x.hi}]"


def _constant(array: np.ndarray) -> str:
    if array.size == 1:
        return f"{array.item():g}"
    shape = ",".join(map(str, array.shape))
    return f"const[{shape}] in [{array.min():g}, {array.max():g}]"


def _input(port: InputPort) -> str:
    source = f"{port.source!r} {port.dtype}"
    how = "as it is" if port.quantise is None else expression(port.quantise, "x")
    refuse = ", x refused where no code stands for it" if port.exact else ""
    return f"input {_typed(port.tensor)} = {how} of x = {source}{refuse}{_order(port)}"


def _output(port: OutputPort) -> str:
    leaf = f"%{port.tensor.name}"
    how = leaf if port.dequantise is None else expression(port.dequantise, leaf)
    return f"output {port.name!r} {port.dtype} = {how}{_order(port)}"


def _order(port: InputPort | OutputPort) -> str:
    return "" if port.order is None else f", its axes as {', '.join(map(str, port.order))}"


def _block(block: Block) -> Iterator[str]:
    for node in block:
        if isinstance(node, Loop):
            yield from _loop(node)
        else:
            outs = ", ".join(_typed(x) for x in node.outputs)
            yield f"{outs} = {_node(node)}"


def _loop(node: Loop) -> Iterator[str]:
    yield f"loop {node.name}, {node.steps} steps:"
    for scan in node.scans:
        yield f"{_INDENT}scan {_typed(scan.inner)} = %{scan.outer.name}[t]"
    for state in node.states:
        start = state.initial
        first = f"%{start.name}" if isinstance(start, Tensor) else _constant(start)
        yield f"{_INDENT}state {_typed(state.inner)} = {first}, then %{state.update.name}"
    for line in _block(node.body):
        yield _INDENT + line
    for state in node.states:
        if state.final is not None:
            yield f"{_INDENT}final {_typed(state.final)} = %{state.update.name}"
    for out in node.scan_outputs:
        yield f"{_INDENT}stack {_typed(out.outer)}[t] = %{out.inner.name}"


def _node(node: Node) -> str:
    match node:
        case MatMul(x, weights, bias):
            k, n = weights.shape
            held = "" if bias is None else ", bias"
            held += f", weights in [{weights.min()}, {weights.max()}]"
            return f"matmul(%{x.name}; {k} x {n}{held})"
        case Binary(op, x, y, shift_x, shift_y):
            return f"{_operand(x, shift_x)} {_SIGNS[op]} {_operand(y, shift_y)}"
        case Step(x, function, channel):
            over = "per tensor" if channel is None else f"{function.channels} channels"
            return f"step(%{x.name}; {function.thresholds.shape[1]} thresholds, {over})"
        case Reshape(x):
            return f"reshape(%{x.name})"
        case Reorder(x, index):
            return f"reorder(%{x.name}; {_index(index)})"
        case Concat(xs, axis):
            return f"concat({', '.join('%' + x.name for x in xs)}; axis {axis})"
        case ArgMax(x, last, out):
            count = f"{out.shape[-1]} greatest, " if out.shape[-1] > 1 else ""
            return f"argmax(%{x.name}; {count}{'last' if last else 'first'} of equals)"
        case Window():
            return _window(node)
        case GroupedMatMul(x, weights, bias):
            g, k, n = weights.shape
            held = "" if bias is None else ", bias"
            held += f", weights in [{weights.min()}, {weights.max()}]"
            return f"matmul(%{x.name}; {g} groups of {k} x {n}{held})"
        case Reduce(op, x):
            return f"{op}(%{x.name}; over {x.shape[-2]})"
        case Repeat(x, rows, columns):
            return f"repeat(%{x.name}; rows {rows}, columns {columns})"
    raise TypeError(f"node must be one of the integer graph's, not {type(node).__name__}")


def _window(node: Window) -> str:
    told = [f"{node.kernel[0]} x {node.kernel[1]}"]
    pairs = (("stride", node.strides), ("dilation", node.dilations), ("upsample", node.upsample))
    told += [f"{what} {a}, {b}" for what, (a, b) in pairs if (a, b) != (1, 1)]
    if any(node.pads):
        told.append(f"pads {', '.join(map(str, node.pads))}")
    if any(node.pads) or node.upsample != (1, 1):
        told.append(f"fill {node.fill}")
    if node.groups > 1:
        told.append(f"{node.groups} groups")
    return f"window(%{node.x.name}; {'; '.join(told)})"


def _operand(x: Tensor | np.ndarray, shift: int) -> str:
    if not isinstance(x, Tensor):
        return _constant(x)
    return f"(%{x.name} << {shift})" if shift else f"%{x.name}"


def _index(index: np.ndarray) -> str:
    flat = index.reshape(-1)
    if len(flat) > 1 and (np.diff(flat) == 1).all():
        return f"{flat[0]}..{flat[-1]}"
    shown = ", ".join(map(str, flat[:4]))
    return f"{shown}, ..." if len(flat) > 4 else shown
