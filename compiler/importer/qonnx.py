"""QONNX and FINN: Quant, IntQuant, BipolarQuant, Trunc, MultiThreshold.

Formulas as qonnx 1.0 executes them (`qonnx.custom_op.general`); FINN's operators are the same.

1. `Quant`, `IntQuant` (x, scale, zeropt, bitwidth) -> `Quantize`, which clips first, and
   `Dequantize`. One signed bit means +1 or -1: `Div` by the scale, `Sign`, `Dequantize`.
2. `BipolarQuant` (x, scale) -> `Sign`, `Dequantize`.
3. `Trunc` (x, scale, zeropt, in_bits, out_bits): divisor 2^(in_bits - out_bits), not clipped, and
   dequantised with the *input's* scale. With six inputs (..., out_scale, out_bits) it is version
   2: divisor 2^round(log2(out_scale / scale)), clipped, dequantised with out_scale.
4. `MultiThreshold` -> itself, with `Mul` by out_scale and `Add` of out_bias where they act.
"""

import numpy as np

from thresher.compiler.importer.qcdq import constant_scale
from thresher.compiler.importer.rounding import rounding_name
from thresher.compiler.importer.rules import dialect
from thresher.compiler.importer.scope import Call, Scope

__all__ = [
    "lower_bipolar",
    "lower_multithreshold",
    "lower_quant",
    "lower_trunc",
    "multithreshold_axis",
]

_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}


def multithreshold_axis(data_layout: str, rank: int) -> int:
    """The axis of the channels in MultiThreshold's input, as qonnx finds it.

    :param data_layout: the attribute: "NCHW", "NHWC", "NC", ...; "" where it is absent.
    """
    layout = data_layout or _LAYOUTS.get(rank, "")
    return layout.index("C") if "C" in layout else 1


@dialect("Quant", "IntQuant")
def lower_quant(call: Call, scope: Scope) -> None:
    """Case 1."""
    _check_inputs(call, 4)
    scale = _scale(call, scope, 1)
    _check_zero(call, scope, 2)
    bits = _bits(call, scope, 3)
    signed, narrow = _flag(call, "signed"), _flag(call, "narrow")
    rounding = _rounding(call, "ROUND")
    x = call.inputs[0]
    if bits == 1 and signed:
        ratio = scope.step("Div", call, (x, scale))
        codes = scope.step("Sign", call, (ratio,))
    else:
        lo, hi = _interval(bits, signed, narrow)
        attrs = {"lo": lo, "hi": hi, "clip_first": 1, "rounding": rounding}
        codes = scope.step("Quantize", call, (x, scale), attrs)
    scope.emit("Dequantize", call.name, (codes, scale), scope.outputs(call))


@dialect("BipolarQuant")
def lower_bipolar(call: Call, scope: Scope) -> None:
    """Case 2."""
    _check_inputs(call, 2)
    scale = _scale(call, scope, 1)
    codes = scope.step("Sign", call, (call.inputs[0],))
    scope.emit("Dequantize", call.name, (codes, scale), scope.outputs(call))


@dialect("Trunc")
def lower_trunc(call: Call, scope: Scope) -> None:
    """Case 3."""
    _check_inputs(call, 5, 6)
    scale = _scale(call, scope, 1)
    _check_zero(call, scope, 2)
    rounding = _rounding(call, "FLOOR")
    attrs: dict[str, object] = {"lo": None, "hi": None, "rounding": rounding}
    if len(call.inputs) == 5:
        shift = _bits(call, scope, 3) - _bits(call, scope, 4)
        divisor = np.asarray(2.0**shift, np.float32)
        out_scale = scale
    else:
        ratio = constant_scale(call, scope, 4) / constant_scale(call, scope, 1)
        divisor = (2 ** np.round(np.log2(ratio))).astype(np.float32)
        out_scale = _scale(call, scope, 4)
        signed = bool(call.attrs.get("signed", 1))
        narrow = bool(call.attrs.get("narrow", 0))
        attrs["lo"], attrs["hi"] = _interval(_bits(call, scope, 5), signed, narrow)
    name = scope.add_constant(f"{call.name}_divisor", divisor)
    codes = scope.step("Trunc", call, (call.inputs[0], scale, name), attrs)
    scope.emit("Dequantize", call.name, (codes, out_scale), scope.outputs(call))


