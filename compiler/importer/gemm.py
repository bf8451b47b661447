"""Gemm becomes MatMul, with Transpose, Mul and Add where they do something."""

import numpy as np

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["lower_gemm"]


@standard("Gemm")
def lower_gemm(call: Call, scope: Scope) -> None:
    """alpha·A·B + beta·C, in onnxruntime's order: product, alpha, then beta·C added."""
    a = _transposed(call, scope, call.inputs[0], "transA")
    b = _transposed(call, scope, call.inputs[1], "transB")
    alpha, beta = call.attrs.get("alpha", 1.0), call.attrs.get("beta", 1.0)
    addend = call.input(2) if beta != 0.0 else ""
    if addend and beta != 1.0:
        addend = _scaled(call, scope, addend, beta)
    outputs = scope.outputs(call)
    if alpha == 1.0 and not addend:
        scope.emit("MatMul", call.name, (a, b), outputs)
        return
    product = scope.step("MatMul", call, (a, b))
    if alpha != 1.0:
        factor = scope.add_constant(f"{call.name}_alpha", np.asarray(alpha, np.float32))
        if not addend:
            scope.emit("Mul", call.name, (product, factor), outputs)
            return
        product = scope.step("Mul", call, (product, factor))
    scope.emit("Add", call.name, (product, addend), outputs)


def _transposed(call: Call, scope: Scope, name: str, flag: str) -> str:
    if not call.attrs.get(flag, 0):
        return name
    value = scope.constant(name)
    if value is not None:
        return scope.add_constant(f"{name}_T", np.ascontiguousarray(value.T))
    return scope.step("Transpose", call, (name,), {"perm": (1, 0)})


def _scaled(call: Call, scope: Scope, name: str, beta: object) -> str:
    factor = np.asarray(beta, np.float32)
    value = scope.constant(name)
    if value is not None:
        return scope.add_constant(f"{name}_beta", value * factor)
    return scope.step("Mul", call, (name, scope.add_constant(f"{call.name}_beta", factor)))
