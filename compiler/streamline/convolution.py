"""Convolutions: a Window, and the product of what it sees with constant weights.

1. x and W are a scale times integers each. A scale may change from input channel to input channel
   by powers of two (they go into the codes), from output channel to output channel by anything.
2. Pads, and what ConvTranspose puts between pixels, are the float 0.0: code 0 of such an x.
3. A kernel of 1 x 1 sees the pixels as they are: a product without a Window.
4. ConvTranspose is the convolution with turned weights of an image with its pixels set apart.
5. A bias is an Add.
"""

import numpy as np

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.axes import ImageAxes
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.elementwise import elementwise
from thresher.compiler.streamline.forms import power_of_two
from thresher.compiler.streamline.geometry import Geometry, geometry, transposed
from thresher.compiler.streamline.grid import codes_of
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Lazy,
    Unknown,
    Value,
    compress,
    full_rank,
    shape_of,
    to_const,
)

__all__ = ["convolution"]

_MOST_SHIFT = 24


def convolution(context: Context, node: Node, operands: list[Value | None]) -> Value:
    """The value of a Conv or ConvTranspose node."""
    x, w = operands[0], operands[1]
    bias = operands[2] if len(operands) > 2 else None
    assert x is not None
    assert w is not None
    if to_const(w) is None:
        raise context.error("its weights are computed", "use constant weights")
    shape, group = shape_of(x), node.attrs["group"]
    assert isinstance(group, int)
    if node.op == "ConvTranspose":
        at = transposed(context, node, shape)
        if shape_of(w)[0] != shape[1] or shape[1] % group:
            raise _misfit(context, shape, shape_of(w), group)
        w = move(context, w, lambda a: _turned(a, group))
    else:
        at = geometry(context, node, shape)
    kernel = shape_of(w)
    if len(kernel) != len(shape) or kernel[1] * group != shape[1] or kernel[0] % group:
        raise _misfit(context, shape, kernel, group)
    if isinstance(x, Unknown):
        return Unknown((shape[0], kernel[0], *at.out[4 - len(shape) :]))
    value = _product(context, x, w, at, group)
    if bias is None:
        return value
    spread = move(context, bias, lambda b: b.reshape(1, -1, *(1,) * (len(shape) - 2)))
    return elementwise(context, "Add", [value, spread], {})


def _misfit(
    context: Context, shape: tuple[int, ...], kernel: tuple[int, ...], group: int
) -> ModelError:
    return context.error(
        f"weights {kernel} in {group} groups do not fit the input {shape}", "check the model"
    )


def _turned(w: np.ndarray, group: int) -> np.ndarray:
    """Case 4: (C, M / group, ...) -> (M, C / group, ...), each kernel turned around."""
    inputs, outputs, *size = w.shape
    parts = w.reshape(group, inputs // group, outputs, *size).swapaxes(1, 2)
    whole = parts.reshape(group * outputs, inputs // group, *size)
    return np.flip(whole, axis=tuple(range(2, whole.ndim)))


def _product(context: Context, x: Value, w: Value, at: Geometry, group: int) -> Value:
    integers = context.integers(x)
    if isinstance(integers.tensor, Codes):
        raise context.error("its input is a constant", "fold the constant part of the model")
    axes = ImageAxes(len(integers.tensor.shape), tuple(range(2, len(integers.tensor.shape))))
    codes, scale = _weights(context, w, _channel_scales(context, integers), group)
    image = axes.image(context, integers.tensor)
    seen = context.builder.window(
        image, at.kernel, strides=at.strides, dilations=at.dilations, pads=at.pads,
        upsample=at.upsample, groups=group, name=f"{context.hint}_window",
    )  # fmt: skip
    if group == 1:
        matrix = codes.transpose(2, 3, 1, 0).reshape(-1, len(codes))
        made = context.builder.matmul(seen, matrix, name=context.hint)
    else:
        parts = codes.reshape(group, -1, *codes.shape[1:]).transpose(0, 3, 4, 2, 1)
        matrices = parts.reshape(group, -1, len(codes) // group)
        made = context.builder.grouped_matmul(seen, matrices, name=context.hint)
    made = axes.tensor(context, _cropped(context, made, at))
    return scaled(made, compress(scale.reshape(-1, *(1,) * (len(axes.order) - 2))[None]))


def _cropped(context: Context, x: Tensor, at: Geometry) -> Tensor:
    if not any(at.crop):
        return x
    index = np.arange(x.size).reshape(x.shape)
    top, left, bottom, right = at.crop
    kept = index[..., top : x.shape[-3] - bottom, left : x.shape[-2] - right, :]
    return context.builder.reorder(x, kept, name=context.hint)


def _channel_scales(context: Context, integers: Integers) -> np.ndarray:
    """float64 (C,) or (1,): the scale of each input channel."""
    scale = full_rank(integers.scale, len(integers.tensor.shape))
    if scale.size != scale.shape[1]:
        raise context.error(
            "the scale of its input changes from pixel to pixel",
            "put a quantiser in front of it (behind an average over padded windows)",
        )
    return scale.reshape(-1)


def _weights(
    context: Context, w: Value, x_scale: np.ndarray, group: int
) -> tuple[np.ndarray, np.ndarray]:
    """(codes int64 (M, C / group, KH, KW), float64 (M,) scale of each product); case 1."""
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
    codes, w_scale = pair
    if codes.ndim == 3:
        codes, w_scale = codes[:, :, None], w_scale[:, :, None] if w_scale.ndim == 3 else w_scale
    outputs, inputs = codes.shape[:2]
    channels = np.broadcast_to(x_scale, (group * inputs,)).reshape(group, 1, inputs)
    each = np.broadcast_to(channels, (group, outputs // group, inputs))
    each = each.reshape(outputs, inputs)[:, :, None, None]
    total = np.broadcast_to(w_scale * each, codes.shape)
    least = np.abs(total).min(axis=(1, 2, 3), keepdims=True)
    shift = power_of_two(np.abs(total) / least)
    if shift is None or shift.max() > _MOST_SHIFT:
        raise context.error(
            "a scale changes among the elements of one sum by other than powers of two",
            "share the quantiser of its input channels, or use power-of-two scales",
        )
    return codes * np.sign(total).astype(np.int64) * (1 << shift), least.reshape(-1)
