"""One node made again: on other operands, or with a leading axis of steps."""

from dataclasses import replace

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Concat,
    GroupedMatMul,
    MatMul,
    Node,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    Step,
    Tensor,
    Window,
)

__all__ = ["copied", "stacked"]


def copied(node: Node, builder: Builder, new: dict[str, Tensor]) -> dict[str, Tensor]:
    """Build `node` (not a loop) on the new operands; its outputs by old name."""
    out = node.outputs[0].name

    def at(x: Tensor | np.ndarray) -> Tensor | np.ndarray:
        return new[x.name] if isinstance(x, Tensor) else x

    match node:
        case MatMul(x, weights, bias):
            made = builder.matmul(new[x.name], weights, bias, name=out)
        case Binary(op, left, right, shift_x, shift_y):
            made = builder.binary(op, at(left), at(right), shift_x, shift_y, name=out)
        case Step(x, function, channel):
            made = builder.step(new[x.name], function, channel, name=out)
        case Reshape(x, shaped):
            made = builder.reshape(new[x.name], shaped.shape, name=out)
        case Reorder(x, index):
            made = builder.reorder(new[x.name], index, name=out)
        case Concat(xs, axis):
            made = builder.concat([new[x.name] for x in xs], axis, name=out)
        case ArgMax(x, last, index, value) if value is not None:
            made, best = builder.argmax(new[x.name], last, True, index.shape[-1], name=out)
            return {out: made, value.name: best}
        case ArgMax(x, last, index):
            made = builder.argmax(new[x.name], last, k=index.shape[-1], name=out)
        case Window(x):
            made = builder.window(
                new[x.name], node.kernel, strides=node.strides, dilations=node.dilations,
                pads=node.pads, upsample=node.upsample, groups=node.groups, fill=node.fill,
                name=out,
            )  # fmt: skip
        case GroupedMatMul(x, weights, bias):
            made = builder.grouped_matmul(new[x.name], weights, bias, name=out)
        case Reduce(op, x):
            made = builder.reduce(op, new[x.name], name=out)
        case Repeat(x, rows, columns):
            made = builder.repeat(new[x.name], rows, columns, name=out)
        case _:
            raise TypeError(f"node must not be a {type(node).__name__}")
    return {out: made}


def stacked(node: Node, steps: int) -> Node:
    """The node on operands with a leading axis of steps; tensors keep their names."""

    def lead(x: Tensor) -> Tensor:
        return Tensor(x.name, (steps, *x.shape), x.lo, x.hi)

    def side(x: Tensor | np.ndarray) -> Tensor | np.ndarray:
        return lead(x) if isinstance(x, Tensor) else x[None]

    match node:
        case MatMul(x, weights, bias, out):
            return MatMul(lead(x), weights, bias, lead(out))
        case Binary(op, x, y, shift_x, shift_y, out):
            return Binary(op, side(x), side(y), shift_x, shift_y, lead(out))
        case Step(x, function, channel, out):
            channel = None if channel is None else channel[None]
            return Step(lead(x), function, channel, lead(out))
        case Reshape(x, out):
            return Reshape(lead(x), lead(out))
        case Reorder(x, index, out):
            first = np.arange(steps).reshape(-1, *(1,) * index.ndim) * x.size
            return Reorder(lead(x), first + index, lead(out))
        case Concat(xs, axis, out):
            return Concat(tuple(map(lead, xs)), axis + 1, lead(out))
        case ArgMax(x, last, out, value):
            return ArgMax(lead(x), last, lead(out), None if value is None else lead(value))
        case Window() | GroupedMatMul() | Reduce() | Repeat():
            return replace(node, x=lead(node.x), out=lead(node.out))
    raise TypeError(f"node must not be a {type(node).__name__}")
