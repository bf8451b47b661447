"""Kernels of images, small and large, whose longest paths `paths.py` looks at."""

from collections.abc import Iterator

import numpy as np

from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.reduce import Reduce
from thresher.rtl.repeat import Repeat
from thresher.rtl.window import Window

__all__ = ["image_kernels"]


def image_kernels() -> Iterator[tuple[str, Kernel]]:
    """Names and kernels."""
    bits = {"lo": -128, "hi": 127}
    same = {"kernel": (3, 3), "pads": (1, 1, 1, 1), **bits}
    yield "Window 3 x 3 of 28 x 28", Window(height=28, width=28, channels=16, lanes=4, **same)
    yield (
        "Window 3 x 3 of 96 x 96, bram",
        Window(height=96, width=96, channels=24, groups=3, lanes=1, memory="block", **same),
    )
    turned = {"kernel": (4, 4), "pads": (2, 2, 2, 2), "upsample": (2, 2)}
    yield (
        "Window 4 x 4, upsampled",
        Window(height=14, width=14, channels=5, lanes=1, **turned, **bits),
    )
    for op in ("max", "sum"):
        for channels in (2, 96):
            yield (
                f"Reduce {op} of {channels} channels",
                Reduce(op=op, count=49, channels=channels, lanes=2, **bits),
            )
    for memory in ("lutram", "block"):
        yield (
            f"Repeat 2 x 2, {memory}",
            Repeat(width=28, channels=12, rows=2, columns=2, lanes=2, memory=memory, **bits),
        )
    weights = np.random.default_rng(3).integers(-128, 128, (9, 64))
    yield "MVAU of 64 groups", MVAU(weights=weights, pe=1, simd=3, groups=64, i_lo=-128, i_hi=127)
