"""Step functions that networks have, over intervals of any size, for the tests of their forms."""

from fractions import Fraction
from math import ceil

import numpy as np

from thresher.rtl.stepfunction import StepFunction

__all__ = ["activation", "requantise", "requantise_channels", "thresholds_of"]


def _ends(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


def thresholds_of(
    scale: float, bias: float, interval: tuple[int, int], out: tuple[int, int]
) -> list[int]:
    """Thresholds of ``round_half_even(a * scale + bias)``, clipped to `out`, by exact rationals."""
    found = []
    for k in range(out[0] + 1, out[1] + 1):
        at = (k - Fraction(1, 2) - Fraction(bias)) / Fraction(scale)
        t = ceil(at) + (at.denominator == 1 and k % 2)
        found.append(min(max(t, interval[0]), interval[1] + 1))
    return found


def requantise(
    scale: float, *, bits: int = 21, out_bits: int = 6, bias: float = 0.0
) -> StepFunction:
    """From `bits` to `out_bits`, both signed, one scale for all."""
    return requantise_channels([scale], bits=bits, out_bits=out_bits, biases=[bias])


def requantise_channels(
    scales: list[float], *, bits: int = 21, out_bits: int = 6, biases: list[float] | None = None
) -> StepFunction:
    """The same with a scale and a bias for each channel."""
    interval, out = _ends(bits), _ends(out_bits)
    biases = [0.0] * len(scales) if biases is None else biases
    rows = [thresholds_of(s, b, interval, out) for s, b in zip(scales, biases, strict=True)]
    values = np.arange(out[0], out[1] + 1)[None]
    return StepFunction(*interval, np.array(rows), values).minimal()


def activation(
    kind: str,
    scale: float,
    *,
    bits: int = 21,
    out_bits: int = 6,
    biases: tuple[float, ...] = (0.0,),
) -> StepFunction:
    """Sigmoid (unsigned) or tanh (signed) of ``a * scale + bias``, rounded, by channel."""
    lo, hi = _ends(bits)
    a = np.arange(lo, hi + 1)
    rows = []
    for bias in biases:
        x = a * scale + bias
        if kind == "sigmoid":
            y = np.clip(np.rint((1 << out_bits) / (1 + np.exp(-x))), 0, (1 << out_bits) - 1)
        else:
            y = np.clip(np.rint(np.tanh(x) * (1 << out_bits - 1)), *_ends(out_bits))
        rows.append(y.astype(np.int64))
    return StepFunction.from_table(lo, np.stack(rows)).minimal()
