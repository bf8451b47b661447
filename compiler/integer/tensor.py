"""A tensor of the integer graph."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Tensor"]


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
