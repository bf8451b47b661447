"""Forms that a pending expression can be brought to."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from thresher.compiler import analysis
from thresher.compiler.expr import Apply, Constant, Expr, Leaf

__all__ = [
    "ROUNDING_ERROR",
    "Alignment",
    "aligned",
    "inner_scales",
    "offset_codes",
    "power_of_two",
    "split_integer",
    "trailing_zeros",
]

_MOST_SHIFT = 24
_MOST_FACTOR = 255

ROUNDING_ERROR = 2.0**-22
"""Relative error of a constant that was rounded to float32 once or twice."""


def power_of_two(ratio: np.ndarray) -> np.ndarray | None:
    """int64 k with ratio = 2**k exactly, or None where some entry is no power of two."""
    mantissa, exponent = np.frexp(ratio)
    return exponent.astype(np.int64) - 1 if (mantissa == 0.5).all() else None


def trailing_zeros(number: int) -> int:
    """How often 2 divides a number, which is not 0."""
    return (number & -number).bit_length() - 1


@dataclass(frozen=True, eq=False)
class Alignment:
    """One scale for two: the one is ``x * scale``, the other ``y * scale``, exactly.

    :param x: int64, at least 1; `y` likewise, and of the same shape.
    """

    scale: np.ndarray
    x: np.ndarray
    y: np.ndarray


def aligned(x: np.ndarray, y: np.ndarray) -> Alignment | None:
    """The greatest scale of which both, of equal signs, are small multiples; None: there is none.

    Small is up to 255, times a power of two.
    """
    one, other = np.broadcast_arrays(x, y)
    if not (np.all(one) and np.all(other)):
        return None
    pairs = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
    ratios = [Fraction(a) / Fraction(b) for a, b in pairs]
    for number in {n for ratio in ratios for n in (ratio.numerator, ratio.denominator)}:
        shift = trailing_zeros(number)
        if shift > _MOST_SHIFT or not 0 < number >> shift <= _MOST_FACTOR:
            return None
    factors = [
        np.array(part, np.int64).reshape(one.shape)
        for part in ([r.numerator for r in ratios], [r.denominator for r in ratios])
    ]
    return Alignment(other / factors[1], *factors)


def split_integer(expr: Expr) -> tuple[Expr, Expr] | None:
    """(integer-valued inner part, what remains around it as a function of its codes)."""
    if not isinstance(expr, Apply):
        return None
    if analysis.integer_valued(expr):
        return expr, Leaf()
    computed = [k for k, a in enumerate(expr.args) if not isinstance(a, Constant)]
    if len(computed) != 1:
        return None
    (k,) = computed
    below = split_integer(expr.args[k])
    if below is None:
        return None
    args = (*expr.args[:k], below[1], *expr.args[k + 1 :])
    return below[0], Apply(expr.op, args, expr.attrs)


def inner_scales(expr: Expr) -> list[np.ndarray]:
    """Scales of the linear parts inside an expression, the outermost first."""
    if not isinstance(expr, Apply):
        return []
    linear = analysis.linear_scale(expr)
    if linear is not None:
        return [np.abs(linear)]
    return [s for a in expr.args for s in inner_scales(a)]


def offset_codes(scale: np.ndarray, offset: np.ndarray) -> np.ndarray | None:
    """int64 offset / scale where that is an integer up to float32 rounding, else None."""
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.rint(offset / scale)
    if not np.isfinite(codes).all() or np.abs(codes).max(initial=0) > 2.0**40:
        return None
    exact = np.abs(np.frexp(scale)[0]) == 0.5  # of a power of two nothing was rounded off
    error = np.where(exact, 0.0, ROUNDING_ERROR * np.abs(offset))
    close = np.abs(codes * scale - offset) <= error
    return codes.astype(np.int64) if close.all() else None
