"""ONNX nodes of each node of the integer graph but the loop.

1. MatMul, Concat, Reshape: their namesakes; a bias is an Add.
2. Binary: Add, Sub or Mul; a shift is a Mul by its power of two.
3. Step that only rises or only falls: MultiThreshold with scale 1 or -1 and a bias. Channels lie on
   the last axis, or on the middle one of three; where they follow several axes, each element is
   a channel of its own.
4. Any other Step: MultiThreshold counts the thresholds passed, Gather looks the value up.
5. Reorder: Gather on the flattened tensor.
6. ArgMax: its namesake and a Cast; the value is ReduceMax. Of more than one TopK gives the indices,
   with which the values are gathered.
7. The nodes of images: see `onnx_images`.
"""

from typing import Any

import numpy as np

from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Concat,
    GroupedMatMul,
    MatMul,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    Step,
    Tensor,
    Window,
)
from thresher.compiler.integer.memory import dtype_of
from thresher.compiler.integer.onnx_emit import QONNX, Emitter, datatype
from thresher.compiler.integer.onnx_images import emit_image

__all__ = ["emit"]

_INT64 = np.dtype(np.int64)
_OPS = {"add": "Add", "sub": "Sub", "mul": "Mul"}


def emit(node: object, to: Emitter) -> None:
    """Add the node to `to`; its operands are there already."""
    match node:
        case MatMul():
            _matmul(node, to)
        case Binary():
            _binary(node, to)
        case Step():
            _step(node, to)
        case Reshape(x, out):
            shape = to.constant(np.array(out.shape), _INT64, "shape")
            name = to.cast(x.name, x.shape, dtype_of(out.lo, out.hi))
            to.op("Reshape", [name, shape], out, out.shape, to.types[name])
        case Reorder(x, index, out):
            name = to.cast(x.name, x.shape, dtype_of(out.lo, out.hi))
            places = to.constant(index, _INT64, "index")
            flat = _reshaped(name, (x.size,), to)
            to.op("Gather", [flat, places], out, out.shape, to.types[name], axis=0)
        case Concat(xs, axis, out):
            dtype = dtype_of(out.lo, out.hi)
            to.op(
                "Concat", [to.cast(x.name, x.shape, dtype) for x in xs], out, out.shape, dtype,
                axis=axis,
            )  # fmt: skip
        case ArgMax():
            _argmax(node, to)
        case Window() | GroupedMatMul() | Reduce() | Repeat():
            emit_image(node, to)
        case _:
            raise TypeError(f"node must not be a {type(node).__name__}")


def _reshaped(name: str, shape: tuple[int, ...], to: Emitter) -> str:
    target = to.constant(np.array(shape), _INT64, "shape")
    return to.op("Reshape", [name, target], None, shape, to.types[name])


def _matmul(node: MatMul, to: Emitter) -> None:
    x, out = node.x, node.out
    bias = np.zeros(1, np.int64) if node.bias is None else node.bias
    most = max(abs(x.lo), abs(x.hi)) * int(np.abs(node.weights).sum(axis=0).max())
    dtype = dtype_of(most + int(np.abs(bias).max()))
    name = to.cast(x.name, x.shape, dtype)
    weights = to.constant(node.weights, dtype, f"{out.name}_weights")
    if node.bias is None:
        to.op("MatMul", [name, weights], out, out.shape, dtype)
        return
    product = to.op("MatMul", [name, weights], None, out.shape, dtype)
    held = to.constant(node.bias, dtype, f"{out.name}_bias")
    to.op("Add", [product, held], out, out.shape, dtype)


def _binary(node: Binary, to: Emitter) -> None:
    out = node.out
    sides = ((node.x, node.shift_x), (node.y, node.shift_y))
    ends = [
        end << shift
        for x, shift in sides
        for end in ((x.lo, x.hi) if isinstance(x, Tensor) else (int(x.min()), int(x.max())))
    ]
    dtype = dtype_of(out.lo, out.hi, *ends)
    names = []
    for x, shift in sides:
        if not isinstance(x, Tensor):
            names.append(to.constant(x, dtype, f"{out.name}_constant"))
            continue
        name = to.cast(x.name, x.shape, dtype)
        if shift:
            factor = to.constant(np.array(1 << shift), dtype, f"{out.name}_factor")
            name = to.op("Mul", [name, factor], None, x.shape, dtype)
        names.append(name)
    to.op(_OPS[node.op], names, out, out.shape, dtype)


