"""ONNX nodes of the nodes that images have, of ONNX's own operators alone, exact in every type.

1. Window: Pad by one row and one column of `fill`; a Gather takes each place's rows, another its
   columns; Reshape and Transpose put the elements in order.
2. GroupedMatMul: MatMul of a batch of G, between Reshapes; a bias is an Add.
3. Reduce: ReduceMax or ReduceSum.
4. Repeat: Gather of rows, Gather of columns.
"""

import numpy as np

from thresher.compiler.integer.images import GroupedMatMul, Reduce, Repeat, Window
from thresher.compiler.integer.memory import dtype_of
from thresher.compiler.integer.onnx_emit import Emitter
from thresher.compiler.integer.windows import columns_of, rows_of

__all__ = ["emit_image"]

_INT64 = np.dtype(np.int64)


def emit_image(node: Window | GroupedMatMul | Reduce | Repeat, to: Emitter) -> None:
    """Add the node to `to`; its operand is there already."""
    match node:
        case Window():
            _window(node, to)
        case GroupedMatMul():
            _grouped(node, to)
        case Reduce(op, x, out):
            most = max(abs(x.lo), abs(x.hi))
            dtype = dtype_of(most * x.shape[-2] if op == "sum" else most)
            axes = to.constant(np.array([len(x.shape) - 2]), _INT64, "axes")
            name = to.cast(x.name, x.shape, dtype)
            kind = {"max": "ReduceMax", "sum": "ReduceSum"}[op]
            to.op(kind, [name, axes], out, out.shape, dtype, keepdims=0)
        case Repeat(x, rows, columns, out):
            *lead, height, width, channels = x.shape
            dtype, rank = dtype_of(out.lo, out.hi), len(x.shape)
            name = to.cast(x.name, x.shape, dtype)
            index = to.constant(np.arange(height).repeat(rows), _INT64, "rows")
            shape = (*lead, height * rows, width, channels)
            name = to.op("Gather", [name, index], None, shape, dtype, axis=rank - 3)
            index = to.constant(np.arange(width).repeat(columns), _INT64, "columns")
            to.op("Gather", [name, index], out, out.shape, dtype, axis=rank - 2)


def _window(node: Window, to: Emitter) -> None:
    x, out = node.x, node.out
    *lead, height, width, channels = x.shape
    n, dtype = len(lead), dtype_of(x.lo, x.hi, node.fill)
    name = to.cast(x.name, x.shape, dtype)
    rows, columns = rows_of(node), columns_of(node)
    if (rows < 0).any() or (columns < 0).any():
        pads = to.constant(np.array([*[0] * (n + 3), *[0] * n, 1, 1, 0]), _INT64, "pads")
        fill = to.constant(np.array(node.fill), dtype, "fill")
        shape = (*lead, height + 1, width + 1, channels)
        name = to.op("Pad", [name, pads, fill], None, shape, dtype)
        width += 1
    # Both axes of `fill` lie behind the image.
    rows, columns = (np.where(a < 0, s, a) for a, s in ((rows, height), (columns, x.shape[-2])))
    (oh, kh), (ow, kw) = rows.shape, columns.shape
    index = to.constant(rows, _INT64, "rows")
    name = to.op("Gather", [name, index], None, (*lead, oh, kh, width, channels), dtype, axis=n)
    index = to.constant(columns, _INT64, "columns")
    shape = (*lead, oh, kh, ow, kw, channels)
    name = to.op("Gather", [name, index], None, shape, dtype, axis=n + 2)
    inner = (node.groups, channels // node.groups)
    name = _shaped(name, (*lead, oh, kh, ow, kw, *inner), to)
    perm = [*range(n), n, n + 2, n + 4, n + 1, n + 3, n + 5]
    shape = (*lead, oh, ow, inner[0], kh, kw, inner[1])
    name = to.op("Transpose", [name], None, shape, dtype, perm=perm)
    target = to.constant(np.array(out.shape), _INT64, "shape")
    to.op("Reshape", [name, target], out, out.shape, dtype)


def _grouped(node: GroupedMatMul, to: Emitter) -> None:
    x, out = node.x, node.out
    groups, inner, width = node.weights.shape
    bias = np.zeros(1, np.int64) if node.bias is None else node.bias
    most = max(abs(x.lo), abs(x.hi)) * int(np.abs(node.weights).sum(axis=1).max())
    dtype = dtype_of(most + int(np.abs(bias).max()))
    name = to.cast(x.name, x.shape, dtype)
    name = _shaped(name, (*x.shape[:-1], groups, 1, inner), to)
    weights = to.constant(node.weights, dtype, f"{out.name}_weights")
    name = to.op("MatMul", [name, weights], None, (*x.shape[:-1], groups, 1, width), dtype)
    target = to.constant(np.array(out.shape), _INT64, "shape")
    if node.bias is None:
        to.op("Reshape", [name, target], out, out.shape, dtype)
        return
    name = to.op("Reshape", [name, target], None, out.shape, dtype)
    held = to.constant(node.bias, dtype, f"{out.name}_bias")
    to.op("Add", [name, held], out, out.shape, dtype)


def _shaped(name: str, shape: tuple[int, ...], to: Emitter) -> str:
    target = to.constant(np.array(shape), _INT64, "shape")
    return to.op("Reshape", [name, target], None, shape, to.types[name])
