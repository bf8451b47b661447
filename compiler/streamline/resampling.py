"""Pads, resized images and blocks: what changes how many pixels there are, and where they stand.

1. Pad by a constant: a Window of one pixel with pads, an axis or two at a time; the constant must
   be a code. Negative pads cut off. Pads that repeat the tensor's own elements move elements alone.
2. Resize to the nearest pixel: onnxruntime itself says which pixel that is. Whole rows and columns
   repeated are a Repeat; anything else moves elements.
3. DepthToSpace, SpaceToDepth and Tile move elements.
4. Floats that are not quantised yet get their pads as codes, once a quantiser has made some.
"""

from typing import Any

import numpy as np
from onnx import helper

from thresher.compiler import ort
from thresher.compiler.expr import Expr, evaluate
from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.axes import ImageAxes
from thresher.compiler.streamline.context import Context, scaled
from thresher.compiler.streamline.layout import constant_ints, move
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Deferred,
    Layout,
    Lazy,
    Raw,
    Unknown,
    Value,
    full_rank,
    relabel,
    shape_of,
    to_const,
)

__all__ = ["blocks", "pad", "resize", "tile"]

_OPSET = 19
_EXACT = 1 << 24  # indices that float32 holds


def pad(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a Pad node: case 1."""
    value = operands[0]
    assert value is not None
    shape = shape_of(value)
    ends = _ends(context, operands, len(shape))
    kept = [
        slice(max(-int(b), 0), d - max(-int(e), 0)) for (b, e), d in zip(ends, shape, strict=True)
    ]
    if (ends < 0).any():
        value = move(context, value, lambda a: a[tuple(kept)])
        ends = np.maximum(ends, 0)
    mode = str(node.attrs["mode"])
    if mode != "constant":
        return move(context, value, _border(ends, mode))
    number = _number(context, operands[2] if len(operands) > 2 else None)
    if isinstance(value, Const):
        return Const(np.pad(value.array, ends, constant_values=number))
    if isinstance(value, Unknown):
        sizes = zip(value.shape, ends.sum(axis=1), strict=True)
        return Unknown(tuple(d + int(more) for d, more in sizes))
    return _filled(context, value, ends, number) if ends.any() else value


def _border(ends: np.ndarray, mode: str) -> Layout:
    widths = [(int(b), int(e)) for b, e in ends]
    return lambda a: np.pad(a, widths, mode=mode)  # type: ignore[call-overload]


def _ends(context: Context, operands: list[Value | None], rank: int) -> np.ndarray:
    """int64 (rank, 2): what is added before and behind each axis."""
    pads = constant_ints(context, operands[1], "pads")
    axes = list(range(rank))
    if len(operands) > 3 and operands[3] is not None:
        axes = [a % rank for a in constant_ints(context, operands[3], "axes")]
    ends = np.zeros((rank, 2), np.int64)
    ends[axes] = np.array(pads).reshape(2, -1).T
    return ends


def _number(context: Context, value: Value | None) -> float:
    found = None if value is None else to_const(value)
    if value is not None and found is None:
        raise context.error("its value must be constant", "pad with a constant")
    return 0.0 if found is None else float(found.array.reshape(-1)[0])


def _filled(context: Context, value: Lazy, ends: np.ndarray, number: float) -> Lazy:
    """The value with elements of `number` around it, which must be a code."""
    if isinstance(value.tensor, Raw | Deferred):
        return _filled_later(value, ends, number)
    integers = context.integers(value)
    tensor, scale = integers.tensor, full_rank(integers.scale, len(ends))
    if isinstance(tensor, Codes):
        raise context.error("its input is a constant", "fold the constant part of the model")
    padded = [k for k in range(len(ends)) if ends[k].any()]
    if any(scale.shape[k] > 1 for k in padded):
        raise context.error(
            "the scale of its input changes along a padded axis", "quantise its input per tensor"
        )
    fill = _code(context, number, scale) if number else 0
    return scaled(_widened(context, tensor, ends, fill), integers.scale)


def _filled_later(value: Lazy, ends: np.ndarray, number: float) -> Lazy:
    """Case 4."""
    shape = tuple(d + int(more) for d, more in zip(value.tensor.shape, ends.sum(1), strict=True))

    def make(context: Context, codes: Tensor, expr: Expr) -> Tensor:
        fills = evaluate(expr, np.full((1,) * len(shape), number))
        if (fills != fills.flat[0]).any():
            raise context.error(
                f"the code of the pads, {number:g}, is not the same in all channels",
                "quantise in front of the pads, or per tensor",
            )
        return _widened(context, codes, ends, int(fills.flat[0]))

    padded = tuple(k for k in range(len(ends)) if ends[k].any())
    return Lazy(Deferred(value, padded, shape, make))


def _widened(context: Context, tensor: Tensor, ends: np.ndarray, fill: int) -> Tensor:
    """Codes with `fill` around them, an axis or two at a time."""
    padded = [k for k in range(len(ends)) if ends[k].any()]
    for first in range(0, len(padded), 2):
        axes = ImageAxes(len(ends), tuple(padded[first : first + 2]))
        (top, bottom), (left, right) = [(0, 0), *map(tuple, ends[[*axes.spatial]].tolist())][-2:]
        image = axes.image(context, tensor)
        made = context.builder.window(
            image, (1, 1), pads=(top, left, bottom, right), fill=fill, name=context.hint
        )
        tensor = axes.tensor(context, made)
    return tensor


def _code(context: Context, number: float, scale: np.ndarray) -> int:
    first = float(scale.flat[0])
    code = int(np.rint(number / first)) if abs(number / first) < 2.0**31 else 0
    if scale.size > 1 or np.float32(code * first) != np.float32(number):
        raise context.error(
            f"it pads with {number:g}, which is no code of its input",
            "pad with 0, or with a value of the quantiser in front",
        )
    return code


def resize(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a Resize node: case 2."""
    value = operands[0]
    assert value is not None
    if node.attrs["mode"] != "nearest":
        raise context.error(
            f"mode {node.attrs['mode']!r} is not supported", "use mode nearest, or ConvTranspose"
        )
    shape = shape_of(value)
    index = _nearest(context, node, operands, shape)
    rank = len(shape)

    def layout(a: np.ndarray) -> np.ndarray:
        return a.reshape(-1)[index]

    if not isinstance(value, Lazy) or not isinstance(value.tensor, Tensor) or rank not in (3, 4):
        return move(context, value, layout)
    times = [n // d for n, d in zip(index.shape[2:], shape[2:], strict=True)]
    whole = np.arange(value.tensor.size).reshape(shape)
    for k, n in enumerate(times):
        whole = whole.repeat(n, axis=2 + k)
    if not np.array_equal(whole, index):
        return move(context, value, layout)
    axes = ImageAxes(rank, tuple(range(2, rank)))
    rows, columns = times if rank == 4 else (1, times[0])
    image = axes.image(context, value.tensor)
    made = context.builder.repeat(image, rows, columns, name=context.hint)
    return Lazy(axes.tensor(context, made), relabel(value.expr, shape, layout))


def _nearest(
    context: Context, node: Node, operands: list[Value | None], shape: tuple[int, ...]
) -> np.ndarray:
    """int64 of the result's shape: the flat index of the pixel that each one is."""
    size = int(np.prod(shape, dtype=np.int64))
    if size > _EXACT:
        raise context.error(f"its input has {size} elements", "resize images of up to 2^24")
    feed = {"x": np.arange(size, dtype=np.float32).reshape(shape)}
    names = ["x"]
    for name, operand in zip(("roi", "scales", "sizes"), operands[1:], strict=False):
        found = None if operand is None else to_const(operand)
        if operand is not None and found is None:
            raise context.error(f"its {name} must be constant", "export with static shapes")
        names.append("" if found is None or not found.array.size else name)
        if names[-1] and found is not None:
            feed[name] = found.array
    attrs: dict[str, Any] = {k: v for k, v in node.attrs.items() if v is not None}
    proto = helper.make_node("Resize", names, ["y"], name="resize", **attrs)
    model = ort.node_model(proto, {k: v.dtype for k, v in feed.items()}, _OPSET)
    try:
        found = ort.session(model).run(None, feed)[0]
    except Exception as e:  # onnxruntime's own exceptions share no base class but this one
        reason = str(e).strip().splitlines()[0]
        raise context.error(f"onnxruntime refuses it ({reason})", "check the model") from e
    return np.asarray(found).astype(np.int64)


def blocks(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    """The layout of DepthToSpace or SpaceToDepth: case 3."""
    value = operands[0]
    assert value is not None
    n, c, h, w = shape_of(value)
    b = node.attrs["blocksize"]
    assert isinstance(b, int)
    if node.op == "SpaceToDepth":
        if h % b or w % b:
            raise context.error(f"blocks of {b} do not fit {h} x {w} pixels", "check the model")
        return lambda a: (
            a.reshape(n, c, h // b, b, w // b, b)
            .transpose(0, 3, 5, 1, 2, 4)
            .reshape(n, c * b * b, h // b, w // b)
        )
    if c % (b * b):
        raise context.error(f"{c} channels do not fill blocks of {b} x {b}", "check the model")
    if node.attrs["mode"] == "CRD":
        first, order = (n, c // b // b, b, b, h, w), (0, 1, 4, 2, 5, 3)
    else:
        first, order = (n, b, b, c // b // b, h, w), (0, 3, 4, 1, 5, 2)
    return lambda a: a.reshape(first).transpose(order).reshape(n, c // b // b, h * b, w * b)


def tile(context: Context, node: Node, operands: list[Value | None]) -> Layout:
    """The layout of Tile."""
    repeats = constant_ints(context, operands[1], "repeats")
    return lambda a: np.tile(a, repeats)
