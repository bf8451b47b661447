"""Where the elements of a `Window` come from, one axis at a time."""

import numpy as np

from thresher.compiler.integer.images import Window

__all__ = ["columns_of", "places", "rows_of"]


def places(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int], upsample: int
) -> np.ndarray:
    """int64 (O, K): the position along an axis of `size` of each of K elements at each of O places.

    -1 where `fill` stands. The formula is that of `Window`; O is 0 where the kernel does not fit.
    """
    wide = (size - 1) * upsample + 1
    count = (wide + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1
    at = np.arange(max(count, 0))[:, None] * stride + np.arange(kernel) * dilation - pads[0]
    real = (at >= 0) & (at < wide) & (at % upsample == 0)
    return np.where(real, at // upsample, -1)


def rows_of(node: Window) -> np.ndarray:
    """int64 (OH, KH): `places` along the rows."""
    return _along(node, 0)


def columns_of(node: Window) -> np.ndarray:
    """int64 (OW, KW): `places` along the columns."""
    return _along(node, 1)


def _along(node: Window, axis: int) -> np.ndarray:
    return places(
        node.x.shape[-3 + axis], node.kernel[axis], node.strides[axis], node.dilations[axis],
        (node.pads[axis], node.pads[axis + 2]), node.upsample[axis],
    )  # fmt: skip
