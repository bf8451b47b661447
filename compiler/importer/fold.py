"""Constant folding: a standard operator on constants alone is evaluated at import.

Quantisers are not folded, so that constant codes and their scales stay apart. onnxruntime computes
the value, as it would when running the model; where it has no kernel (`Clip` on int16),
onnx's reference evaluator does.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from thresher.compiler import ort
from thresher.compiler.importer.domains import STANDARD_DOMAINS
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["fold"]

_NEVER = frozenset(
    [
        "QuantizeLinear",
        "DequantizeLinear",
        "Constant",
        "Scan",
        "Loop",
        "If",
        "RandomNormalLike",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
        "Dropout",
        "BatchNormalization",
        "LSTM",
        "GRU",
        "RNN",
    ]
)


def fold(call: Call, scope: Scope) -> bool:
    """Turn a call's outputs into constants where all its inputs are; True where it was done."""
    if call.domain not in STANDARD_DOMAINS or call.op in _NEVER or not any(call.inputs):
        return False
    values = {name: scope.constant(name) for name in call.inputs if name}
    if any(value is None for value in values.values()):
        return False
    known = {name: value for name, value in values.items() if value is not None}
    for name, value in zip(call.outputs, _evaluate(call, known), strict=True):
        if name:
            scope.constants[scope.define(name)] = value
    return True


def _evaluate(call: Call, values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    node = onnx.NodeProto()
    node.CopyFrom(call.proto)
    node.domain = ""
    del node.input[:]
    node.input.extend(call.inputs)
    dtypes = {name: value.dtype for name, value in values.items()}
    model = ort.node_model(node, dtypes, call.opset)
    wanted = [name for name in call.outputs if name]
    computed = dict(zip(wanted, _run(call, model, dict(values)), strict=True))
    return [computed.get(name, np.empty(0)) for name in call.outputs]


def _run(call: Call, model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        return [np.asarray(value) for value in ort.session(model).run(None, feed)]
    except Exception:  # onnxruntime's own exceptions share no base class but this one
        pass
    try:
        return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feed)]
    except Exception as e:
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise call.error(
            f"cannot be evaluated on its constant inputs ({reason})", "check the model"
        ) from e
