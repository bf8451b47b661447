"""Operators that move elements and compute nothing.

Each is a NumPy function; applied to the flat indices of a tensor it says where every element comes
from, and applied to the constants of a pending expression it keeps them with their elements.
"""

import math

import numpy as np

from thresher.compiler.expr import Expr
from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Deferred,
    Layout,
    Lazy,
    Raw,
    Unknown,
    Value,
    compress,
    full_rank,
    relabel,
    shape_of,
    to_const,
)

__all__ = ["LAYOUTS", "concat", "constant_ints", "expand", "layout_of", "move", "split"]


def move(context: Context, value: Value, layout: Layout) -> Value:
    """The value with its elements moved."""
    if isinstance(value, Const):
        return Const(np.asarray(layout(value.array)))
    shape = shape_of(value)
    if isinstance(value, Unknown):
        return Unknown(np.asarray(layout(np.zeros(shape, np.int8))).shape)
    tensor = value.tensor
    if isinstance(tensor, Deferred):
        return _deferred(value, layout)
    expr = relabel(value.expr, shape, layout)
    if isinstance(tensor, Codes):
        return Lazy(Codes(np.asarray(layout(tensor.array))), expr)
    if isinstance(tensor, Raw):
        if tensor.home is None:
            return Lazy(Raw(tensor.source, layout(tensor.index)), expr)
        index = np.stack([layout(step) for step in tensor.index])
        return Lazy(Raw(tensor.source, index, tensor.home), expr)
    index = np.asarray(layout(np.arange(tensor.size).reshape(shape)))
    return Lazy(context.builder.reorder(tensor, index, name=context.hint), expr)


def _deferred(value: Lazy, layout: Layout) -> Lazy:
    """The value, whose codes are to be moved once there are any."""
    shape = value.tensor.shape
    index = np.asarray(layout(np.arange(math.prod(shape)).reshape(shape)))

    def make(context: Context, codes: Tensor, expr: Expr) -> Tensor:
        return context.builder.reorder(codes, index, name=context.hint)

    return Lazy(Deferred(value, tuple(range(index.ndim)), index.shape, make))


def expand(context: Context, value: Value, shape: tuple[int, ...]) -> Value:
    """The value broadcast to `shape`."""
    if shape_of(value) == shape or isinstance(value, Const):
        return value
    rank = len(shape)
    return move(context, value, lambda a: np.broadcast_to(full_rank(a, rank), shape))


def constant_ints(context: Context, value: Value | None, what: str) -> list[int]:
    """The integers of a constant operand; ModelError, which says `what`, where it is none."""
    found = to_const(value) if value is not None else None
    if found is None:
        raise context.error(f"its {what} must be constant", "export the model with static shapes")
    return [int(v) for v in np.asarray(found.array).reshape(-1)]


