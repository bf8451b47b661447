"""A tensor of the integer graph, and its other shapes."""

from dataclasses import dataclass

import numpy as np

__all__ = ["OneOutput", "Reshape", "Tensor", "Unary"]


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


class OneOutput:
    """A node that makes one tensor."""

    out: Tensor

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,)


class Unary(OneOutput):
    """... of one other."""

    x: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Reshape(Unary):
    """The same elements in the same (row-major) order under another shape: no hardware."""

    x: Tensor
    out: Tensor
