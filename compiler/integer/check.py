"""Legality of an integer graph: what every pass may rely on and must keep.

1. Names of tensors and loops are unique, loop bodies included; a node uses only what stands before
   it in its own block (a body sees the outside through its scan inputs and initial states alone).
2. Shapes follow from the operands; constants are int64; shifts are as `Binary` says.
3. Intervals hold at least what the rules in `intervals` derive, and fit 62 bits.
4. A loop's scan inputs and outputs have a leading axis of its steps; a state's interval holds its
   initial value and its update.
5. Ports name tensors of the outermost block; ports of one source agree on its type and shape.
"""

from collections.abc import Callable, Mapping

import numpy as np

from thresher.compiler.integer import intervals
from thresher.compiler.integer.intervals import ACCUMULATOR_BITS, AccumulatorOverflow, Bounds
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
from thresher.compiler.integer.windows import columns_of, rows_of

__all__ = ["IllegalGraphError", "check"]


class IllegalGraphError(RuntimeError):
    """A defect of the compiler, not of the model: an integer graph that breaks its own rules."""


_Known = dict[str, tuple[Tensor, Bounds]]


def check(graph: IntegerGraph) -> None:
    """Raise IllegalGraphError, which names the node and the rule, unless `graph` is legal."""
    _Checker().graph(graph)


class _Checker:
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.where = "graph"

    def need(self, holds: object, rule: str) -> None:
        if not holds:
            raise IllegalGraphError(f"{self.where}: {rule}")

    def graph(self, graph: IntegerGraph) -> None:
        known: _Known = {}
        sources: dict[str, tuple[object, ...]] = {}
        for port in graph.inputs:
            self.where = f"input {port.source!r}"
            self.define(port.tensor, intervals.of_tensor(port.tensor), known)
            self.order(port)
            told = (port.dtype, port.shape)
            self.need(sources.setdefault(port.source, told) == told, "ports of one source differ")
        self.block(graph.block, known)
        seen: set[str] = set()
        for out in graph.outputs:
            self.where = f"output {out.name!r}"
            self.need(out.name not in seen, "output names must be unique")
            seen.add(out.name)
            self.order(out)
            self.use(out.tensor, known)

    def order(self, port: InputPort | OutputPort) -> None:
        axes = list(range(len(port.tensor.shape)))
        self.need(port.order is None or sorted(port.order) == axes, f"order {port.order}")

    def block(self, block: Block, known: _Known) -> None:
        for node in block:
            outs = node.outputs
            name = node.name if isinstance(node, Loop) else outs[0].name
            self.where = f"{type(node).__name__} {name!r}"
            for x in node.inputs:
                self.use(x, known)
            if isinstance(node, Loop):
                self.loop(node, known)
                continue
            try:
                shapes, bounds = _RULES[type(node)](self, node, known)
            except AccumulatorOverflow as e:
                raise IllegalGraphError(f"{self.where}: accumulator of {e}") from e
            for out, shape, b in zip(outs, shapes, bounds, strict=True):
                self.need(out.shape == shape, f"shape must be {shape}, not {out.shape}")
                self.define(out, b, known)

    def use(self, x: Tensor, known: _Known) -> None:
        self.need(x.name in known, f"{x.name!r} is not defined before its use")
        self.need(known[x.name][0] == x, f"{x.name!r} is used with another shape or interval")

    def define(self, x: Tensor, bounds: Bounds, known: _Known) -> None:
        self.need(x.name not in self.names, f"name {x.name!r} is taken")
        self.names.add(x.name)
        self.need(all(type(d) is int and d > 0 for d in x.shape), f"shape {x.shape} of {x.name!r}")
        half = 1 << (ACCUMULATOR_BITS - 1)
        self.need(type(x.lo) is int and type(x.hi) is int, f"interval of {x.name!r} must be ints")
        self.need(-half <= x.lo <= x.hi < half, f"interval [{x.lo}, {x.hi}] of {x.name!r}")
        self.within(x, bounds)
        known[x.name] = (x, bounds)

    def within(self, x: Tensor, bounds: Bounds) -> None:
        self.need(
            x.lo <= bounds.lo and bounds.hi <= x.hi,
            f"interval [{x.lo}, {x.hi}] of {x.name!r} must hold [{bounds.lo}, {bounds.hi}]",
        )

    def constant(self, array: np.ndarray, what: str) -> None:
        self.need(
            isinstance(array, np.ndarray) and array.dtype == np.int64, f"{what} must be int64"
        )

    def loop(self, node: Loop, known: _Known) -> None:
        self.need(node.steps >= 1, f"steps must be at least 1, not {node.steps}")
        self.need(node.name not in self.names, f"name {node.name!r} is taken")
        self.names.add(node.name)
        inside: _Known = {}
        for scan in node.scans:
            shape = (node.steps, *scan.inner.shape)
            self.need(scan.outer.shape == shape, f"{scan.outer.name!r} must be {shape}")
            self.define(scan.inner, intervals.unstacked(known[scan.outer.name][1]), inside)
        for state in node.states:
            start = state.initial
            if isinstance(start, np.ndarray):
                self.constant(start, f"initial of {state.inner.name!r}")
                first = intervals.of_constant(start)
            else:
                first = known[start.name][1]
            self.need(start.shape == state.inner.shape, f"initial of {state.inner.name!r}")
            self.within(state.inner, first)
            self.define(state.inner, intervals.of_tensor(state.inner), inside)
        self.block(node.body, inside)
        self.where = f"Loop {node.name!r}"
        for state in node.states:
            self.use(state.update, inside)
            self.need(state.update.shape == state.inner.shape, f"shape of {state.inner.name!r}")
            bounds = inside[state.update.name][1]
            self.within(state.inner, bounds)
            if state.final is not None:
                self.need(state.final.shape == state.update.shape, f"of {state.final.name!r}")
                self.define(state.final, bounds, known)
        for out in node.scan_outputs:
            self.use(out.inner, inside)
            shape = (node.steps, *out.inner.shape)
            self.need(out.outer.shape == shape, f"{out.outer.name!r} must be {shape}")
            self.define(out.outer, intervals.stacked(inside[out.inner.name][1]), known)


