"""Convolution and pooling, with kernel shape, strides, dilations and pads written out; resizing."""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["lower_blocks", "lower_global_pool", "lower_resize", "lower_spatial", "lower_upsample"]

_EXTRA: dict[str, dict[str, object]] = {
    "Conv": {"group": 1},
    "ConvTranspose": {"group": 1, "output_padding": None, "output_shape": None},
    "MaxPool": {"ceil_mode": 0},
    "AveragePool": {"ceil_mode": 0, "count_include_pad": 0},
}


_RESIZE: dict[str, object] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "half_pixel",
    "nearest_mode": "round_prefer_floor",
    "axes": None,
    "keep_aspect_ratio_policy": None,
}


@standard("Conv", "ConvTranspose", "MaxPool", "AveragePool")
def lower_spatial(call: Call, scope: Scope) -> None:
    """`pads` is a tuple (all begins, all ends) where auto_pad is "NOTSET", else None.

    auto_pad stays "SAME_UPPER" or "SAME_LOWER", whose pads depend on the input's shape, and is
    "NOTSET" otherwise. A missing bias of Conv is ""; a missing output_padding of ConvTranspose is
    all zeros, its output_shape None.
    """
    scope.withhold(call, "export without the indices")
    kernel = _kernel(call, scope)
    dims = len(kernel)
    auto = str(call.attrs.get("auto_pad", "NOTSET"))
    pads: object = call.attrs.get("pads", (0,) * (2 * dims))
    if auto.startswith("SAME"):
        pads = None
    elif auto == "VALID":
        pads, auto = (0,) * (2 * dims), "NOTSET"
    attrs: dict[str, object] = {
        "kernel_shape": kernel,
        "strides": call.attrs.get("strides", (1,) * dims),
        "dilations": call.attrs.get("dilations", (1,) * dims),
        "pads": pads,
        "auto_pad": auto,
    }
    for name, default in _EXTRA[call.op].items():
        attrs[name] = call.attrs.get(name, default)
    if call.op == "ConvTranspose" and attrs["output_padding"] is None:
        attrs["output_padding"] = (0,) * dims
    inputs = call.inputs + ("",) * (3 - len(call.inputs) if "Conv" in call.op else 0)
    scope.emit(call.op, call.name, inputs, (scope.define(call.outputs[0]),), attrs)


@standard("GlobalAveragePool", "GlobalMaxPool")
def lower_global_pool(call: Call, scope: Scope) -> None:
    """They have no attributes."""
    scope.emit(call.op, call.name, call.inputs, scope.outputs(call))


@standard("DepthToSpace", "SpaceToDepth")
def lower_blocks(call: Call, scope: Scope) -> None:
    """Only DepthToSpace has a mode, "DCR" or "CRD"."""
    attrs: dict[str, object] = {"blocksize": call.attrs["blocksize"]}
    if call.op == "DepthToSpace":
        attrs["mode"] = str(call.attrs.get("mode", "DCR"))
    scope.emit(call.op, call.name, call.inputs, scope.outputs(call), attrs)


@standard("Resize")
def lower_resize(call: Call, scope: Scope) -> None:
    """Inputs x, roi, scales, sizes. Opset 10 has no attribute but mode, and cuts coordinates."""
    inputs, attrs = call.inputs, {k: call.attrs.get(k, v) for k, v in _RESIZE.items()}
    if call.opset < 11:
        inputs = (inputs[0], "", inputs[1])
        attrs["coordinate_transformation_mode"], attrs["nearest_mode"] = "asymmetric", "floor"
    inputs += ("",) * (4 - len(inputs))
    scope.emit("Resize", call.name, inputs, scope.outputs(call), attrs)


@standard("Upsample")
def lower_upsample(call: Call, scope: Scope) -> None:
    """Resize as opset 10 has it."""
    scales = call.input(1)
    if not scales:
        value = np.asarray(call.attrs["scales"], np.float32)
        scales = scope.add_constant(f"{call.name}_scales", value)
    attrs = _RESIZE | {"mode": str(call.attrs.get("mode", "nearest"))}
    attrs |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    inputs = (call.inputs[0], "", scales, "")
    scope.emit("Resize", call.name, inputs, scope.outputs(call), attrs)


def _kernel(call: Call, scope: Scope) -> tuple[int, ...]:
    given = call.attrs.get("kernel_shape")
    if isinstance(given, tuple):
        return given
    name = call.inputs[1] if len(call.inputs) > 1 else ""
    while (made := scope.producer(name)) is not None and made.op in ("Quantize", "Dequantize"):
        name = made.inputs[0]
    weight = scope.constant(name)
    if weight is None:
        raise call.error("kernel_shape is missing", "export with kernel_shape")
    return tuple(int(size) for size in weight.shape[2:])
