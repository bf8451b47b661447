"""Constant arrays of the integer graph in normal form."""

import hashlib

import numpy as np

__all__ = ["compact", "digest", "ints", "ranked"]


def compact(array: np.ndarray, keep: int = 0) -> np.ndarray:
    """`array` with every axis along which it is constant (but the last `keep`) reduced to 1."""
    for axis in range(array.ndim - keep):
        if array.shape[axis] > 1:
            first = array.take([0], axis)
            if (array == first).all():
                array = first
    return array


def ints(array: np.ndarray | int) -> np.ndarray:
    """`array` as int64; TypeError where it holds anything but integers."""
    array = np.asarray(array)
    if array.dtype != np.int64:
        if array.dtype.kind not in "iub" or array.dtype == np.uint64:
            raise TypeError(f"constants must be integers, not {array.dtype}")
        array = array.astype(np.int64)
    return array


def ranked(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`array` with the rank of `shape`, to which it must broadcast; else ValueError."""
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if np.broadcast_shapes(array.shape, shape) != tuple(shape):
        raise ValueError(f"array must broadcast to {shape}, not {array.shape}")
    return array


def digest(array: np.ndarray | None) -> tuple[object, ...]:
    """Equal for equal arrays of one dtype; for sharing."""
    if array is None:
        return ()
    data = np.ascontiguousarray(array)
    return (array.shape, hashlib.blake2b(data.tobytes(), digest_size=16).digest())
