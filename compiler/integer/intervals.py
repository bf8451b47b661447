"""Interval arithmetic of the integer graph, element by element: the one place it is defined.

`Bounds` are a tensor's least and greatest values, one pair an element, kept as small arrays that
broadcast to the tensor's shape. `Tensor.lo` and `Tensor.hi` are their extremes. A slice of a merged
MatMul is thus as narrow as it was before the merge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.arrays import compact
from thresher.compiler.integer.ir import Tensor
from thresher.rtl.stepfunction import StepFunction

__all__ = [
    "ACCUMULATOR_BITS",
    "AccumulatorOverflow",
    "Bounds",
    "of_argmax",
    "of_binary",
    "of_concat",
    "of_constant",
    "of_grouped_matmul",
    "of_matmul",
    "of_reduce",
    "of_reorder",
    "of_repeat",
    "of_reshape",
    "of_step",
    "of_tensor",
    "of_window",
    "stacked",
    "unstacked",
]

ACCUMULATOR_BITS = 62
_LIMIT = 2.0 ** (ACCUMULATOR_BITS - 1) * (1 - 1e-9)  # leaves room for float64's own rounding
_EXACT = 2.0**53


class AccumulatorOverflow(Exception):
    """A result, or a partial sum of it, may leave the signed 62-bit range."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Elementwise interval of a tensor.

    :param low: int64, of the tensor's rank, broadcasts to its shape.
    :param high: likewise, of the same shape as `low`.
    """

    low: np.ndarray
    high: np.ndarray

    @property
    def lo(self) -> int:
        """Least value of any element."""
        return int(self.low.min())

    @property
    def hi(self) -> int:
        """Greatest value of any element."""
        return int(self.high.max())

    def compact(self) -> "Bounds":
        """The same bounds with every axis along which they are constant reduced to 1."""
        both = compact(np.stack([self.low, self.high], axis=-1), keep=1)
        return Bounds(both[..., 0], both[..., 1])

    def broadcast(self, shape: tuple[int, ...]) -> "Bounds":
        """The same bounds, one pair an element of `shape`."""
        return Bounds(np.broadcast_to(self.low, shape), np.broadcast_to(self.high, shape))


def of_tensor(tensor: Tensor) -> Bounds:
    """The same interval for all elements of a tensor of which no more is known."""
    ones = (1,) * len(tensor.shape)
    return Bounds(np.full(ones, tensor.lo, np.int64), np.full(ones, tensor.hi, np.int64))


def of_constant(array: np.ndarray) -> Bounds:
    """Each element of a constant is its own interval."""
    return Bounds(array, array).compact()


def of_matmul(x: Bounds, weights: np.ndarray, bias: np.ndarray | None) -> Bounds:
    """Bounds of ``x @ weights + bias``; AccumulatorOverflow beyond 62 bits in any order of sums."""
    shape = x.low.shape[:-1] + (weights.shape[0],)
    x = x.broadcast(shape)
    offset = np.zeros(weights.shape[1], np.int64) if bias is None else bias
    absolute = np.maximum(np.abs(x.low), np.abs(x.high)).astype(np.float64)
    most = absolute @ np.abs(weights).astype(np.float64) + np.abs(offset).astype(np.float64)
    if most.size and most.max() > _LIMIT:
        raise AccumulatorOverflow(f"{int(most.max()).bit_length() + 1} bits")
    dtype = np.float64 if not most.size or most.max() < _EXACT else np.int64
    rising, falling = np.maximum(weights, 0).astype(dtype), np.minimum(weights, 0).astype(dtype)
    low, high = x.low.astype(dtype), x.high.astype(dtype)
    return Bounds(
        (low @ rising + high @ falling).astype(np.int64) + offset,
        (high @ rising + low @ falling).astype(np.int64) + offset,
    ).compact()


def of_binary(op: str, x: Bounds, y: Bounds, shift_x: int, shift_y: int, same: bool) -> Bounds:
    """Bounds of ``(x << shift_x) op (y << shift_y)`` by its corners.

    :param same: both operands are one and the same tensor.
    :raises AccumulatorOverflow: beyond 62 bits.
    """
    size = [
        float(max(abs(b.lo), abs(b.hi))) * 2.0**shift for b, shift in ((x, shift_x), (y, shift_y))
    ]
    most = size[0] * size[1] if op == "mul" else size[0] + size[1]
    if max(most, *size) > _LIMIT:
        raise AccumulatorOverflow(f"{int(max(most, *size)).bit_length() + 1} bits")
    x = Bounds(x.low << shift_x, x.high << shift_x)
    y = Bounds(y.low << shift_y, y.high << shift_y)
    if op == "add":
        return Bounds(x.low + y.low, x.high + y.high).compact()
    if op == "sub" and same:
        ends = (x.low - y.low, x.high - y.high)
    elif op == "sub":
        ends = (x.low - y.high, x.high - y.low)
    elif op == "mul" and same:
        square = Bounds(np.minimum(x.low**2, x.high**2), np.maximum(x.low**2, x.high**2))
        crosses = (x.low < 0) & (x.high > 0)
        ends = (np.where(crosses, 0, square.low), square.high)
    elif op == "mul":
        corners = (x.low * y.low, x.low * y.high, x.high * y.low, x.high * y.high)
        ends = (np.minimum.reduce(corners), np.maximum.reduce(corners))
    else:
        raise ValueError(f"op must be 'add', 'sub' or 'mul', not {op!r}")
    return Bounds(np.minimum(*ends), np.maximum(*ends)).compact()


def of_step(x: Bounds, function: StepFunction, channel: np.ndarray | None) -> Bounds:
    """The least and greatest values that each element's channel reaches on its interval."""
    if channel is None:
        channel = np.zeros((1,) * x.low.ndim, np.int64)
    shape = np.broadcast_shapes(x.low.shape, channel.shape)
    whole = x.broadcast(shape)
    columns = [np.broadcast_to(channel, shape), whole.low, whole.high]
    keys = np.stack([c.reshape(-1) for c in columns], axis=1)
    cases, back = np.unique(keys, axis=0, return_inverse=True)
    found = np.empty((len(cases), 2), np.int64)
    values = np.broadcast_to(function.values, (function.channels, function.values.shape[1]))
    for row, (c, lo, hi) in enumerate(cases):
        first, last = np.searchsorted(function.thresholds[c], (lo, hi), side="right")
        reached = values[c, first : last + 1]
        found[row] = reached.min(), reached.max()
    ends = found[back.reshape(-1)].reshape(*shape, 2)
    return Bounds(ends[..., 0], ends[..., 1]).compact()


