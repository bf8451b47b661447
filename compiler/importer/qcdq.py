"""QCDQ: QuantizeLinear, Clip on the codes, DequantizeLinear.

1. `QuantizeLinear` -> `Quantize` with the range of its code type; `Clip` right behind it
   narrows that range.
2. `DequantizeLinear` -> `Dequantize`.
3. A scale of one element becomes a scalar; one per channel is shaped so that broadcasting puts
   it on its axis.
4. The zero point must be 0 and symmetric arithmetic is all there is.
"""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope
from thresher.compiler.importer.standard import normal_inputs
from thresher.compiler.importer.values import code_range, dtype_name

__all__ = ["constant_scale", "lower_clip", "lower_dequantize", "lower_quantize"]

_SYMMETRIC = "use symmetric quantisers (zero point 0)"


@standard("QuantizeLinear")
def lower_quantize(call: Call, scope: Scope) -> None:
    """Case 1."""
    _refuse_variants(call)
    scale = _scale_input(call, scope)
    dtype = _code_type(call, scope)
    interval = code_range(dtype)
    if interval is None:
        rule = f"codes must be integers of 2 to 16 bits, not {dtype}"
        raise call.error(rule, "quantise to int8, uint8, int16, uint16, int4 or uint4")
    lo, hi = interval
    attrs = {"lo": lo, "hi": hi, "clip_first": 0, "rounding": "ROUND"}
    scope.emit("Quantize", call.name, (call.inputs[0], scale), scope.outputs(call), attrs)


@standard("DequantizeLinear")
def lower_dequantize(call: Call, scope: Scope) -> None:
    """Case 2."""
    _refuse_variants(call)
    codes = scope.constant(call.inputs[0])
    if codes is not None and "int" not in codes.dtype.name:
        rule = f"codes must be integers, not {codes.dtype.name}"
        raise call.error(rule, "quantise to an integer type")
    scale = _scale_input(call, scope)
    if call.input(2):
        _zero_point(call, scope)
    scope.emit("Dequantize", call.name, (call.inputs[0], scale), scope.outputs(call))


@standard("Clip")
def lower_clip(call: Call, scope: Scope) -> None:
    """Case 1; any other Clip stays, with float bounds where it clips codes of at most 16 bits."""
    x, low, high = normal_inputs(call, scope)
    source = scope.producer(x)
    lower, upper = _bound(scope, low, -np.inf), _bound(scope, high, np.inf)
    if source is None or source.op != "Quantize" or lower is None or upper is None:
        names = [_float_bound(scope, name) for name in (low, high)]
        scope.emit("Clip", call.name, (x, *names), scope.outputs(call))
        return
    lo = int(max(_int(source.attrs["lo"]), np.ceil(lower)))
    hi = int(min(_int(source.attrs["hi"]), np.floor(upper)))
    if lo > hi:
        raise call.error(f"the range [{lo}, {hi}] is empty", "give min <= max")
    attrs = {**source.attrs, "lo": lo, "hi": hi}
    scope.emit("Quantize", call.name, source.inputs, scope.outputs(call), attrs)


def constant_scale(call: Call, scope: Scope, position: int) -> np.ndarray:
    """The constant scale at an input, a scalar if it has one element.

    :raises ModelError: not a constant, not float32, not positive and finite.
    """
    name = call.inputs[position]
    value = scope.constant(name)
    if value is None:
        raise call.error(f"scale '{name}' must be a constant", "export the model in eval mode")
    if value.dtype == np.float64 and np.all(value.astype(np.float32) == value):
        value = value.astype(np.float32)
    if value.dtype != np.float32:
        raise call.error(f"scale '{name}' must be float32, not {value.dtype}", "export in float32")
    if not np.all((value > 0) & np.isfinite(value)):
        raise call.error(f"scale '{name}' must be positive and finite", "calibrate the quantiser")
    return value.reshape(()) if value.size == 1 else value


def _refuse_variants(call: Call) -> None:
    if call.attrs.get("block_size", 0):
        raise call.error("block_size is unsupported", "quantise per tensor or per channel")
    if not call.attrs.get("saturate", 1):
        raise call.error("saturate must be 1", "quantise to an integer type")


def _scale_input(call: Call, scope: Scope) -> str:
    """Name of the scale, by case 3."""
    scale = constant_scale(call, scope, 1)
    if scale.ndim == 0:
        if scope.rank(call.inputs[1]) == 0:
            return call.inputs[1]
        return scope.add_constant(f"{call.inputs[1]}_scalar", scale)
    if scale.ndim != 1:
        rule = f"scale '{call.inputs[1]}' must have one axis, not {scale.ndim}"
        raise call.error(rule, "quantise per tensor or per channel")
    axis = _int(call.attrs.get("axis", 1))
    if axis >= 0:
        rank = scope.rank(call.inputs[0])
        if rank is None:
            raise call.error(
                "a scale for each channel needs a known rank of its input",
                "run onnx.shape_inference on the model",
            )
        axis -= rank
    data = scope.constant(call.inputs[0])
    if axis >= 0 or (data is not None and data.shape[axis] != scale.size):
        rule = f"scale '{call.inputs[1]}' of {scale.size} elements does not fit axis {axis}"
        raise call.error(rule, "give one scale for each channel of the axis")
    shaped = scale.reshape((-1,) + (1,) * (-axis - 1))
    return scope.add_constant(f"{call.inputs[1]}_axis", shaped)


def _code_type(call: Call, scope: Scope) -> str:
    if call.input(2):
        return _zero_point(call, scope)
    output = _int(call.attrs.get("output_dtype", 0))
    return (dtype_name(output) or f"type {output}") if output else "uint8"


def _zero_point(call: Call, scope: Scope) -> str:
    """Element type of the zero point, by case 4."""
    name = call.inputs[2]
    value = scope.constant(name)
    if value is None:
        raise call.error(f"zero point '{name}' must be a constant", _SYMMETRIC)
    if "int" in value.dtype.name and np.any(value.astype(np.int64) != 0):
        wrong = value.astype(np.int64).reshape(-1)
        first = int(wrong[np.flatnonzero(wrong)[0]])
        raise call.error(f"zero point '{name}' must be 0, not {first}", _SYMMETRIC)
    return str(value.dtype.name)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _bound(scope: Scope, name: str, default: float) -> float | None:
    """A bound of Clip: `default` where it is absent, None where it is no constant."""
    if not name:
        return default
    value = scope.constant(name)
    return None if value is None else float(value.reshape(()))


def _float_bound(scope: Scope, name: str) -> str:
    value = scope.constant(name) if name else None
    if value is None or value.dtype.name not in ("int8", "uint8", "int16", "uint16"):
        return name
    return scope.add_constant(f"{name}_float", value.astype(np.float32))
