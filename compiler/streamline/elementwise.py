"""Elementwise operators: carried along as pending expressions, or done on integers.

1. All operands constant: evaluated.
2. All computed operands are the same tensor: the operator joins its pending expression.
3. Add, Sub: both operands as scale * integers + offset; scales are aligned by exact shifts, and
   small factors.
4. Mul: both operands as scale * integers.
5. Anything else of two tensors: refused.
"""

from collections.abc import Callable

import numpy as np

from thresher.compiler import analysis
from thresher.compiler import expr as ex
from thresher.compiler.expr import Apply, Constant, Expr, Leaf
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.forms import aligned, trailing_zeros
from thresher.compiler.streamline.layout import expand
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Deferred,
    Lazy,
    Raw,
    Unknown,
    Value,
    full_rank,
    shape_of,
    to_const,
)

__all__ = ["elementwise", "quantize"]

_JOINING = ("Add", "Sub", "Min", "Max")


def elementwise(
    context: Context, op: str, operands: list[Value], attrs: dict[str, object]
) -> Value:
    """The value of `op` on the operands, broadcast as ONNX does."""
    if _keeps_codes(op, operands):
        operands = [operands[0], *(to_const(v) or v for v in operands[1:])]
    constants = [to_const(v) for v in operands]
    if all(c is not None for c in constants) and not _keeps_codes(op, operands):
        return Const(_fold(op, [c.array for c in constants if c is not None], attrs))
    shape = np.broadcast_shapes(*(shape_of(v) for v in operands))
    if any(isinstance(v, Unknown) for v in operands):
        return _unknown(context, op, operands, shape)
    tensors = {id(v.tensor): v.tensor for v in operands if isinstance(v, Lazy)}
    if len(tensors) > 1:
        tensors = {
            k: t for k, t in tensors.items() if not isinstance(t, Codes)
        }  # constant codes are constants where a tensor is computed
        operands = [
            c if c is not None and len(tensors) else v
            for c, v in zip(constants, operands, strict=True)
        ]
    if len(tensors) == 1:
        return _join(context, op, operands, shape, attrs)
    if len(tensors) == 2 and len(operands) == 2 and op in ("Add", "Sub", "Mul"):
        x, y = (expand(context, v, shape) for v in operands)
        return _mul(context, x, y) if op == "Mul" else _add(context, op, x, y)
    raise context.error(
        f"{op} of {len(tensors)} computed tensors is not supported",
        "only Add, Sub and Mul take two computed tensors, and a constant divisor divides",
    )


def _keeps_codes(op: str, operands: list[Value]) -> bool:
    """Dequantising constant codes: kept as codes with a scale, for MatMul to find them."""
    return (
        op in ("Mul", "Div", "Identity")
        and isinstance(operands[0], Lazy)
        and all(to_const(v) is not None for v in operands)
    )


def _fold(op: str, arrays: list[np.ndarray], attrs: dict[str, object]) -> np.ndarray:
    if all(a.dtype.kind in "iub" for a in arrays) and op in _INTEGER:
        return np.asarray(_INTEGER[op](*arrays))
    rank = max(a.ndim for a in arrays)
    full: tuple[Expr, ...] = tuple(
        Constant(full_rank(np.asarray(a, np.float32), rank)) for a in arrays
    )
    return ex.evaluate(Apply(op, full, attrs), np.zeros(()))


