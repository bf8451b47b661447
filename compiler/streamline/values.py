"""What the streamliner knows of a tensor while it walks the graph.

| value | meaning |
|---|---|
| `Const` | a constant array |
| `Lazy` | a pending float32 expression of one integer (or raw, or constant) tensor |
| `Unknown` | depends on a loop state whose scale is not known yet; only its shape is |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thresher.compiler.expr import Expr, Leaf, evaluate, map_constants
from thresher.compiler.integer.ir import Tensor

if TYPE_CHECKING:
    from thresher.compiler.streamline.context import Context

__all__ = [
    "Codes",
    "Const",
    "Deferred",
    "Layout",
    "Lazy",
    "Raw",
    "Unknown",
    "Value",
    "compress",
    "full_rank",
    "relabel",
    "shape_of",
    "to_const",
]

Layout = Callable[[np.ndarray], np.ndarray]
"""A function that moves elements and computes nothing: transpose, reshape, slice, ..."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Elements of a float model input that no quantiser has closed yet.

    :param source: the model input's name.
    :param index: int64: the flat index in the source of each element; in a loop body with a leading
        axis over the steps.
    :param home: the loop body it is seen from, or None at the top.
    """

    source: str
    index: np.ndarray
    home: "Context | None" = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as the walker sees it."""
        return self.index.shape[1:] if self.home is not None else self.index.shape


@dataclass(frozen=True, eq=False)
class Deferred:
    """What a node makes of float elements that a quantiser behind it has yet to close.

    The node selects elements, moves them or adds constants, so that it may as well do so with the
    quantiser's codes. An expression of it must not change along `axes`.

    :param base: what the node reads: a pending value of raw or deferred elements.
    :param axes: along which elements meet, of `base` as of the result.
    :param make: from the codes of `base`, and the expression of the result's elements that gives
        codes, to the codes of the result.
    """

    base: "Lazy"
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    make: "Callable[[Context, Tensor, Expr], Tensor]"

    @property
    def source(self) -> str:
        """The model input's name."""
        assert isinstance(self.base.tensor, Raw | Deferred)
        return self.base.tensor.source


@dataclass(frozen=True, eq=False)
class Codes:
    """A constant integer tensor, such as the codes of a weight (int64)."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape


@dataclass(frozen=True, eq=False)
class Const:
    """A constant of any element type."""

    array: np.ndarray


@dataclass(frozen=True, eq=False)
class Lazy:
    """`expr` of each element of `tensor`; constants in `expr` have the tensor's rank."""

    tensor: Tensor | Raw | Deferred | Codes
    expr: Expr = Leaf()


@dataclass(frozen=True)
class Unknown:
    """A value that waits for the scale of a loop state."""

    shape: tuple[int, ...]


Value = Const | Lazy | Unknown


def shape_of(value: Value) -> tuple[int, ...]:
    """Shape of the value."""
    if isinstance(value, Const):
        return value.array.shape
    if isinstance(value, Lazy):
        return value.tensor.shape
    return value.shape


def to_const(value: Value) -> Const | None:
    """The value as a plain constant where it is one, else None."""
    if isinstance(value, Const):
        return value
    if isinstance(value, Lazy) and isinstance(value.tensor, Codes):
        return Const(evaluate(value.expr, value.tensor.array))
    return None


def full_rank(array: np.ndarray, rank: int) -> np.ndarray:
    """The array with leading axes of 1 up to `rank`."""
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


def compress(array: np.ndarray) -> np.ndarray:
    """The array with each axis along which nothing changes cut to 1."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    return array


def relabel(expr: Expr, shape: tuple[int, ...], layout: Layout) -> Expr:
    """The expression of a tensor of `shape` after its elements moved by `layout`."""
    return map_constants(
        expr, lambda c: compress(layout(np.broadcast_to(full_rank(c, len(shape)), shape)))
    )