def layout_of(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    """The layout function of a node in `LAYOUTS`; operands[0] is the data."""
    return LAYOUTS[node.op](context, node, operands)


def _transpose(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    perm = node.attrs.get("perm")
    assert perm is None or isinstance(perm, tuple)
    return lambda a: np.transpose(a, perm)


def _reshape(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    target = constant_ints(context, operands[1], "shape")
    old = shape_of(operands[0])  # type: ignore[arg-type]
    if not node.attrs.get("allowzero", 0):
        target = [old[i] if d == 0 else d for i, d in enumerate(target)]
    size = int(np.prod(old, dtype=np.int64))
    if -1 in target:
        rest = int(-np.prod(target, dtype=np.int64))
        fits = rest != 0 and size % rest == 0
    else:
        fits = int(np.prod(target, dtype=np.int64)) == size
    if not fits:
        raise context.error(
            f"{size} elements of shape {old} do not fit shape {tuple(target)}",
            "fix the batch axis of the shape to -1 or 1 sample",
        )
    return lambda a: a.reshape(target)


def _flatten(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    axis = int(node.attrs.get("axis", 1))  # type: ignore[call-overload]

    def flatten(a: np.ndarray) -> np.ndarray:
        at = axis + a.ndim if axis < 0 else axis
        return a.reshape(int(np.prod(a.shape[:at], dtype=np.int64)), -1)

    return flatten


def _squeeze(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    if len(operands) < 2 or operands[1] is None:
        return lambda a: a.squeeze()
    axes = tuple(constant_ints(context, operands[1], "axes"))
    return lambda a: a.squeeze(axes)


def _unsqueeze(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    axes = tuple(constant_ints(context, operands[1], "axes"))
    return lambda a: np.expand_dims(a, axes)


def _slice(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    starts, ends = (
        constant_ints(context, operands[k], what) for k, what in ((1, "starts"), (2, "ends"))
    )
    given = len(operands) > 3 and operands[3] is not None
    axes = constant_ints(context, operands[3], "axes") if given else list(range(len(starts)))
    stepped = len(operands) > 4 and operands[4] is not None
    steps = constant_ints(context, operands[4], "steps") if stepped else [1] * len(starts)

    def cut(a: np.ndarray) -> np.ndarray:
        at = [slice(None)] * a.ndim
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            size = a.shape[axis]
            stop: int | None = end
            if step < 0 and end < -size:
                stop = None
            at[axis] = slice(start, stop, step)
        return a[tuple(at)]

    return cut


def _gather(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    found = to_const(operands[1]) if operands[1] is not None else None
    if found is None:
        raise context.error("its indices must be constant", "look-ups of computed indices are not")
    axis = int(node.attrs.get("axis", 0))  # type: ignore[call-overload]
    indices = np.asarray(found.array).astype(np.int64)
    size = shape_of(operands[0])[axis]  # type: ignore[arg-type]
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise context.error(
            f"index {int(indices.max())} is outside axis {axis} of size {size}", "fix the index"
        )
    return lambda a: np.take(a, indices, axis=axis)


def _expand(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    target = tuple(constant_ints(context, operands[1], "shape"))
    shape = np.broadcast_shapes(shape_of(operands[0]), target)  # type: ignore[arg-type]
    return lambda a: np.broadcast_to(full_rank(a, len(shape)), shape)


def _identity(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    return lambda a: a


LAYOUTS = {
    "Identity": _identity,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
}


def split(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    """The parts of a Split."""
    value = operands[0]
    assert value is not None
    axis = int(node.attrs.get("axis", 0))  # type: ignore[call-overload]
    size = shape_of(value)[axis]
    if len(operands) > 1 and operands[1] is not None:
        sizes = constant_ints(context, operands[1], "split")
    else:
        each = -(-size // len(node.outputs))
        sizes = [each] * (len(node.outputs) - 1)
        sizes.append(size - sum(sizes))
    if sum(sizes) != size or len(sizes) != len(node.outputs):
        raise context.error(f"parts {sizes} do not add up to {size}", "fix the split sizes")
    parts, start = [], 0
    for length in sizes:
        parts.append(move(context, value, _part(start, start + length, axis)))
        start += length
    return parts


def _part(start: int, end: int, axis: int) -> Layout:
    return lambda a: np.take(a, np.arange(start, end), axis=axis)


def concat(context: Context, node: Node, operands: list[Value]) -> Value:
    """Concat: constants join as constants, computed tensors as integers with their scales."""
    rank = len(shape_of(operands[0]))
    axis = int(node.attrs.get("axis", 0)) % rank  # type: ignore[call-overload]
    constants = [to_const(v) for v in operands]
    if all(c is not None for c in constants):
        return Const(np.concatenate([c.array for c in constants if c is not None], axis=axis))
    shapes = [shape_of(v) for v in operands]
    whole = (
        *shapes[0][:axis],
        sum(s[axis] for s in shapes),
        *shapes[0][axis + 1 :],
    )
    if any(isinstance(v, Unknown) for v in operands):
        return Unknown(whole)
    parts = [context.integers(v) for v in operands]
    if any(isinstance(p.tensor, Codes) for p in parts):
        raise context.error(
            "constants cannot be concatenated with computed tensors", "drop the constant part"
        )
    tensors = [p.tensor for p in parts if isinstance(p.tensor, Tensor)]
    joined = context.builder.concat(tuple(tensors), axis, name=context.hint)
    return scaled(joined, _joined_scale(parts, shapes, axis))


def _joined_scale(parts: list[Integers], shapes: list[tuple[int, ...]], axis: int) -> np.ndarray:
    scales = [
        np.broadcast_to(full_rank(p.scale, len(s)), s) for p, s in zip(parts, shapes, strict=True)
    ]
    return compress(np.concatenate(scales, axis=axis))
