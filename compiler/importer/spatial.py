"""Convolution and pooling, with kernel shape, strides, dilations and pads written out."""

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["lower_global_pool", "lower_spatial"]

_EXTRA: dict[str, dict[str, object]] = {
    "Conv": {"group": 1},
    "MaxPool": {"ceil_mode": 0},
    "AveragePool": {"ceil_mode": 0, "count_include_pad": 0},
}


@standard("Conv", "MaxPool", "AveragePool")
def lower_spatial(call: Call, scope: Scope) -> None:
    """`pads` is a tuple (all begins, all ends) where auto_pad is "NOTSET", else None.

    auto_pad stays "SAME_UPPER" or "SAME_LOWER", whose pads depend on the input's shape, and is
    "NOTSET" otherwise. A missing bias of Conv is "".
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
    inputs = call.inputs + ("",) * (3 - len(call.inputs) if call.op == "Conv" else 0)
    scope.emit(call.op, call.name, inputs, (scope.define(call.outputs[0]),), attrs)


@standard("GlobalAveragePool", "GlobalMaxPool")
def lower_global_pool(call: Call, scope: Scope) -> None:
    """They have no attributes."""
    scope.emit(call.op, call.name, call.inputs, scope.outputs(call))


def _kernel(call: Call, scope: Scope) -> tuple[int, ...]:
    given = call.attrs.get("kernel_shape")
    if isinstance(given, tuple):
        return given
    weight = scope.constant(call.inputs[1])
    if weight is None:
        raise call.error("kernel_shape is missing", "export with kernel_shape")
    return tuple(int(size) for size in weight.shape[2:])
