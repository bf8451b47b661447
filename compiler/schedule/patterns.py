"""Periods of element orders and of constants: what a kernel must repeat, and no more."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Order", "divisors", "order_of", "periodic", "row_length", "shortest_period"]


def divisors(n: int) -> tuple[int, ...]:
    """The positive divisors of n, ascending."""
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(sorted({*small, *(n // d for d in small)}))


def row_length(shape: tuple[int, ...]) -> int:
    """The innermost dimension that is not 1 (1 where there is none): what lanes may divide."""
    return next((d for d in reversed(shape) if d != 1), 1)


def shortest_period(values: np.ndarray) -> int:
    """The least divisor p of the size with ``values[j + p] == values[j]`` throughout."""
    size = len(values)
    return next(p for p in divisors(size) if (values[p:] == values[: size - p]).all())


def periodic(constant: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One shortest period of the constant, broadcast to `shape`, in stream order."""
    flat = np.broadcast_to(np.asarray(constant, dtype=np.int64), shape).reshape(-1)
    return np.ascontiguousarray(flat[: shortest_period(flat)])


@dataclass(frozen=True, eq=False)
class Order:
    """Period by period: element j of the output's period is element index[j] of the input's.

    :param size: elements in one period of the input.
    :param index: int64, one entry per element of the output's period.
    """

    size: int
    index: np.ndarray

    @property
    def kept(self) -> bool:
        """The output is the input."""
        return len(self.index) == self.size and bool((self.index == np.arange(self.size)).all())

    @property
    def increasing(self) -> bool:
        """Elements are only dropped."""
        return bool((np.diff(self.index) > 0).all())

    @property
    def segment(self) -> tuple[int, int] | None:
        """(first, past the last) where the output is one contiguous part of the period."""
        return (
            (int(self.index[0]), int(self.index[-1]) + 1)
            if (np.diff(self.index) == 1).all()
            else None
        )

    def moves_beats(self, lanes: int) -> bool:
        """Whether the order moves whole beats of this many elements."""
        if self.size % lanes or len(self.index) % lanes:
            return False
        beats = self.index.reshape(-1, lanes)
        whole = (beats == beats[:, :1] + np.arange(lanes)).all()
        return bool(whole and (beats[:, 0] % lanes == 0).all())

    def in_beats(self, lanes: int) -> tuple[int, ...]:
        """The index in beats of `lanes` elements, which `moves_beats`."""
        return tuple(int(k) for k in self.index[::lanes] // lanes)


def order_of(index: np.ndarray, size: int) -> Order:
    """The order of ``out.flat[j] = x.flat[index.flat[j]]`` for x of `size`, by shortest period."""
    flat = np.asarray(index, dtype=np.int64).reshape(-1)
    for periods in sorted(divisors(int(np.gcd(size, len(flat)))), reverse=True):
        step = size // periods
        table = flat.reshape(periods, -1)
        first = table[0]
        inside = first.min() >= 0 and first.max() < step
        if inside and (table == first + np.arange(periods)[:, None] * step).all():
            return Order(step, first)
    raise ValueError(f"index must lie in 0..{size - 1}, not reach {flat.min()}..{flat.max()}")
