"""Checks of kernel parameters and of the arrays a kernel's integer model is given."""

from collections.abc import Collection

import numpy as np

from thresher.rtl.kernel import Port

__all__ = [
    "check_choice", "check_int", "check_interval", "greatest_sum", "integer_array",
    "integer_bias", "stream_rows",
]  # fmt: skip

_SAFE = 2.0**60


def check_int(name: str, value: object, least: int | None = None) -> None:
    """`value` must be an int, and at least `least` where that is given."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value!r}")


def check_interval(name: str, lo: object, hi: object) -> None:
    """`lo` and `hi` must be ints that bound a non-empty interval."""
    check_int(f"{name}'s lo", lo)
    check_int(f"{name}'s hi", hi)
    if lo > hi:  # type: ignore[operator]
        raise ValueError(f"{name} must be a non-empty interval, not [{lo}, {hi}]")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """`value` must be one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def integer_array(name: str, value: object, dims: int) -> np.ndarray:
    """A read-only int64 copy of an integer array with `dims` dimensions, none of them empty."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be an array of integers, not of {array.dtype}")
    if array.ndim != dims or not array.size:
        raise ValueError(f"{name} must have {dims} non-empty dimensions, not shape {array.shape}")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit in int64, not reach {array.max()}")
    array = np.array(array, dtype=np.int64, order="C")
    array.setflags(write=False)
    return array


def integer_bias(value: object, count: int) -> np.ndarray:
    """A read-only int64 copy of a bias of so many elements."""
    bias = integer_array("bias", value, 1)
    if bias.shape != (count,):
        raise ValueError(f"bias must have shape ({count},), not {bias.shape}")
    return bias


def greatest_sum(weights: np.ndarray, biases: np.ndarray, lo: int, hi: int) -> int:
    """No sum of products, nor any part of it, exceeds this in magnitude.

    :param weights: int64 (K, N).
    :param biases: int64 (N,).
    """
    greatest = max(abs(lo), abs(hi))
    about = np.abs(weights.astype(np.float64)).sum(axis=0) * greatest
    if (about + np.abs(biases.astype(np.float64))).max() >= _SAFE:  # too much for int64
        weights, biases = weights.astype(object), biases.astype(object)
    return int((np.abs(weights).sum(axis=0) * greatest + np.abs(biases)).max())


def stream_rows(name: str, value: np.ndarray, port: Port) -> np.ndarray:
    """An int64 array (N, port.elements) whose elements lie in the port's interval."""
    rows = np.asarray(value, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != port.elements:
        raise ValueError(f"{name} must have shape (N, {port.elements}), not {rows.shape}")
    if rows.size and (rows.min() < port.lo or rows.max() > port.hi):
        raise ValueError(
            f"{name} must lie in [{port.lo}, {port.hi}], not [{rows.min()}, {rows.max()}]"
        )
    return rows
