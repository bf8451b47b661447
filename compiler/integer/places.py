"""Where an axis of samples stands in a tensor: places that mean the same, and what moving costs."""

from collections.abc import Iterable
from math import gcd, prod

import numpy as np

from thresher.compiler.integer.ir import Reorder

__all__ = ["cheapest_place", "place_of", "with_samples"]

_SOME = 2  # samples, to compare places by


def place_of(shape: tuple[int, ...], chunks: int) -> int | None:
    """The first place in the shape with this many elements before it, if there is one."""
    return next((p for p in range(len(shape) + 1) if prod(shape[:p]) == chunks), None)


def with_samples(
    index: np.ndarray, shape: tuple[int, ...], places: tuple[int, int], samples: int
) -> np.ndarray:
    """The index of a Reorder of each sample alone.

    :param index: int64 of the output's shape: of one sample, into its elements.
    :param shape: of one sample's input.
    :param places: of the axis of samples in the input and in the output.
    """
    before, after = places
    inner = prod(shape[before:])
    chunk, rest = np.divmod(index, inner)
    first = np.expand_dims(chunk * samples * inner + rest, after)
    number = np.arange(samples).reshape(-1, *(1,) * (index.ndim - after))
    return first + number * inner


def cheapest_place(node: Reorder, candidates: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The (place before, place after) for which a Reorder buffers least, the likest order first."""

    def cost(places: tuple[int, int]) -> tuple[int, bool]:
        before, after = places
        index = with_samples(node.index, node.x.shape, places, _SOME).reshape(-1)
        chunks = prod(node.x.shape[:before]), prod(node.out.shape[:after])
        return _buffered(index, node.x.size * _SOME), chunks[0] != chunks[1]

    return min(candidates, key=cost)


def _buffered(index: np.ndarray, size: int) -> int:
    """Elements of the least part of the input that alone makes a part of the output; 0 where
    elements are only dropped."""
    if (np.diff(index) > 0).all():
        return 0
    common = gcd(size, len(index))
    parts = (n for n in range(common, 0, -1) if common % n == 0)
    return size // next(
        n for n in parts if (index.reshape(n, -1) // (size // n) == np.arange(n)[:, None]).all()
    )
