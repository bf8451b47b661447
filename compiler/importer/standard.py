"""Standard operators that stay what they are, in the form of ONNX's newest opset.

1. Attributes: exactly those of `_ATTRS`, defaults filled in; none for other operators.
2. What older opsets write as an attribute and newer ones as an input is an input (`_AS_INPUTS`).
3. Inputs have full length (`_ARITY`): "" where an optional one is absent.
4. Variadic Sum, Min and Max become chains of two operands, which is how onnxruntime adds.
5. ONNX's Sign (-1, 0, +1) is called `Signum`, because `Sign` is BipolarQuant's.
"""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["ELEMENTWISE", "normal_attrs", "normal_inputs", "onnx_name"]

_UNARY = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Cos",
    "Cosh",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
]
_BINARY = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "PRelu",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Equal",
    "And",
    "Or",
    "Xor",
]
_OTHER = [
    "Not",
    "Where",
    "MatMul",
    "Transpose",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Concat",
    "Slice",
    "Gather",
    "Expand",
    "Tile",
    "Shape",
    "ConstantOfShape",
    "ArgMax",
    "TopK",
    "Pad",
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "Split",
]

ELEMENTWISE: frozenset[str] = frozenset([*_UNARY, "Signum"])
"""Operators of one float input that act on each element alone; see `onnx_name`."""

_ATTRS: dict[str, dict[str, object]] = {
    "Celu": {"alpha": 1.0},
    "Elu": {"alpha": 1.0},
    "Gelu": {"approximate": "none"},
    "HardSigmoid": {"alpha": float(np.float32(0.2)), "beta": 0.5},
    "LeakyRelu": {"alpha": float(np.float32(0.01))},
    "Selu": {
        "alpha": float(np.float32(1.67326319217681884765625)),
        "gamma": float(np.float32(1.05070102214813232421875)),
    },
    "Swish": {"alpha": 1.0},
    "ThresholdedRelu": {"alpha": 1.0},
    "Transpose": {"perm": None},
    "Reshape": {"allowzero": 0},
    "Flatten": {"axis": 1},
    "Concat": {"axis": None},
    "Gather": {"axis": 0},
    "Shape": {"start": 0, "end": None},
    "ConstantOfShape": {"value": np.zeros(1, np.float32)},
    "ArgMax": {"axis": 0, "keepdims": 1, "select_last_index": 0},
    "TopK": {"axis": -1, "largest": 1, "sorted": 1},
    "Pad": {"mode": "constant"},
    "Split": {"axis": 0, "num_outputs": None},
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"),
        {"keepdims": 1, "noop_with_empty_axes": 0},
    ),
}
_AS_INPUTS: dict[str, tuple[tuple[str, int, type[np.generic]], ...]] = {
    "Clip": (("min", 1, np.float32), ("max", 2, np.float32)),
    "Squeeze": (("axes", 1, np.int64),),
    "Unsqueeze": (("axes", 1, np.int64),),
    "Slice": (("starts", 1, np.int64), ("ends", 2, np.int64), ("axes", 3, np.int64)),
    "Split": (("split", 1, np.int64),),
    "Pad": (("pads", 1, np.int64), ("value", 2, np.float32)),
    "TopK": (("k", 1, np.int64),),
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), (("axes", 1, np.int64),)
    ),
}
_ARITY = {"Clip": 3, "Squeeze": 2, "Slice": 5, "Split": 2, "Pad": 4}
_ARITY.update(dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), 2))


def onnx_name(op: str) -> str:
    """What ONNX calls an operator of `ELEMENTWISE`."""
    return "Sign" if op == "Signum" else op


def normal_attrs(call: Call) -> dict[str, object]:
    """Attributes by case 1."""
    defaults = _ATTRS.get(call.op, {})
    return {name: call.attrs.get(name, default) for name, default in defaults.items()}


def normal_inputs(call: Call, scope: Scope) -> tuple[str, ...]:
    """Inputs by cases 2 and 3."""
    inputs = list(call.inputs)
    inputs += [""] * (_ARITY.get(call.op, 0) - len(inputs))
    for attr, position, dtype in _AS_INPUTS.get(call.op, ()):
        if attr in call.attrs:
            inputs += [""] * (position + 1 - len(inputs))
            value = np.asarray(call.attrs[attr], dtype)
            if attr == "k":
                value = value.reshape(1)
            inputs[position] = scope.add_constant(f"{call.name}_{attr}", value)
    return tuple(inputs)


@standard(*_UNARY, *_BINARY, *_OTHER)
def keep(call: Call, scope: Scope) -> None:
    """Cases 1 to 3."""
    inputs, attrs = normal_inputs(call, scope), normal_attrs(call)
    if call.op == "Slice":
        inputs = _full_slice(call, scope, inputs)
    if call.op == "Split" and not inputs[1]:
        attrs["num_outputs"] = len(call.outputs)
    if call.op == "Transpose" and attrs["perm"] is None:
        rank = scope.rank(inputs[0])
        attrs["perm"] = None if rank is None else tuple(reversed(range(rank)))
    scope.emit(call.op, call.name, inputs, scope.outputs(call), attrs)


def _full_slice(call: Call, scope: Scope, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Slice with its axes and steps written out."""
    starts = scope.constant(inputs[1])
    if starts is None:
        return inputs
    axes, steps = inputs[3], inputs[4]
    if not axes:
        axes = scope.add_constant(f"{call.name}_axes", np.arange(starts.size, dtype=np.int64))
    if not steps:
        steps = scope.add_constant(f"{call.name}_steps", np.ones(starts.size, np.int64))
    return (*inputs[:3], axes, steps)


@standard("Sum", "Min", "Max")
def lower_variadic(call: Call, scope: Scope) -> None:
    """Case 4."""
    op = "Add" if call.op == "Sum" else call.op
    if len(call.inputs) == 1:
        scope.alias(call.outputs[0], call.inputs[0])
        return
    total = call.inputs[0]
    for name in call.inputs[1:-1]:
        total = scope.step(op, call, (total, name))
    scope.emit(op, call.name, (total, call.inputs[-1]), scope.outputs(call))


@standard("Sign")
def lower_sign(call: Call, scope: Scope) -> None:
    """Case 5."""
    scope.emit("Signum", call.name, call.inputs, scope.outputs(call))