def of_reshape(x: Bounds, shape: tuple[int, ...], out: tuple[int, ...]) -> Bounds:
    """Bounds of a tensor of `shape` under the shape `out`."""
    if x.low.size == 1:
        ones = (1,) * len(out)
        return Bounds(x.low.reshape(ones), x.high.reshape(ones))
    whole = x.broadcast(shape)
    return Bounds(whole.low.reshape(out), whole.high.reshape(out)).compact()


def of_reorder(x: Bounds, shape: tuple[int, ...], index: np.ndarray) -> Bounds:
    """Bounds of ``x.flat[index]`` for x of `shape`."""
    if x.low.size == 1:
        return of_reshape(x, shape, index.shape)
    whole = x.broadcast(shape)
    return Bounds(whole.low.reshape(-1)[index], whole.high.reshape(-1)[index]).compact()


def of_concat(xs: Sequence[Bounds], shapes: Sequence[tuple[int, ...]], axis: int) -> Bounds:
    """Bounds of tensors of `shapes` one after the other along `axis`."""
    wholes = [x.broadcast(shape) for x, shape in zip(xs, shapes, strict=True)]
    return Bounds(
        np.concatenate([w.low for w in wholes], axis),
        np.concatenate([w.high for w in wholes], axis),
    ).compact()


