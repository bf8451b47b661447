"""Pooling and reductions: a Reduce, behind a Window where a kernel moves.

1. The greatest of rising functions is the function of the greatest: a pending expression that is
   known to be monotone, and the same for all elements of a place, stays pending. Where it falls in
   some channels their integers change sign, before and after. The least is likewise.
2. Pads of MaxPool are never the greatest: they are the least value of the interval.
3. An average is the exact sum of integers; the division by the number of elements stays pending,
   for the reference, too, divides last. Pads are code 0.
4. Any other expression is brought to scale * integers first.
5. The greatest of floats that are not quantised yet is that of their codes, by the same rule.
"""

import math
from collections.abc import Callable

import numpy as np

from thresher.compiler import analysis
from thresher.compiler import expr as ex
from thresher.compiler.expr import Apply, Constant, Expr
from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.axes import ImageAxes
from thresher.compiler.streamline.context import Context, scaled
from thresher.compiler.streamline.geometry import Geometry, geometry
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.values import (
    Codes,
    Deferred,
    Lazy,
    Raw,
    Unknown,
    Value,
    compress,
    full_rank,
    shape_of,
    to_const,
)

__all__ = ["global_pool", "pool", "reduction"]


def pool(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a MaxPool or AveragePool node."""
    value = operands[0]
    assert value is not None
    shape = shape_of(value)
    at = geometry(context, node, shape)
    dims = len(shape) - 2
    if isinstance(value, Unknown):
        return Unknown((*shape[:2], *at.out[2 - dims :]))
    axes = ImageAxes(len(shape), tuple(range(2, len(shape))))
    if node.op == "MaxPool":
        out = (*shape[:2], *at.out[2 - dims :])
        return _selected(
            context, value, axes.spatial, out, 1,
            lambda context, x: _pooled(context, "max", x, at, axes, x.lo),
        )  # fmt: skip
    tensor, expr = _summable(context, value, axes.spatial)
    found = _pooled(context, "sum", tensor, at, axes, 0)
    counts = at.counts(bool(node.attrs["count_include_pad"]))
    counts = counts.reshape(1, 1, *at.out[2 - dims :])
    return _divided(Lazy(found, expr), counts)


def _pooled(
    context: Context, op: str, x: Tensor, at: Geometry, axes: ImageAxes, fill: int
) -> Tensor:
    builder, image = context.builder, axes.image(context, x)
    seen = builder.window(
        image, at.kernel, strides=at.strides, dilations=at.dilations, pads=at.pads, fill=fill,
        name=f"{context.hint}_window",
    )  # fmt: skip
    rows = builder.reshape(seen, (*seen.shape[:-1], math.prod(at.kernel), image.shape[-1]))
    return axes.tensor(context, builder.reduce(op, rows, name=context.hint))  # type: ignore[arg-type]


def global_pool(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a GlobalMaxPool or GlobalAveragePool node."""
    value = operands[0]
    assert value is not None
    op = "ReduceMax" if node.op == "GlobalMaxPool" else "ReduceMean"
    return _reduced(context, op, value, tuple(range(2, len(shape_of(value)))), True)


def reduction(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a ReduceMax, ReduceMin, ReduceSum or ReduceMean node."""
    value = operands[0]
    assert value is not None
    rank = len(shape_of(value))
    given = operands[1] if len(operands) > 1 else None
    axes = tuple(range(rank))
    if given is not None:
        found = to_const(given)
        if found is None:
            raise context.error("its axes must be constant", "export with static axes")
        axes = tuple(sorted(int(a) % rank for a in found.array.reshape(-1)))
    elif node.attrs["noop_with_empty_axes"]:
        return value
    return _reduced(context, node.op, value, axes, bool(node.attrs["keepdims"]))


def _reduced(
    context: Context, op: str, value: Value, axes: tuple[int, ...], keepdims: bool
) -> Value:
    if to_const(value) is not None:
        raise context.error("its input is a constant", "fold the constant part of the model")
    kept = tuple(1 if k in axes else d for k, d in enumerate(shape_of(value)))
    if isinstance(value, Unknown):
        made: Value = Unknown(kept)
    elif op in ("ReduceMax", "ReduceMin"):
        made = _selected(
            context, value, axes, kept, 1 if op == "ReduceMax" else -1,
            lambda context, x: _along(context, "max", x, axes),
        )  # fmt: skip
    else:
        tensor, expr = _summable(context, value, axes)
        made = Lazy(_along(context, "sum", tensor, axes), expr)
        if op == "ReduceMean":
            made = _divided(made, np.array(math.prod(tensor.shape[k] for k in axes)))
    return made if keepdims else move(context, made, lambda a: a.squeeze(axes))


def _along(context: Context, op: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The reduction of x along axes, which stay with one element.

    Either way of seeing (..., K, C) in x is right; that which moves no elements is taken.
    """
    builder, shape = context.builder, x.shape
    rest = [k for k in range(len(shape)) if k not in axes]
    index = np.arange(x.size).reshape(shape)
    count = math.prod(shape[k] for k in axes)
    last = shape[rest[-1]] if rest else 1
    behind = index.transpose(*rest, *axes).reshape(-1, count, 1)
    before = index.transpose(*rest[:-1], *axes, *rest[-1:]).reshape(-1, count, last)
    chosen = behind if builder.in_order(x, behind) else before
    rows = builder.reorder(x, chosen, name=context.hint)
    made = builder.reduce(op, rows, name=context.hint)  # type: ignore[arg-type]
    kept = tuple(1 if k in axes else d for k, d in enumerate(shape))
    return builder.reshape(made, kept, name=context.hint)


def _selected(
    context: Context, value: Value, axes: tuple[int, ...], shape: tuple[int, ...], sign: int,
    greatest: Callable[[Context, Tensor], Tensor],
) -> Lazy:  # fmt: skip
    """Cases 1 and 5: the greatest (sign 1) or the least (-1) of elements that meet along axes."""
    assert isinstance(value, Lazy)

    def found(context: Context, x: Tensor, expr: Expr) -> Tensor:
        signs = _signs(expr, x) * sign
        return _times(context, greatest(context, _times(context, x, signs)), signs)

    def later(context: Context, codes: Tensor, expr: Expr) -> Tensor:
        if analysis.monotone(expr) is None:
            raise context.error(
                "it quantises a maximum by a function that is not known to be monotone",
                "quantise in front of the pooling",
            )
        return found(context, codes, expr)

    if isinstance(value.tensor, Raw | Deferred):
        return Lazy(Deferred(value, axes, shape, later))
    tensor, expr = _monotone(context, value, axes)
    return Lazy(found(context, tensor, expr), expr)


def _monotone(context: Context, value: Value, axes: tuple[int, ...]) -> tuple[Tensor, Expr]:
    """Case 1, or 4."""
    assert isinstance(value, Lazy)
    known = analysis.monotone(value.expr) is not None
    if isinstance(value.tensor, Tensor) and known and _same_along(value.expr, value.tensor, axes):
        return value.tensor, value.expr
    return _summable(context, value, axes)


def _summable(context: Context, value: Value, axes: tuple[int, ...]) -> tuple[Tensor, Expr]:
    """Case 4: scale * integers, the scale the same along the axes."""
    found = context.integers(value)
    if isinstance(found.tensor, Codes):
        raise context.error("its input is a constant", "fold the constant part of the model")
    expr = scaled(found.tensor, found.scale).expr
    if not _same_along(expr, found.tensor, axes):
        raise context.error(
            "it compares or adds elements of different scales", "quantise its input per tensor"
        )
    return found.tensor, expr


def _same_along(expr: Expr, tensor: Tensor, axes: tuple[int, ...]) -> bool:
    rank = len(tensor.shape)
    shapes = [full_rank(c, rank).shape for c in ex.constants(expr)]
    return all(shape[k] == 1 for shape in shapes for k in axes)


def _signs(expr: Expr, tensor: Tensor) -> np.ndarray:
    """int64, -1 where the expression falls, else 1."""
    way = analysis.monotone(expr)
    assert way is not None
    return np.where(full_rank(way, len(tensor.shape)) < 0, -1, 1)


def _times(context: Context, x: Tensor, signs: np.ndarray) -> Tensor:
    return context.builder.binary("mul", x, signs, name=context.hint)


def _divided(value: Lazy, counts: np.ndarray) -> Lazy:
    """Case 3."""
    if (counts == 1).all():
        return value
    divisor = compress(full_rank(counts.astype(np.float32), len(value.tensor.shape)))
    return Lazy(value.tensor, Apply("Div", (value.expr, Constant(divisor))))
