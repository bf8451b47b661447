"""Pending float functions of one integer, evaluated in float32 as the model itself would.

An expression has one `Leaf`, the integer tensor's element; constants are float arrays of the
tensor's rank that broadcast to its shape. Operators that IEEE 754 rounds correctly run in NumPy;
the others run in onnxruntime, so that their last bit is the reference's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from thresher.compiler.importer.rounding import ROUNDING
from thresher.compiler.ort import run_node

__all__ = [
    "Apply",
    "Constant",
    "Expr",
    "Leaf",
    "ELEMENTWISE",
    "constants",
    "evaluate",
    "key",
    "map_constants",
]


@dataclass(frozen=True)
class Leaf:
    """The integer itself, as a float32."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array (float32; float64 only as the factor of `Scale`)."""

    array: np.ndarray


@dataclass(frozen=True, eq=False)
class Apply:
    """Operator `op` (ONNX's name, or one of graph.py's) on expressions."""

    op: str
    args: tuple["Expr", ...]
    attrs: Mapping[str, object] = field(default_factory=dict)


Expr = Leaf | Constant | Apply

_F = np.float32


def _quantize(x: np.ndarray, scale: np.ndarray, attrs: Mapping[str, object]) -> np.ndarray:
    lo, hi = _F(attrs["lo"]), _F(attrs["hi"])  # type: ignore[arg-type]
    rounding = ROUNDING[str(attrs.get("rounding", "ROUND"))]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q = x / scale
        if attrs.get("clip_first"):
            return rounding(np.clip(q, lo, hi))
        return np.clip(rounding(q), lo, hi)


def _multi_threshold(x: np.ndarray, *thresholds: np.ndarray) -> np.ndarray:
    count = np.zeros(np.broadcast_shapes(x.shape, *(t.shape for t in thresholds)), _F)
    for t in thresholds:
        count += x >= t
    return count


def _trunc(
    attrs: Mapping[str, object], x: np.ndarray, scale: np.ndarray, divisor: np.ndarray
) -> np.ndarray:
    codes = ROUNDING[str(attrs["rounding"])](np.rint(x / scale) / divisor)
    if attrs["lo"] is None:
        return codes
    return np.clip(codes, _F(attrs["lo"]), _F(attrs["hi"]))  # type: ignore[arg-type]


def _where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(condition != 0, x, y))


def _clip(x: np.ndarray, *bounds: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(x, bounds[0]), bounds[1])


_NUMPY: Mapping[str, Callable[..., np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Neg": np.negative,
    "Abs": np.abs,
    "Relu": lambda x: np.maximum(x, _F(0)),
    "Round": np.rint,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Sqrt": np.sqrt,
    "Reciprocal": lambda x: _F(1) / x,
    "Min": np.minimum,
    "Max": np.maximum,
    "Clip": _clip,
    "Sign": lambda x: np.where(x >= 0, _F(1), _F(-1)),
    "MultiThreshold": _multi_threshold,
    "Where": _where,
    "Greater": lambda a, b: (a > b).astype(_F),
    "GreaterOrEqual": lambda a, b: (a >= b).astype(_F),
    "Less": lambda a, b: (a < b).astype(_F),
    "LessOrEqual": lambda a, b: (a <= b).astype(_F),
    "Equal": lambda a, b: (a == b).astype(_F),
    "And": lambda a, b: ((a != 0) & (b != 0)).astype(_F),
    "Or": lambda a, b: ((a != 0) | (b != 0)).astype(_F),
    "Xor": lambda a, b: ((a != 0) ^ (b != 0)).astype(_F),
    "Not": lambda a: (a == 0).astype(_F),
    "Signum": np.sign,
}

_ORT = {
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "PRelu", "Pow", "Selu",
    "Sigmoid", "Sin", "Sinh", "Softplus", "Softsign", "Swish", "Tan", "Tanh", "ThresholdedRelu",
}  # fmt: skip

ELEMENTWISE = frozenset(_NUMPY) | _ORT
"""Operators that act on each element alone."""


def evaluate(expr: Expr, leaf: np.ndarray) -> np.ndarray:
    """The expression at `leaf` (any array; constants must broadcast with it), as float32."""
    memo: dict[int, np.ndarray] = {}

    def walk(e: Expr) -> np.ndarray:
        if isinstance(e, Leaf):
            return leaf.astype(_F)
        if isinstance(e, Constant):
            return e.array
        if id(e) not in memo:
            memo[id(e)] = _apply(e, [walk(a) for a in e.args])
        return memo[id(e)]

    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(walk(expr), dtype=_F)


def _apply(e: Apply, args: list[np.ndarray]) -> np.ndarray:
    if e.op == "Scale":
        return (args[0].astype(np.float64) * args[1]).astype(_F)
    if e.op == "Quantize":
        return _quantize(args[0], args[1], e.attrs)
    if e.op == "Trunc":
        return _trunc(e.attrs, *args)
    if e.op == "Identity":
        return args[0]
    if e.op in _NUMPY:
        return np.asarray(_NUMPY[e.op](*args), dtype=_F)
    return run_node(e.op, dict(e.attrs), *np.broadcast_arrays(*args))


def map_constants(expr: Expr, change: Callable[[np.ndarray], np.ndarray]) -> Expr:
    """The expression with `change` applied to every constant array."""
    if isinstance(expr, Leaf):
        return expr
    if isinstance(expr, Constant):
        return Constant(change(expr.array))
    return Apply(expr.op, tuple(map_constants(a, change) for a in expr.args), expr.attrs)


def composed(outer: Expr, inner: Expr) -> Expr:
    """``outer(inner(leaf))``."""
    if isinstance(outer, Leaf):
        return inner
    if isinstance(outer, Constant):
        return outer
    return Apply(outer.op, tuple(composed(a, inner) for a in outer.args), outer.attrs)


def constants(expr: Expr) -> list[np.ndarray]:
    """All constant arrays of the expression."""
    if isinstance(expr, Constant):
        return [expr.array]
    if isinstance(expr, Apply):
        return [c for a in expr.args for c in constants(a)]
    return []


def key(expr: Expr) -> tuple[object, ...]:
    """Equal for equal expressions; for sharing."""
    if isinstance(expr, Leaf):
        return ("leaf",)
    if isinstance(expr, Constant):
        return (expr.array.shape, expr.array.dtype.str, expr.array.tobytes())
    attrs = tuple(sorted((k, repr(v)) for k, v in expr.attrs.items()))
    return (expr.op, attrs, *(key(a) for a in expr.args))
