"""What a Reorder does to the axes of images: bijections, and their factors."""

import numpy as np

from thresher.compiler.integer.ir import Reorder

__all__ = ["factors", "inverse", "is_turn", "sorted_axes"]


def factors(index: np.ndarray) -> list[tuple[int, int]] | None:
    """[(size, stride), ...], outermost first, of an index that is affine in them; None for others.

    index.flat[j] is index.flat[0] plus the sum of stride times digit of j, for the digits of j in
    the mixed radix of the sizes.
    """
    left = index.reshape(-1) - index.flat[0]
    found: list[tuple[int, int]] = []
    while len(left) > 1:
        stride = int(left[1])
        wrong = np.flatnonzero(left != np.arange(len(left)) * stride)
        run = int(wrong[0]) if len(wrong) else len(left)
        if len(left) % run:
            return None
        rows = left.reshape(-1, run)
        if (rows - rows[:, :1] != np.arange(run) * stride).any():
            return None
        found.insert(0, (run, stride))
        left = rows[:, 0]
    return found


def is_turn(node: Reorder) -> bool:
    """Whether a Reorder keeps all elements and only turns axes (of any shape with its size)."""
    if node.index.size != node.x.size:
        return False
    found = factors(node.index)
    if found is None or min((stride for _, stride in found), default=1) < 1:
        return False
    expected = 1
    for size, stride in sorted(found, key=lambda f: f[1]):
        if stride != expected:
            return False
        expected *= size
    return expected == node.x.size


def inverse(index: np.ndarray) -> np.ndarray:
    """int64, flat: where each element of the source of a bijection goes."""
    back = np.empty(index.size, np.int64)
    back[index.reshape(-1)] = np.arange(index.size)
    return back


def sorted_axes(index: np.ndarray) -> tuple[int, ...] | None:
    """The order of an index's axes in which its strides fall; axes of 1 come first.

    None where the index is not affine in its axes, a stride is not positive, or the axes are in
    that order already.
    """
    strides = []
    line = np.asarray(index.flat[0])
    for axis, size in enumerate(index.shape):
        at = [0] * index.ndim
        at[axis] = min(1, size - 1)
        stride = int(index[tuple(at)] - index.flat[0])
        if size > 1 and stride < 1:
            return None
        strides.append(stride if size > 1 else 1 << 62)
        line = line + (np.arange(size) * stride).reshape(-1, *(1,) * (index.ndim - axis - 1))
    if (line != index).any():
        return None
    order = tuple(sorted(range(index.ndim), key=lambda k: -strides[k]))
    moved = [k for k in order if index.shape[k] > 1]
    return None if moved == sorted(moved) else order