def _step(node: Step, to: Emitter) -> None:
    x, function, out = node.x, node.function, node.out
    shape, layout, channel = _layout(node)
    unit = function.unit_steps()
    if unit is None:
        thresholds, lo, hi = function.thresholds, 0, function.thresholds.shape[1]
    else:
        thresholds, lo, hi = unit.thresholds, out.lo, out.hi
    dtype = dtype_of(x.lo, x.hi + 1, lo, hi)
    name = to.cast(x.name, x.shape, dtype)
    flat = name if shape == x.shape else _reshaped(name, shape, to)
    rows = thresholds if channel is None else thresholds[channel]
    held = to.constant(rows, dtype, f"{out.name}_thresholds")
    attrs: dict[str, Any] = {
        "out_dtype": datatype(lo, hi),
        "out_scale": float(unit.sign if unit else 1),
        "out_bias": float(unit.base if unit else 0),
        "data_layout": layout,
    }
    if shape == x.shape and unit:
        to.op("MultiThreshold", [flat, held], out, shape, dtype, domain=QONNX, **attrs)
        return
    counted = to.op("MultiThreshold", [flat, held], None, shape, dtype, domain=QONNX, **attrs)
    if unit is None:
        counted = _looked_up(node, counted, to)
    if shape == x.shape:
        to.op("Identity", [counted], out, shape, to.types[counted])
    else:
        target = to.constant(np.array(x.shape), _INT64, "shape")
        to.op("Reshape", [counted, target], out, x.shape, to.types[counted])


def _argmax(node: ArgMax, to: Emitter) -> None:
    """Case 6."""
    x, out, value = node.x, node.out, node.value
    if out.shape[-1] == 1:
        to.op(
            "ArgMax", [x.name], out, out.shape, _INT64,
            axis=-1, keepdims=1, select_last_index=int(node.last),
        )  # fmt: skip
        if value is not None:
            axes = to.constant(np.array([-1]), _INT64, "axes")
            to.op("ReduceMax", [x.name, axes], value, value.shape, to.types[x.name])
        return
    count = to.constant(np.array([out.shape[-1]]), _INT64, "k")
    found = to.op("TopK", [x.name, count], None, out.shape, _INT64, first=False, axis=-1)
    to.op("Identity", [found], out, out.shape, _INT64)
    if value is not None:
        kind = to.types[x.name]
        last = len(x.shape) - 1  # -1 is right too, but not to onnx's ReferenceEvaluator
        to.op("GatherElements", [x.name, found], value, value.shape, kind, axis=last)


def _looked_up(node: Step, counted: str, to: Emitter) -> str:
    """Case 4: the values that the counts of thresholds stand for."""
    shape, layout, channel = _layout(node)
    values = node.function.values
    index = to.cast(counted, shape, _INT64)
    if channel is not None and len(values) > 1:
        spread = [1] * len(shape)
        spread[layout.index("C")] = len(channel)
        first = to.constant((channel * values.shape[1]).reshape(spread), _INT64, "row")
        index = to.op("Add", [index, first], None, shape, _INT64)
    dtype = dtype_of(node.out.lo, node.out.hi, int(values.min()), int(values.max()))
    table = to.constant(values.reshape(-1), dtype, f"{node.out.name}_values")
    return to.op("Gather", [table, index], None, shape, dtype, axis=0)


def _layout(node: Step) -> tuple[tuple[int, ...], str, np.ndarray | None]:
    """The shape to threshold in, its layout, and the function's channel of each of its channels."""
    shape, channel = node.x.shape, node.channel
    axes = [] if channel is None else [i for i, n in enumerate(channel.shape) if n > 1]
    if channel is None or (not axes and node.function.channels == 1):
        return (shape, "NC", None) if len(shape) == 2 else ((1, node.x.size), "NC", None)
    if len(axes) <= 1:
        axis = axes[0] if axes else len(shape) - 1
        row = np.broadcast_to(channel.reshape(-1), (shape[axis],))
        before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
        if after == 1:
            return (before, shape[axis]), "NC", row
        return (before, shape[axis], after), "NCW", row
    return (1, node.x.size), "NC", np.broadcast_to(channel, shape).reshape(-1)
