"""Operators that compute nothing, and Cast."""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope
from thresher.compiler.importer.values import dtype_name

__all__ = ["lower_cast", "lower_constant", "lower_dropout", "lower_identity"]

_VALUES: dict[str, type[np.generic] | None] = {
    "value": None,
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@standard("Constant")
def lower_constant(call: Call, scope: Scope) -> None:
    """Constant becomes an entry of `Graph.constants`."""
    given = [name for name in call.attrs if name in _VALUES]
    if len(given) != 1:
        what = ", ".join(sorted(call.attrs)) or "nothing"
        raise call.error(f"must hold a numeric tensor, not {what}", "store it as a dense tensor")
    value = np.asarray(call.attrs[given[0]], _VALUES[given[0]])
    scope.constants[scope.define(call.outputs[0])] = value


@standard("Identity")
def lower_identity(call: Call, scope: Scope) -> None:
    """The output becomes another name of the input."""
    scope.alias(call.outputs[0], call.inputs[0])


@standard("Dropout")
def lower_dropout(call: Call, scope: Scope) -> None:
    """Dropout in inference is Identity."""
    training = scope.constant(call.input(2)) if call.input(2) else np.False_
    if training is None or np.any(training):
        raise call.error("training_mode must be the constant false", "export in eval mode")
    scope.withhold(call, "export in eval mode")
    scope.alias(call.outputs[0], call.inputs[0])


@standard("Cast")
def lower_cast(call: Call, scope: Scope) -> None:
    """Cast stays, with `to` as NumPy's name of the element type."""
    to = call.attrs["to"]
    assert isinstance(to, int)
    dtype = dtype_name(to)
    if dtype is None or "int4" in dtype or "int2" in dtype:
        raise call.error(f"unsupported target type {to}", "cast to float32 or int8 to int64")
    scope.emit("Cast", call.name, call.inputs, scope.outputs(call), {"to": dtype})