def of_argmax(x: Bounds, size: int, k: int = 1) -> tuple[Bounds, Bounds]:
    """Bounds of the indices among `size` elements and of the k greatest elements themselves.

    The n-th greatest element only grows with each of them: it lies between the n-th greatest of
    the least values and that of the greatest ones.
    """
    ones = (1,) * x.low.ndim
    index = Bounds(np.zeros(ones, np.int64), np.full(ones, size - 1, np.int64))

    def greatest(array: np.ndarray) -> np.ndarray:
        whole = np.broadcast_to(array, (*array.shape[:-1], size))
        return np.sort(whole, axis=-1)[..., ::-1][..., :k]

    return index, Bounds(greatest(x.low), greatest(x.high)).compact()


def of_window(
    x: Bounds, shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray, groups: int, fill: int
) -> Bounds:
    """Bounds of a `Window` of x of `shape` (..., H, W, C), the same at all its places.

    :param rows: `windows.places` along the rows; `columns`: along the columns.
    """
    channels = shape[-1]
    outside = [np.asarray((places < 0).any(axis=0)) for places in (rows, columns)]
    filled = outside[0][:, None] | outside[1]  # (KH, KW)

    def ends(array: np.ndarray, hull: np.ufunc) -> np.ndarray:
        whole = np.broadcast_to(array, (*array.shape[:-1], channels))
        seen = hull.reduce(whole, axis=(-3, -2), keepdims=True)  # (..., 1, 1, C)
        seen = seen.reshape(*seen.shape[:-1], groups, 1, 1, channels // groups)
        kernel = np.where(filled[..., None], hull(seen, fill), seen)  # (..., G, KH, KW, C / G)
        return np.ascontiguousarray(kernel).reshape(*seen.shape[:-4], -1)

    return Bounds(ends(x.low, np.minimum), ends(x.high, np.maximum)).compact()


def of_grouped_matmul(
    x: Bounds, shape: tuple[int, ...], weights: np.ndarray, bias: np.ndarray | None
) -> Bounds:
    """Bounds of a `GroupedMatMul` of x of `shape`; AccumulatorOverflow as of `of_matmul`."""
    groups, inner, width = weights.shape
    whole = x.broadcast((*x.low.shape[:-1], shape[-1]))
    bias = None if bias is None else bias.reshape(groups, width)
    parts = [
        of_matmul(
            Bounds(*(a[..., g * inner : (g + 1) * inner] for a in (whole.low, whole.high))),
            weights[g],
            None if bias is None else bias[g],
        ).broadcast((*whole.low.shape[:-1], width))
        for g in range(groups)
    ]
    return Bounds(
        np.concatenate([p.low for p in parts], axis=-1),
        np.concatenate([p.high for p in parts], axis=-1),
    ).compact()


def of_reduce(op: str, x: Bounds, shape: tuple[int, ...]) -> Bounds:
    """Bounds of a `Reduce` of x of `shape`; AccumulatorOverflow beyond 62 bits."""
    if op == "max":
        return Bounds(x.low.max(axis=-2), x.high.max(axis=-2)).compact()
    count = shape[-2]
    most = float(max(abs(x.lo), abs(x.hi))) * count
    if most > _LIMIT:
        raise AccumulatorOverflow(f"{int(most).bit_length() + 1} bits")
    times = count if x.low.shape[-2] == 1 else 1
    return Bounds(x.low.sum(axis=-2) * times, x.high.sum(axis=-2) * times).compact()


def of_repeat(x: Bounds, rows: int, columns: int) -> Bounds:
    """Bounds of a `Repeat`."""

    def repeated(array: np.ndarray) -> np.ndarray:
        for axis, times in ((-3, rows), (-2, columns)):
            array = array if array.shape[axis] == 1 else array.repeat(times, axis)
        return array

    return Bounds(repeated(x.low), repeated(x.high))


def stacked(x: Bounds) -> Bounds:
    """Bounds of a scan output, a leading axis of steps before those of one step."""
    return Bounds(x.low[None], x.high[None])


def unstacked(x: Bounds) -> Bounds:
    """Bounds of one step of a scan input: the hull over its leading axis."""
    return Bounds(x.low.min(axis=0), x.high.max(axis=0))
