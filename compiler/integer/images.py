"""Nodes that images have: windows, products of groups, reductions, repetition.

An image is (..., H, W, C), channels last; what stands before is a number of images, one after the
other. A signal of one dimension is an image with H = 1. A convolution is a `Window` and behind it a
MatMul (or a `GroupedMatMul`), pooling a `Window` and behind it a `Reduce`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from thresher.compiler.integer.tensor import Tensor, Unary

__all__ = ["GroupedMatMul", "Reduce", "Repeat", "Window"]


@dataclass(frozen=True, eq=False)
class Window(Unary):
    """What a kernel sees at each of its places: x (..., H, W, C) -> (..., OH, OW, KH * KW * C).

    The image is first made wider: between two rows stand ``upsample[0] - 1`` more, between two
    columns ``upsample[1] - 1``, and `pads` more stand around it; all these elements are `fill`. At
    place (oh, ow) the kernel's element (kh, kw) lies on row ``oh * strides[0] + kh * dilations[0]``
    and column ``ow * strides[1] + kw * dilations[1]`` of this wider image. The elements of a place
    come in the order (group, kh, kw, channel in group), channel c being in group c // (C / groups).

    :param kernel: KH, KW.
    :param pads: top, left, bottom, right; none negative.
    :param groups: divides C. With 1 the order is (kh, kw, c).
    """

    x: Tensor
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    upsample: tuple[int, int]
    groups: int
    fill: int
    out: Tensor


@dataclass(frozen=True, eq=False)
class GroupedMatMul(Unary):
    """out[..., g * N + n] = sum_k x[..., g * K + k] * weights[g, k, n] + bias[g * N + n].

    :param weights: int64 (G, K, N).
    :param bias: int64 (G * N,), or None.
    """

    x: Tensor
    weights: np.ndarray
    bias: np.ndarray | None
    out: Tensor


@dataclass(frozen=True, eq=False)
class Reduce(Unary):
    """The greatest or the sum along the middle axis: x (..., K, C) -> (..., C)."""

    op: Literal["max", "sum"]
    x: Tensor
    out: Tensor


@dataclass(frozen=True, eq=False)
class Repeat(Unary):
    """Every pixel `columns` times, every row `rows` times: (..., H, W, C) -> (..., HR, WR, C).

    out[..., i, j, c] = x[..., i // rows, j // columns, c]; HR = H * rows, WR = W * columns.
    """

    x: Tensor
    rows: int
    columns: int
    out: Tensor