_INTEGER: dict[str, Callable[..., np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": lambda a, b: np.trunc(a / b).astype(a.dtype),
    "Min": np.minimum,
    "Max": np.maximum,
    "Identity": lambda a: a,
    "Neg": np.negative,
    "Abs": np.abs,
}


def _unknown(context: Context, op: str, operands: list[Value], shape: tuple[int, ...]) -> Value:
    """A sum is guessed to have the scale of the operand that is known; the loop checks guesses."""
    known = [v for v in operands if isinstance(v, Lazy) and not isinstance(v.tensor, Codes)]
    if op in _JOINING and known:
        return expand(context, known[0], shape)
    return Unknown(shape)


def _join(
    context: Context,
    op: str,
    operands: list[Value],
    shape: tuple[int, ...],
    attrs: dict[str, object],
) -> Lazy:
    args: list[Expr] = []
    tensor = None
    for value in operands:
        if isinstance(value, Const):
            if op == "Div" and value.array.dtype.kind in "iu":
                raise context.error(
                    "a division of integers cuts off the fraction", "cast to float32 in front"
                )
            array = np.asarray(value.array, np.float32)
            args.append(Constant(full_rank(array, len(shape))))
        else:
            grown = expand(context, value, shape)
            assert isinstance(grown, Lazy)
            tensor = grown.tensor
            args.append(grown.expr)
    assert tensor is not None
    return Lazy(tensor, Apply(op, tuple(args), attrs))


def _mul(context: Context, x: Value, y: Value) -> Lazy:
    a, b = context.integers(x), context.integers(y)
    tensor = context.builder.binary("mul", _operand(a), _operand(b), name=context.hint)
    return scaled(tensor, a.scale * b.scale)


def _operand(integers: Integers) -> Tensor | np.ndarray:
    return integers.tensor.array if isinstance(integers.tensor, Codes) else integers.tensor


def _sum_form(context: Context, value: Value) -> tuple[Integers, np.ndarray]:
    """The value as scale * integers + float offset."""
    if isinstance(value, Lazy) and not isinstance(value.tensor, Raw | Deferred):
        found = analysis.affine(value.expr)
        if found is not None and np.all(found[0]):
            return Integers(value.tensor, found[0]), found[1]
    return context.integers(value), np.zeros(())


def _add(context: Context, op: str, x: Value, y: Value) -> Lazy:
    (a, a_offset), (b, b_offset) = _sum_form(context, x), _sum_form(context, y)
    sign = 1 if op == "Add" else -1
    if (a.scale / b.scale < 0).all():
        b = Integers(b.tensor, -b.scale)
        sign = -sign
    found = aligned(a.scale, b.scale)
    if found is None:
        raise context.error(
            f"the scales of '{_name(a)}' ({_show(a.scale)}) and '{_name(b)}' ({_show(b.scale)}) "
            "do not differ by a power of two, nor by small factors",
            "give both operands one shared quantiser, or power-of-two scales",
        )
    (x_operand, shift_x), (y_operand, shift_y) = (
        _times(context, v, factors) for v, factors in ((a, found.x), (b, found.y))
    )
    tensor = context.builder.binary(
        "add" if sign > 0 else "sub",
        x_operand,
        y_operand,
        shift_x=shift_x,
        shift_y=shift_y,
        name=context.hint,
    )
    result = scaled(tensor, found.scale)
    offset = a_offset + (b_offset if op == "Add" else -b_offset)
    if not np.any(offset):
        return result
    constant = Constant(full_rank(np.asarray(offset, np.float32), len(tensor.shape)))
    return Lazy(tensor, Apply("Add", (result.expr, constant)))


def _times(
    context: Context, integers: Integers, factors: np.ndarray
) -> tuple[Tensor | np.ndarray, int]:
    """An operand of a sum, times these factors: multiplied by what is left of them, and shifted."""
    operand = _operand(integers)
    shift = min(trailing_zeros(f) for f in factors.ravel().tolist())
    odd = factors >> shift
    if (odd == 1).all():
        return operand, shift
    if isinstance(operand, np.ndarray):
        return operand * odd, shift
    return context.builder.binary("mul", operand, odd), shift


def _name(integers: Integers) -> str:
    return "constant" if isinstance(integers.tensor, Codes) else integers.tensor.name


def _show(scale: np.ndarray) -> str:
    low, high = float(np.min(scale)), float(np.max(scale))
    return f"{low:.9g}" if low == high else f"{low:.9g} ... {high:.9g}"


def quantize(context: Context, op: str, operands: list[Value], attrs: dict[str, object]) -> Value:
    """Operators whose values are codes: Quantize, MultiThreshold, Sign, Trunc."""
    first = operands[0]
    if isinstance(first, Unknown):
        low, high = _code_range(op, operands, attrs)
        shape = np.broadcast_shapes(*(shape_of(v) for v in operands))
        return Lazy(context.builder.input(shape, low, high, name=context.hint), Leaf())
    value = elementwise(context, op, operands, attrs)
    if isinstance(value, Const):
        return Lazy(Codes(np.rint(value.array).astype(np.int64)))
    assert isinstance(value, Lazy)
    return context.close(value)


def _code_range(op: str, operands: list[Value], attrs: dict[str, object]) -> tuple[int, int]:
    if op == "MultiThreshold":
        return 0, len(operands) - 1
    if op == "Sign":
        return -1, 1
    if attrs["lo"] is None:
        return -(1 << 15), 1 << 15  # a guess that only lives until the state's scale is known
    return int(attrs["lo"]), int(attrs["hi"])  # type: ignore[call-overload]
