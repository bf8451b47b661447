"""Products with constant weights.

1. ``x @ W``: x as scale * integers, W as scale * codes; the scales factor out.
2. ``W @ x``: transposed, computed as case 1, and transposed back.
3. A scale that changes along the summed axis goes into the codes where it differs by powers of two.
4. Two computed operands: refused.
"""

import numpy as np

from thresher.compiler.graph import Node
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.forms import power_of_two
from thresher.compiler.streamline.grid import codes_of
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Lazy,
    Unknown,
    Value,
    full_rank,
    shape_of,
    to_const,
)

__all__ = ["matmul"]

_MOST_SHIFT = 24


def matmul(context: Context, node: Node, x: Value, y: Value) -> Value:
    """The value of a MatMul node."""
    x_constant, y_constant = to_const(x), to_const(y)
    if x_constant is not None and y_constant is not None:
        return Const(x_constant.array @ y_constant.array)
    if isinstance(x, Unknown) or isinstance(y, Unknown):
        return Unknown(np.matmul(np.zeros(shape_of(x)), np.zeros(shape_of(y))).shape)
    if y_constant is not None:
        return _times_weights(context, x, y)
    if x_constant is None:
        raise context.error(
            "both operands are computed", "products of two activations are not supported yet"
        )
    if len(shape_of(y)) == 1:
        return _times_weights(context, y, move(context, x, np.transpose))
    swapped = move(context, y, lambda a: np.swapaxes(a, -1, -2))
    weights = move(context, x, lambda a: np.swapaxes(a, -1, -2))
    product = _times_weights(context, swapped, weights)
    return move(context, product, lambda a: np.swapaxes(a, -1, -2))


def _times_weights(context: Context, x: Value, w: Value) -> Value:
    shape = shape_of(w)
    if len(shape) > 2 and all(d == 1 for d in shape[:-2]):
        w = move(context, w, lambda a: a.reshape(shape[-2:]))
    if len(shape_of(w)) == 1:
        column = move(context, w, lambda a: a[:, None])
        return move(context, _times_weights(context, x, column), lambda a: a[..., 0])
    if len(shape_of(w)) != 2:
        raise context.error(
            f"weights must have 2 dimensions, not {shape}", "split the product into matrices"
        )
    codes, w_scale = _weights(context, w)
    operand = context.integers(x)
    assert not isinstance(operand.tensor, Codes)
    codes, x_scale = _along_sum(context, operand, codes)
    if codes.shape[0] != operand.tensor.shape[-1]:
        raise context.error(
            f"{operand.tensor.shape} does not fit weights {codes.shape}", "check the model"
        )
    product = context.builder.matmul(operand.tensor, codes, name=context.hint)
    rank = len(product.shape)
    return scaled(product, full_rank(x_scale, rank) * full_rank(w_scale, rank))


def _weights(context: Context, w: Value) -> tuple[np.ndarray, np.ndarray]:
    """(codes int64 (K, N), scale () or (1, N))."""
    if isinstance(w, Lazy):
        found = context.integers(w)
        assert isinstance(found.tensor, Codes)
        pair: tuple[np.ndarray, np.ndarray] | None = found.tensor.array, found.scale
    else:
        assert isinstance(w, Const)
        pair = codes_of(w.array)
    if pair is None:
        raise context.error(
            "its weights are float and lie on no grid of up to 8 bits",
            "quantise the weights (Brevitas weight_quant, or QuantizeLinear in the graph)",
        )
    codes, scale = pair
    if scale.ndim == 2 and scale.shape[0] > 1:
        codes, scale = _fold(context, codes, scale, axis=0)
    return codes, scale


def _along_sum(
    context: Context, operand: Integers, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Case 3 for the scale of x."""
    scale = operand.scale
    if scale.ndim == 0 or scale.shape[-1] == 1:
        return codes, scale
    if scale.size != scale.shape[-1]:
        raise context.error(
            "the scale of its input changes along two axes", "use one scale per tensor"
        )
    codes, common = _fold(context, codes, scale.reshape(-1, 1), axis=0)
    return codes, common.reshape(())


def _fold(
    context: Context, codes: np.ndarray, scale: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
    least = np.abs(scale).min(axis=axis, keepdims=True)
    shift = power_of_two(np.abs(scale) / least)
    if shift is None or shift.max() > _MOST_SHIFT:
        raise context.error(
            "a scale changes along the summed axis by other than powers of two",
            "share the quantiser, or use power-of-two scales",
        )
    return codes * np.sign(scale).astype(np.int64) * (1 << shift), least