_Shapes = list[tuple[int, ...]]


def _matmul(c: _Checker, node: MatMul, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    c.constant(node.weights, "weights")
    k, n = node.weights.shape
    c.need(node.x.shape and node.x.shape[-1] == k, f"x must be (..., {k}), not {node.x.shape}")
    if node.bias is not None:
        c.constant(node.bias, "bias")
        c.need(node.bias.shape == (n,), f"bias must be ({n},), not {node.bias.shape}")
    bounds = intervals.of_matmul(known[node.x.name][1], node.weights, node.bias)
    return [(*node.x.shape[:-1], n)], [bounds]


def _binary(c: _Checker, node: Binary, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    c.need(node.inputs, "one operand must be a tensor")
    c.need(node.op in ("add", "sub", "mul"), f"op {node.op!r}")
    sides: list[Bounds] = []
    for x, shift in ((node.x, node.shift_x), (node.y, node.shift_y)):
        c.need(shift >= 0 and (node.op != "mul" or not shift), f"shift {shift} of {node.op}")
        if isinstance(x, Tensor):
            c.need(x.shape == node.out.shape, f"{x.name!r} must be {node.out.shape}")
            sides.append(known[x.name][1])
            continue
        c.constant(x, "operand")
        c.need(not shift, "shift of a constant must be 0")
        fits = x.ndim == len(node.out.shape) and all(
            a in (1, b) for a, b in zip(x.shape, node.out.shape, strict=True)
        )
        c.need(fits, f"constant {x.shape} must broadcast to {node.out.shape}")
        sides.append(intervals.of_constant(x))
    same = len(node.inputs) == 2 and node.x == node.y
    bounds = intervals.of_binary(node.op, sides[0], sides[1], node.shift_x, node.shift_y, same)
    return [node.out.shape], [bounds]


def _step(c: _Checker, node: Step, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    x, f, channel = node.x, node.function, node.channel
    c.need(f.lo <= x.lo <= x.hi <= f.hi, f"function on [{f.lo}, {f.hi}] must cover x")
    if channel is None:
        c.need(f.channels == 1, f"{f.channels} channels need their places")
    else:
        c.constant(channel, "channel")
        fits = channel.ndim == len(x.shape) and all(
            a in (1, b) for a, b in zip(channel.shape, x.shape, strict=True)
        )
        c.need(fits, f"channel {channel.shape} must broadcast to {x.shape}")
        c.need(0 <= channel.min() <= channel.max() < f.channels, "channel out of range")
    return [x.shape], [intervals.of_step(known[x.name][1], f, channel)]


def _reshape(c: _Checker, node: Reshape, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    x, out = node.x, node.out
    c.need(x.size == out.size, f"{x.shape} and {out.shape} must have one size")
    return [out.shape], [intervals.of_reshape(known[x.name][1], x.shape, out.shape)]


def _reorder(c: _Checker, node: Reorder, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    c.constant(node.index, "index")
    c.need(0 <= node.index.min() <= node.index.max() < node.x.size, "index out of range")
    bounds = intervals.of_reorder(known[node.x.name][1], node.x.shape, node.index)
    return [node.index.shape], [bounds]


def _concat(c: _Checker, node: Concat, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    shapes = [x.shape for x in node.xs]
    c.need(shapes and 0 <= node.axis < len(shapes[0]), f"axis {node.axis}")
    rests = {(*s[: node.axis], *s[node.axis + 1 :]) for s in shapes}
    c.need(len(rests) == 1, f"shapes {shapes} must agree but for axis {node.axis}")
    total = sum(s[node.axis] for s in shapes)
    shape = (*shapes[0][: node.axis], total, *shapes[0][node.axis + 1 :])
    bounds = intervals.of_concat([known[x.name][1] for x in node.xs], shapes, node.axis)
    return [shape], [bounds]


def _argmax(c: _Checker, node: ArgMax, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    c.need(node.x.shape, "x must have an axis")
    size, k = node.x.shape[-1], node.out.shape[-1]
    c.need(1 <= k <= (1 if node.last else size), f"{k} elements of {size}, last {node.last}")
    shape = (*node.x.shape[:-1], k)
    index, value = intervals.of_argmax(known[node.x.name][1], size, k)
    return ([shape], [index]) if node.value is None else ([shape, shape], [index, value])


def _window(c: _Checker, node: Window, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    x, pairs = node.x, (node.kernel, node.strides, node.dilations, node.upsample)
    c.need(len(x.shape) >= 3, f"x must be (..., H, W, C), not {x.shape}")
    c.need(all(min(p) >= 1 and len(p) == 2 for p in pairs), f"sizes {pairs} must be positive")
    c.need(len(node.pads) == 4 and min(node.pads) >= 0, f"pads {node.pads}")
    c.need(node.groups >= 1 and not x.shape[-1] % node.groups, f"groups {node.groups}")
    rows, columns = rows_of(node), columns_of(node)
    c.need(len(rows) and len(columns), f"kernel {node.kernel} must fit {x.shape}")
    bounds = intervals.of_window(known[x.name][1], x.shape, rows, columns, node.groups, node.fill)
    size = rows.shape[1] * columns.shape[1] * x.shape[-1]
    return [(*x.shape[:-3], len(rows), len(columns), size)], [bounds]


def _grouped(c: _Checker, node: GroupedMatMul, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    x = node.x
    c.constant(node.weights, "weights")
    groups, inner, width = node.weights.shape
    c.need(x.shape[-1:] == (groups * inner,), f"x must be (..., {groups * inner}), not {x.shape}")
    if node.bias is not None:
        c.constant(node.bias, "bias")
        c.need(node.bias.shape == (groups * width,), f"bias {node.bias.shape}")
    bounds = intervals.of_grouped_matmul(known[x.name][1], x.shape, node.weights, node.bias)
    return [(*x.shape[:-1], groups * width)], [bounds]


def _reduce(c: _Checker, node: Reduce, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    x = node.x
    c.need(node.op in ("max", "sum") and len(x.shape) >= 2, f"{node.op} of {x.shape}")
    return [(*x.shape[:-2], x.shape[-1])], [intervals.of_reduce(node.op, known[x.name][1], x.shape)]


def _repeat(c: _Checker, node: Repeat, known: _Known) -> tuple[_Shapes, list[Bounds]]:
    c.need(len(node.x.shape) >= 3, f"x must be (..., H, W, C), not {node.x.shape}")
    c.need(min(node.rows, node.columns) >= 1, f"{node.rows} x {node.columns} times")
    *lead, height, width, channels = node.x.shape
    bounds = intervals.of_repeat(known[node.x.name][1], node.rows, node.columns)
    return [(*lead, height * node.rows, width * node.columns, channels)], [bounds]


_RULES: Mapping[type[Node], Callable[..., tuple[_Shapes, list[Bounds]]]] = {
    MatMul: _matmul,
    Binary: _binary,
    Step: _step,
    Reshape: _reshape,
    Reorder: _reorder,
    Concat: _concat,
    ArgMax: _argmax,
    Window: _window,
    GroupedMatMul: _grouped,
    Reduce: _reduce,
    Repeat: _repeat,
}
