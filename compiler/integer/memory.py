"""Where the golden interpreter keeps its arrays.

An environment is a list with one array (N, *shape) a tensor. A tensor's arrays are float32 where
its interval lies within 2^24, float64 within 2^53, else int64: every value is exact. Arrays that
live from run to run spare the kernels the costs of fresh memory, page faults above all.
"""

from collections.abc import Callable

import numpy as np

from thresher.compiler.integer.ir import Tensor

__all__ = ["Env", "Kernel", "Memory", "dtype_of"]

Env = list[np.ndarray]
Kernel = Callable[[Env], None]


def dtype_of(*magnitudes: int) -> np.dtype:
    """The least dtype in which all integers up to the given magnitudes are exact."""
    most = max(abs(m) for m in magnitudes)
    if most < 1 << 24:
        return np.dtype(np.float32)
    return np.dtype(np.float64 if most < 1 << 53 else np.int64)


class Memory:
    """Gives out places in the environment."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._owned: dict[int, tuple[tuple[int, ...], np.dtype]] = {}

    def slot(self, x: Tensor) -> int:
        """The place of a tensor, in which kernels put arrays or views."""
        return self._slots.setdefault(x.name, len(self._slots))

    def own(self, x: Tensor) -> int:
        """The place of a tensor with an array of its own, which a kernel fills anew each time."""
        place = self.slot(x)
        self._owned[place] = (x.shape, dtype_of(x.lo, x.hi))
        return place

    def scratch(self, role: str, shape: tuple[int, ...], dtype: np.dtype) -> int:
        """The place of an array that holds nothing between kernels; one for all that ask alike."""
        name = f"scratch {role} {shape} {dtype}"
        place = self._slots.setdefault(name, len(self._slots))
        self._owned[place] = (shape, dtype)
        return place

    def environment(self, count: int) -> Env:
        """Arrays for N = `count`; a place that has none yet holds any array of length N."""
        env: Env = [np.empty(count)] * (len(self._slots) + 1)
        for place, (shape, dtype) in self._owned.items():
            env[place] = np.empty((count, *shape), dtype)
        return env
