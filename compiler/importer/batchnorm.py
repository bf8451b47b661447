"""BatchNormalization in inference becomes Mul and Add by constants.

The constants are those that onnxruntime computes, in float32 and in its order:
`a = gamma · (1 / sqrt(var + epsilon))`, `b = beta - mean · a`, then `x · a + b`.
"""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["lower_batchnorm"]


@standard("BatchNormalization")
def lower_batchnorm(call: Call, scope: Scope) -> None:
    """See the module."""
    if call.attrs.get("training_mode", 0):
        raise call.error("training mode is unsupported", "export in eval mode")
    scope.withhold(call, "export in eval mode")
    if call.attrs.get("spatial", 1) != 1:
        raise call.error("spatial must be 1", "export with opset 9 or later")
    gamma, beta, mean, var = (_parameter(call, scope, i) for i in range(1, 5))
    epsilon = np.asarray(call.attrs.get("epsilon", 1e-5), np.float32)
    if not (np.all(var + epsilon > 0) and np.all(np.isfinite([gamma, beta, mean, var]))):
        rule = "its parameters must be finite and its variance positive"
        raise call.error(rule, "export a trained model")
    one = np.float32(1.0)
    scale = gamma * (one / np.sqrt(var + epsilon))
    bias = beta - mean * scale
    rank = scope.rank(call.inputs[0])
    if rank is None:
        rule = "the rank of its input is unknown"
        raise call.error(rule, "run onnx.shape_inference on the model")
    shape = (-1,) + (1,) * max(rank - 2, 0)
    factor = scope.add_constant(f"{call.name}_scale", scale.reshape(shape))
    addend = scope.add_constant(f"{call.name}_bias", bias.reshape(shape))
    product = scope.step("Mul", call, (call.inputs[0], factor))
    scope.emit("Add", call.name, (product, addend), (scope.define(call.outputs[0]),))


def _parameter(call: Call, scope: Scope, position: int) -> np.ndarray:
    value = scope.constant(call.inputs[position])
    if value is None:
        rule = f"input '{call.inputs[position]}' must be a constant"
        raise call.error(rule, "export with parameters stored in the model")
    return value.astype(np.float32)
