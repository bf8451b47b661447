"""How far float32 rounding may move a value of the model file that integers give exactly."""

from collections.abc import Iterator

import numpy as np

from thresher.compiler import analysis
from thresher.compiler.expr import Apply, Constant, Expr, evaluate
from thresher.compiler.integer.ir import Tensor

__all__ = ["rounding_noise"]

_SUM_ERROR = 2.0**-19
"""Error of a float32 sum, relative to the greatest magnitude that the sum can reach."""

_FUNCTION_ERROR = 2.0**-21
"""Relative distance of the two formulas that onnxruntime has for a function, by position."""

_TWO_FORMULAS = {"Elu", "Selu", "Celu", "Softplus", "Mish", "Log", "Sin", "Cos", "Atan"}
"""See `thresher.compiler.ort`; the others depend on the value alone."""

_EXACT = 1 << 24  # integers that float32 adds without rounding
_FINEST = 16  # binary places of an offset, in units of the scale


def rounding_noise(expr: Expr, tensor: Tensor, codes: np.ndarray) -> np.ndarray:
    """float64: the greatest distance between a reference's value and `expr` of our codes.

    0 where the arithmetic rounds nothing: a power of two times integers of 24 bits.

    :param expr: a float32 expression of `tensor`'s elements.
    :param codes: the elements; broadcast against the expression's constants.
    """
    reach = max(-tensor.lo, tensor.hi, 1)
    error = np.zeros(())  # of the elements
    for scale, offset in _affine_parts(expr):
        with np.errstate(divide="ignore", invalid="ignore"):
            units = np.where(scale == 0, 0.0, np.abs(offset / scale))
        sums = np.where(_exact(scale, units, reach), 0.0, _SUM_ERROR * (reach + units))
        error = np.maximum(error, sums)
    found = analysis.affine(expr)
    if found is not None:
        return np.asarray(np.abs(found[0]) * error)
    there, above, below = (
        evaluate(expr, v).astype(np.float64) for v in (codes, codes + error, codes - error)
    )
    moved = np.maximum(np.abs(above - there), np.abs(below - there))
    return np.asarray(moved + _FUNCTION_ERROR * np.abs(there) * _by_position(expr))


def _by_position(expr: Expr) -> bool:
    """Whether a value may depend on where in the tensor it stands."""
    if not isinstance(expr, Apply):
        return False
    return expr.op in _TWO_FORMULAS or any(_by_position(a) for a in expr.args)


def _affine_parts(expr: Expr) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(scale, offset) of the greatest affine parts of the expression, constants aside."""
    found = analysis.affine(expr)
    if found is not None:
        yield found
        return
    assert isinstance(expr, Apply)
    for arg in expr.args:
        if not isinstance(arg, Constant):
            yield from _affine_parts(arg)


def _exact(scale: np.ndarray, units: np.ndarray, reach: int) -> np.ndarray:
    """Whether float32 adds scale * (integers + units) without rounding, whatever the order.

    So it is where all terms are multiples of one power of two, and not too many of them.
    """
    power = np.abs(np.frexp(scale)[0]) == 0.5
    fine = [
        (units * 2.0**k == np.rint(units * 2.0**k)) & ((reach + units) * 2.0**k <= _EXACT)
        for k in range(_FINEST + 1)
    ]
    return np.asarray(power & np.logical_or.reduce(fine))
