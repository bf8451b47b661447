"""Where the elements of a `Window` come from, one axis at a time."""

import numpy as np

from thresher.compiler.integer.images import Window
from thresher.rtl.windowplan import places

__all__ = ["columns_of", "rows_of"]


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
