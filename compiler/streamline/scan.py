"""Scan: from a body of floats to a `Loop` of integers.

1. The scales of the states are found, then their intervals (`states`).
2. The body is walked once more, and its integer nodes are kept as the body of a `Loop`.
3. In a body that is itself walked before its states are known, nothing but shapes comes out.
"""

import numpy as np

from thresher.compiler.expr import Expr, map_constants
from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.body import Body, Interval, State, Walk
from thresher.compiler.streamline.context import Context, scaled
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.ports import exact_input
from thresher.compiler.streamline.states import find_intervals, find_scales
from thresher.compiler.streamline.values import Codes, Lazy, Raw, Unknown, Value, shape_of

__all__ = ["scan"]


def scan(context: Context, node: Node, walk: Walk) -> list[Value]:
    """The values of the outputs of a Scan node; `walk` evaluates a graph in a context."""
    body = Body(context, node, walk)
    if any(isinstance(v, Unknown) for v in (*body.initial, *body.scanned)):
        inner = body.context.child(body.steps, scratch=True)
        values = [Unknown(shape_of(v)) for v in body.initial]
        return _unknown_outputs(body, body.walk_body(inner, values)[1])
    states = find_scales(body)
    intervals = find_intervals(body, states)
    return _emit(body, states, intervals)


def _unknown_outputs(scan: Body, outputs: list[Value]) -> list[Value]:
    finals: list[Value] = [Unknown(shape_of(v)) for v in scan.initial]
    return finals + [
        _backward(scan, k, Unknown((scan.steps, *shape_of(v)))) for k, v in enumerate(outputs)
    ]


def _backward(scan: Body, k: int, value: Value) -> Value:
    """A scan output in the direction and axis that the node asks for."""
    axis = scan.ints("scan_output_axes")[k]
    if scan.ints("scan_output_directions")[k]:
        value = move(scan.context, value, lambda a: a[::-1])
    return move(scan.context, value, lambda a: np.moveaxis(a, 0, axis))


def _emit(scan: Body, states: list[State], intervals: list[Interval]) -> list[Value]:
    """Case 3."""
    inner = scan.context.child(scan.steps, scratch=False)
    tensors = scan.inner_states(inner, states, intervals)
    updates, outputs = scan.updates(inner, states, tensors)
    hints = [n or f"{scan.node.name}_{k}" for k, n in enumerate(scan.node.outputs)]
    used = [k for k in range(len(outputs)) if scan.node.outputs[scan.count + k]]
    kept = [_integer_output(scan, inner, outputs[k]) for k in used]
    rows = []
    for k, state in enumerate(states):
        initial = _initial(scan, state, intervals[k])
        rows.append((initial, tensors[k], updates[k], hints[k]))
    loop = scan.context.builder.loop(
        scan.steps,
        inner.builder,
        [(s.outer, s.inner) for s in inner.scans.values()],
        rows,
        [(tensor, hints[scan.count + k]) for k, (tensor, _) in zip(used, kept, strict=True)],
        name=scan.node.name,
    )
    values: list[Value] = []
    for made, state in zip(loop.states, states, strict=True):
        assert made.final is not None
        values.append(scaled(made.final, state.scale))
    scanned: dict[int, Value] = {}
    for k, (_, expr), made_output in zip(used, kept, loop.scan_outputs, strict=True):
        stacked = map_constants(expr, lambda c: c[None])
        scanned[k] = _backward(scan, k, Lazy(made_output.outer, stacked))
    return values + [scanned.get(k, Unknown(())) for k in range(len(outputs))]


def _integer_output(scan: Body, inner: Context, value: Value) -> tuple[Tensor, Expr]:
    """A scan output of one step: integer tensor and what is pending."""
    if isinstance(value, Lazy) and isinstance(value.tensor, Tensor):
        return value.tensor, value.expr
    with inner.at(scan.node):
        integers = inner.integers(value)
    if isinstance(integers.tensor, Codes):
        raise scan.context.error("a scan output is constant", "drop the output")
    return integers.tensor, scaled(integers.tensor, integers.scale).expr


def _initial(scan: Body, state: State, interval: Interval) -> Tensor | np.ndarray:
    raw = state.initial
    if not isinstance(raw, Raw):
        return raw
    return exact_input(scan.context, raw, state.scale, *interval)
