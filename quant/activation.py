"""Sigmoid and tanh behind a quantiser, made equal to PyTorch's on every code they can meet.

PyTorch and onnxruntime approximate sigmoid and tanh differently, by a unit or two in the last
place. Where such a value lies on a rounding tie the two give different codes. Inside an LSTM both
read a quantised value of at most 256 codes, so equality is decided by trying all of them; where a
code differs, the scale of the QuantizeLinear is moved by a few units in the last place, which moves
its ties, until all codes agree. The DequantizeLinear keeps Brevitas' scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import nn

from thresher.quant.errors import ExportError
from thresher.quant.quantizer import Quantizer, read_quantizer

__all__ = ["Activation", "IR_VERSION", "OPSET", "read_activation"]

OPSET = 19
IR_VERSION = 10
OPS = {"sigmoid": "Sigmoid", "tanh": "Tanh"}
TORCH = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
ULPS = 64


@dataclass(frozen=True)
class Activation:
    """A function and the quantiser behind it.

    :param op: ONNX operator.
    :param quantizer: as Brevitas has it.
    :param step: scale of the QuantizeLinear: the quantiser's, or a few last places beside it.
    """

    op: str
    quantizer: Quantizer
    step: np.float32


@lru_cache
def _session(op: str) -> onnxruntime.InferenceSession:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], op, [x], [y])
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _neighbours(scale: np.float32) -> Iterator[np.float32]:
    yield scale
    below = above = scale
    for _ in range(ULPS):
        below = np.nextafter(below, np.float32(0))
        above = np.nextafter(above, np.float32(np.inf))
        yield below
        yield above


def _matching_step(
    values: np.ndarray, codes: np.ndarray, quantizer: Quantizer
) -> np.float32 | None:
    for scale in _neighbours(quantizer.scale):
        found = np.clip(np.rint(values / scale), quantizer.lo, quantizer.hi)
        if np.array_equal(found, codes):
            return scale
    return None


def read_activation(proxy: Any, kind: str, source: Quantizer, where: str) -> Activation:
    """Read an activation quantiser together with its function.

    :param proxy: Brevitas' fused activation and quantiser.
    :param kind: "sigmoid" or "tanh".
    :param source: the quantiser of its operand, which bounds the values to try.
    :raises ExportError: where the function is another one, or no scale makes all codes agree.
    """
    quantizer = read_quantizer(proxy, where)
    fused = proxy.fused_activation_quant_proxy
    if not isinstance(fused.activation_impl, TORCH[kind]):
        raise ExportError(
            where,
            f"the function must be {kind}, not {type(fused.activation_impl).__name__}",
            f"pass an injector as {kind}_quant, not a quantiser of another layer",
        )
    operand = np.arange(source.lo, source.hi + 1).astype(np.float32) * source.scale
    with torch.no_grad():
        wanted = fused(torch.from_numpy(operand))[0].numpy()
    codes = np.rint(wanted / quantizer.scale)
    (values,) = _session(OPS[kind]).run(None, {"x": operand})
    step = _matching_step(values, codes, quantizer)
    if step is None:
        raise ExportError(
            where,
            f"onnxruntime's {kind} must quantise like PyTorch's on all {len(operand)} codes, and "
            "no scale within the last places makes it so",
            "calibrate or train a little further, so that the scale changes",
        )
    return Activation(OPS[kind], quantizer, step)
