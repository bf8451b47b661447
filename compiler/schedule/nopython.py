"""Numba as it is used here: functions of arrays of records, compiled once for this machine.

They count no references, which would take most of the time, and so may make no arrays
(`_nrt`). The machine code is kept in `__pycache__` beside the module or, where that cannot be
written, in the user's cache folder (`NUMBA_CACHE_DIR` names another one); where there is no such
folder either, every process compiles anew, which takes seconds.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numba
import numpy as np

__all__ = ["compiled", "part"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Mapping[str, Any] = {"_nrt": False}


def part(function: F) -> F:
    """A function that compiled ones of the same module call, and that becomes part of them."""
    return cast(F, numba.njit(forceinline=True, **_OPTIONS)(function))


def compiled(*arrays: np.dtype) -> Callable[[F], F]:
    """Compile a function that takes contiguous arrays of these and returns an integer.

    All that it calls must stand in its module, for Numba sees changes in that file alone.
    """
    signature = numba.int64(*(numba.from_dtype(kind)[::1] for kind in arrays))

    def decorate(function: F) -> F:
        try:
            return cast(F, numba.njit(signature, cache=True, **_OPTIONS)(function))
        except RuntimeError:  # no folder can be written
            return cast(F, numba.njit(signature, **_OPTIONS)(function))

    return decorate