@dialect("MultiThreshold")
def lower_multithreshold(call: Call, scope: Scope) -> None:
    """Case 4."""
    _check_inputs(call, 2)
    thresholds = scope.constant(call.inputs[1])
    if thresholds is None or thresholds.ndim != 2:
        rule = f"thresholds '{call.inputs[1]}' must be a constant of shape (channels, steps)"
        raise call.error(rule, "store them as an initializer")
    attrs = {"data_layout": str(call.attrs.get("data_layout", ""))}
    chain = [
        (op, float(str(call.attrs.get(attr, neutral))))
        for op, attr, neutral in (("Mul", "out_scale", 1.0), ("Add", "out_bias", 0.0))
        if call.attrs.get(attr, neutral) != neutral
    ]
    outputs = scope.outputs(call)
    if not chain:
        scope.emit("MultiThreshold", call.name, call.inputs, outputs, attrs)
        return
    value = scope.step("MultiThreshold", call, call.inputs, attrs)
    for op, number in chain[:-1]:
        value = scope.step(op, call, (value, _number(call, scope, op, number)))
    op, number = chain[-1]
    scope.emit(op, call.name, (value, _number(call, scope, op, number)), outputs)


def _number(call: Call, scope: Scope, op: str, number: float) -> str:
    hint = "out_scale" if op == "Mul" else "out_bias"
    return scope.add_constant(f"{call.name}_{hint}", np.asarray(number, np.float32))


def _check_inputs(call: Call, *counts: int) -> None:
    if len(call.inputs) not in counts or "" in call.inputs:
        wanted = " or ".join(map(str, counts))
        raise call.error(
            f"number of inputs must be {wanted}, not {len(call.inputs)}", "export the model again"
        )


def _scale(call: Call, scope: Scope, position: int) -> str:
    scale = constant_scale(call, scope, position)
    name = call.inputs[position]
    if scale.ndim == scope.rank(name):
        return name
    return scope.add_constant(f"{name}_scalar", scale)


def _check_zero(call: Call, scope: Scope, position: int) -> None:
    value = scope.constant(call.inputs[position])
    remedy = "use symmetric quantisers (zero point 0)"
    if value is None:
        raise call.error(f"zero point '{call.inputs[position]}' must be a constant", remedy)
    if np.any(value != 0):
        wrong = float(value.reshape(-1)[np.flatnonzero(value)[0]])
        raise call.error(f"zero point '{call.inputs[position]}' must be 0, not {wrong:g}", remedy)


def _bits(call: Call, scope: Scope, position: int) -> int:
    name = call.inputs[position]
    value = scope.constant(name)
    if value is None or value.size != 1:
        raise call.error(f"bit width '{name}' must be one constant", "export in eval mode")
    bits = float(value.reshape(()))
    if not 1 <= bits <= 32 or bits != int(bits):
        raise call.error(
            f"bit width '{name}' must be a whole number of 1 to 32, not {bits:g}",
            "round the learned bit width before export",
        )
    return int(bits)


def _interval(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _flag(call: Call, name: str) -> bool:
    if name not in call.attrs:
        raise call.error(f"attribute {name} is missing", "export the model again")
    return bool(call.attrs[name])


def _rounding(call: Call, default: str) -> str:
    mode = str(call.attrs.get("rounding_mode", default))
    name = rounding_name(mode)
    if name is None:
        raise call.error(f"unknown rounding_mode {mode!r}", "use ROUND, FLOOR, CEIL or DOWN")
    return name
