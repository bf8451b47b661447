"""onnxruntime as a calculator: the float32 arithmetic that the reference itself performs.

onnxruntime's `Sigmoid` and `Tanh` are polynomials of its own, not libm's. Whoever must agree with
it to the bit has to ask it.

Some of its kernels (Elu, Selu, Celu, Softplus, Mish, Log, Sin, Cos, Atan: those built on Eigen)
use one formula for whole vectors of elements and another for the rest of a tensor, which differ in
the last bit; `run_node` always takes the vector's, so that it is a function of the value alone.
Sigmoid, Tanh, Exp, Erf, Gelu, Softsign, HardSigmoid, HardSwish and arithmetic have one formula.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper

__all__ = ["node_model", "run_node", "session"]

_IR_VERSION = 10
_VECTOR = 64  # elements; a multiple of every vector length that onnxruntime's kernels use


def session(model: onnx.ModelProto | bytes) -> onnxruntime.InferenceSession:
    """A single-threaded session on the CPU that runs the graph as it is written.

    :param model: the model, or its serialised bytes.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run_node(
    op: str, attrs: Mapping[str, object], *arrays: npt.ArrayLike, opset: int = 19
) -> np.ndarray:
    """Evaluate one standard elementwise operator as onnxruntime does.

    :param op: name of an elementwise operator of ONNX's own domain with one output.
    :param attrs: its ONNX attributes.
    :param arrays: its inputs; several are broadcast against each other as NumPy does.
    :param opset: the opset to use, raised to the operator's first where that is later.
    :returns: an array of the broadcast shape.
    """
    operands = [np.asarray(array) for array in arrays]
    shape = np.broadcast_shapes(*(array.shape for array in operands))
    flat = [_padded(np.broadcast_to(array, shape).reshape(-1)) for array in operands]
    dtypes = tuple(array.dtype.name for array in flat)
    frozen = tuple(sorted((key, _freeze(value)) for key, value in attrs.items()))
    runner = _node_session(op, frozen, dtypes, opset)
    feed = {f"x{i}": array for i, array in enumerate(flat)}
    result = np.asarray(runner.run(None, feed)[0])
    return result[: math.prod(shape)].reshape(shape)


def _padded(flat: np.ndarray) -> np.ndarray:
    return np.pad(flat, (0, -flat.size % _VECTOR), constant_values=1)


def _freeze(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def node_model(
    node: onnx.NodeProto, dtypes: Mapping[str, np.dtype[Any]], opset: int
) -> onnx.ModelProto:
    """A model of one node of ONNX's own domain, for inputs of any shape.

    :param dtypes: element types of its inputs by name.
    """
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None)
        for name, dtype in dtypes.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], node.name or node.op_type, inputs, outputs)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


@lru_cache(maxsize=256)
def _node_session(
    op: str, attrs: tuple[tuple[str, Any], ...], dtypes: tuple[str, ...], opset: int
) -> onnxruntime.InferenceSession:
    types = {f"x{i}": np.dtype(dtype) for i, dtype in enumerate(dtypes)}
    node = helper.make_node(op, list(types), ["y"], **dict(attrs))
    return session(node_model(node, types, _opset_with(op, opset)))


def _opset_with(op: str, opset: int) -> int:
    first = min(
        schema.since_version
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.name == op and schema.domain == ""
    )
    return max(opset, first)
