"""A tensor of the integer graph, and its other shapes."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Reshape", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """An integer tensor; names are unique in a graph, loop bodies included.

    :param lo: least value of any element.
    :param hi: greatest value of any element.
    """

    name: str
    shape: tuple[int, ...]
    lo: int
    hi: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Reshape:
    """The same elements in the same (row-major) order under another shape: no hardware."""

    x: Tensor
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,)
