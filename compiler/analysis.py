"""What can be said of a pending expression without evaluating it."""

import numpy as np

from thresher.compiler.expr import Constant, Expr, Leaf

__all__ = ["affine", "integer_valued", "linear_scale", "monotone"]

_RISING = {
    "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Exp", "Log",
    "Erf", "Relu", "Round", "Floor", "Ceil", "Sqrt", "Sign", "Identity", "Atan", "Sinh", "Asinh",
}  # fmt: skip
_INTEGER = {
    "Round", "Floor", "Ceil", "Quantize", "MultiThreshold", "Sign", "Signum", "Trunc",
    "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Xor", "Not",
}  # fmt: skip


def affine(expr: Expr) -> tuple[np.ndarray, np.ndarray] | None:
    """(scale, offset) in float64 where the expression is scale * leaf + offset, else None."""
    if isinstance(expr, Leaf):
        return np.ones(()), np.zeros(())
    if isinstance(expr, Constant):
        return np.zeros(()), expr.array.astype(np.float64)
    found = [affine(a) for a in expr.args]
    parts = [p for p in found if p is not None]
    if len(parts) < len(found) or not parts:
        return None
    (s0, b0), (s1, b1) = parts[0], parts[-1]
    if expr.op == "Identity":
        return s0, b0
    if expr.op == "Neg":
        return -s0, -b0
    if expr.op in ("Add", "Sub"):
        sign = 1.0 if expr.op == "Add" else -1.0
        return s0 + sign * s1, b0 + sign * b1
    if expr.op in ("Mul", "Scale") and not np.any(s1):
        return s0 * b1, b0 * b1
    if expr.op == "Mul" and not np.any(s0):
        return s1 * b0, b1 * b0
    if expr.op == "Div" and not np.any(s1) and np.all(b1):
        return s0 / b1, b0 / b1
    return None


def linear_scale(expr: Expr) -> np.ndarray | None:
    """float64 s where the expression is s * leaf, s nowhere 0, else None."""
    found = affine(expr)
    if found is None or np.any(found[1]) or not np.all(found[0]):
        return None
    return found[0]


def monotone(expr: Expr) -> np.ndarray | None:
    """Which way the expression goes as the leaf rises: 1 never falls, -1 never rises, 0 constant.

    :returns: int8, broadcasts with the constants; None where it is not known.
    """
    if isinstance(expr, Leaf):
        return np.ones((), np.int8)
    if isinstance(expr, Constant):
        return np.zeros((), np.int8)
    found = [monotone(a) for a in expr.args]
    ways = [w for w in found if w is not None]
    if len(ways) < len(found):
        return None
    op = expr.op
    if not any(w.any() for w in ways):
        return np.zeros((), np.int8)
    if op in _RISING or (op in ("Clip", "MultiThreshold") and not any(w.any() for w in ways[1:])):
        return ways[0]
    if op in ("Quantize", "Trunc"):
        positive = all(isinstance(a, Constant) and (a.array > 0).all() for a in expr.args[1:])
        return ways[0] if positive else None
    if op == "LeakyRelu":
        return ways[0] if float(expr.attrs["alpha"]) >= 0 else None  # type: ignore[arg-type]
    if op == "Neg":
        return -ways[0]
    if op in ("Add", "Min", "Max"):
        return _agree(*ways)
    if op == "Sub":
        return _agree(ways[0], -ways[1])
    return _scaled(op, expr.args, ways)


def _agree(*ways: np.ndarray) -> np.ndarray | None:
    total = ways[0]
    for way in ways[1:]:
        if (total * way < 0).any():
            return None
        total = np.sign(total + way).astype(np.int8)
    return total


def _scaled(op: str, args: tuple[Expr, ...], ways: list[np.ndarray]) -> np.ndarray | None:
    if op in ("Mul", "Div", "Scale") and isinstance(args[1], Constant):
        return ways[0] * np.sign(args[1].array).astype(np.int8)
    if op == "Mul" and isinstance(args[0], Constant):
        return ways[1] * np.sign(args[0].array).astype(np.int8)
    return None


def integer_valued(expr: Expr) -> bool:
    """Whether every value is an integer (where finite)."""
    if isinstance(expr, Leaf):
        return True
    if isinstance(expr, Constant):
        return bool((expr.array == np.rint(expr.array)).all())
    if expr.op in _INTEGER:
        return True
    if expr.op in ("Add", "Sub", "Mul", "Neg", "Abs", "Relu", "Min", "Max", "Clip", "Identity"):
        return all(integer_valued(a) for a in expr.args)
    return False
