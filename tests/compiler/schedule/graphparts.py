"""What the small integer graphs of these tests are made of."""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Tensor
from thresher.rtl.stepfunction import StepFunction

__all__ = ["Rng", "quantise", "table", "weights"]


Rng = np.random.Generator


def weights(rng: Rng, k: int, n: int, bits: int = 4) -> np.ndarray:
    return rng.integers(-(1 << (bits - 1)) + 1, 1 << (bits - 1), (k, n))


def quantise(
    b: Builder, rng: Rng, x: Tensor, lo: int, hi: int, per_channel: bool = False
) -> Tensor:
    """A rising random step function of x onto lo..hi."""
    channels = x.shape[-1] if per_channel else 1
    shape = (channels, hi - lo)
    thresholds = np.sort(rng.integers(x.lo, x.hi + 2, shape), axis=1)
    function = StepFunction(x.lo, x.hi, thresholds, np.arange(lo, hi + 1)[None])
    return b.step(x, function, np.arange(channels) if per_channel else None)


def table(b: Builder, rng: Rng, x: Tensor, lo: int, hi: int) -> Tensor:
    """Any function of x onto lo..hi."""
    values = rng.integers(lo, hi + 1, (1, x.hi - x.lo + 1))
    return b.step(x, StepFunction.from_table(x.lo, values))
