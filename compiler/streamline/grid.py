"""Integer codes and scale of constants that reach an operator as floats."""

import numpy as np

__all__ = ["codes_of"]

_MOST = 255  # the largest code looked for: 8 bits
_CLOSE = 2.0**-21


def codes_of(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(codes int64, scale float64) with array = codes * scale up to float32 rounding, or None.

    1. Integers are their own codes.
    2. One scale for all elements: the greatest magnitude divided by 1, 2, ... 255.
    3. A scale for each entry of the last axis (output channels of ``x @ W``), found likewise.
    4. The same for the first axis (output channels of ``W @ x``).
    """
    if not np.isfinite(array).all():
        return None
    values = array.astype(np.float64)
    if (values == np.rint(values)).all() and np.abs(values).max(initial=0) < 2.0**31:
        return values.astype(np.int64), np.ones(())
    scale = _grid(values.reshape(1, -1))
    if scale is not None:
        return np.rint(values / scale[0]).astype(np.int64), scale.reshape(())
    for axis in (-1, 0):
        if values.ndim >= 2:
            rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
            scale = _grid(rows)
            if scale is not None:
                shape = [1] * values.ndim
                shape[axis] = values.shape[axis]
                scale = scale.reshape(shape)
                return np.rint(values / scale).astype(np.int64), scale
    return None


def _grid(rows: np.ndarray) -> np.ndarray | None:
    """float64 (R,): the coarsest scale of each row's grid, or None where some row has none."""
    scales = np.ones(len(rows))
    for r, row in enumerate(rows):
        magnitude = np.abs(row)
        peak = magnitude.max(initial=0)
        if peak == 0:
            continue
        for k in range(1, _MOST + 1):
            codes = magnitude * (k / peak)
            if (np.abs(codes - np.rint(codes)) <= _CLOSE * codes).all():
                scales[r] = peak / k
                break
        else:
            return None
    return scales
