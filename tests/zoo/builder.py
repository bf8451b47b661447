"""`Builder`: onnx.helper with quantisers and quantised weights, in the QCDQ or QONNX dialect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["BREVITAS", "QONNX", "Arrays", "Builder", "Quantiser", "ZooModel", "scale_for"]

QONNX = "qonnx.custom_op.general"
BREVITAS = "onnx.brevitas"  # the old name of the same domain

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ZooModel:
    """A model with what a test must know about it.

    :param inputs: `inputs(rng, n)` draws `n` samples, arrays (n, *graph_input_shape) by name.
    :param seq_len: the value for `--seq-len` where the sequence axis is symbolic, else None.
    :param pow2: every scale is a power of two, so E2 allows no difference at all.
    :param output_bits: width of the first output's codes where it ends in a quantiser.
    """

    name: str
    model: onnx.ModelProto
    inputs: Callable[[np.random.Generator, int], Arrays]
    seq_len: int | None = None
    pow2: bool = True
    output_bits: int | None = None

    @property
    def standard(self) -> bool:
        """Only ONNX's own operators: onnxruntime can run it."""
        return not {o.domain for o in self.model.opset_import} & {QONNX, BREVITAS}


@dataclass(frozen=True)
class Quantiser:
    """codes = clip(round_half_even(x / scale), lo, hi), with zero point 0."""

    bits: int
    scale: float
    signed: bool = True
    narrow: bool = False

    @property
    def lo(self) -> int:
        return -(2 ** (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def hi(self) -> int:
        return 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1 - self.narrow


def scale_for(limit: float, bits: int, pow2: bool, signed: bool = True) -> float:
    """A scale whose codes reach about `limit`: the nearest power of two, or a crooked float32."""
    if pow2:
        return float(2.0 ** np.round(np.log2(limit / 2 ** (bits - signed))))
    return float(np.float32(0.9871 * limit / (2 ** (bits - signed) - 1)))


class Builder:
    """Collects the nodes and initializers of one graph; methods return the name of a tensor.

    :param dialect: "qcdq" or "qonnx".
    :param domain: the domain of QONNX operators.
    :param prefix: starts every name, so that a Scan body shadows nothing outside.
    :param clip: write the Clip after QuantizeLinear where the range asks for one. Without it the
        quantiser has the full range of its 8-bit type.
    :param int4: use the int4 and uint4 types (opset 21) for quantisers of 4 bits.
    """

    def __init__(
        self,
        dialect: str = "qcdq",
        *,
        domain: str = QONNX,
        prefix: str = "",
        clip: bool = True,
        int4: bool = False,
    ) -> None:
        self.dialect, self.domain, self.prefix, self.clip, self.int4 = (
            dialect,
            domain,
            prefix,
            clip,
            int4,
        )
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.annotations: list[onnx.TensorAnnotation] = []
        self._count = 0

    def child(self, prefix: str) -> "Builder":
        """A builder with the same settings, for a Scan body."""
        return Builder(
            self.dialect, domain=self.domain, prefix=prefix, clip=self.clip, int4=self.int4
        )

    def fresh(self, hint: str) -> str:
        self._count += 1
        return f"{self.prefix}{hint}_{self._count}"

    # -- graph edges

    def input(self, name: str, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(
        self,
        tensor: str,
        shape: Sequence[int | str],
        name: str = "",
        dtype: int = TensorProto.FLOAT,
    ) -> str:
        """Make `tensor` a graph output, under another name if one is given."""
        if name:
            self.nodes.append(helper.make_node("Identity", [tensor], [name], f"out_{name}"))
        self.outputs.append(helper.make_tensor_value_info(name or tensor, dtype, shape))
        return name or tensor

    def graph(self, name: str) -> onnx.GraphProto:
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)
        graph.quantization_annotation.extend(self.annotations)
        return graph

    def model(self, name: str, *, opset: int = 19, domain_version: int = 1) -> onnx.ModelProto:
        opsets = [helper.make_opsetid("", opset)]
        if self.dialect == "qonnx":
            opsets.append(helper.make_opsetid(self.domain, domain_version))
        return helper.make_model(
            self.graph(name), opset_imports=opsets, ir_version=10, producer_name="zoo"
        )

    # -- operators

    def ops(
        self, op: str, inputs: Sequence[str], count: int, domain: str = "", **attrs: Any
    ) -> list[str]:
        """A node with `count` outputs."""
        hint = op.lower()
        outputs = [self.fresh(hint) for _ in range(count)]
        node = helper.make_node(
            op, inputs, outputs, name=self.fresh(f"{hint}_node"), domain=domain, **attrs
        )
        self.nodes.append(node)
        return outputs

    def op(self, op: str, *inputs: str, domain: str = "", **attrs: Any) -> str:
        return self.ops(op, inputs, 1, domain, **attrs)[0]

    def const(self, value: object, dtype: type | np.dtype = np.float32, hint: str = "c") -> str:
        name = self.fresh(hint)
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def const_int4(self, value: object, signed: bool) -> str:
        array = np.asarray(value)
        name = self.fresh("c4")
        kind = TensorProto.INT4 if signed else TensorProto.UINT4
        flat = array.flatten().tolist()
        self.initializers.append(helper.make_tensor(name, kind, array.shape, flat))
        return name

    def annotate(self, tensor: str, datatype: str) -> str:
        """Write FINN's datatype beside the tensor."""
        entry = onnx.StringStringEntryProto(key="finn_datatype", value=datatype)
        self.annotations.append(
            onnx.TensorAnnotation(tensor_name=tensor, quant_parameter_tensor_names=[entry])
        )
        return tensor

    # -- quantisation

    def quant(self, x: str, q: Quantiser, rounding: str = "ROUND") -> str:
        """Quantise and dequantise `x` (rounding other than half to even: QONNX alone)."""
        if self.dialect == "qonnx":
            return self._quant_node(x, q, np.float32(q.scale), rounding)
        return self._qcdq(x, q, np.float32(q.scale))

    def _quant_node(
        self, x: str, q: Quantiser, scale: np.ndarray | np.float32, rounding: str = "ROUND"
    ) -> str:
        tail = [self.const(value) for value in (scale, 0, q.bits)]
        return self.op(
            "Quant",
            x,
            *tail,
            domain=self.domain,
            signed=int(q.signed),
            narrow=int(q.narrow),
            rounding_mode=rounding,
        )

    def _qcdq(
        self, x: str, q: Quantiser, scale: np.ndarray | np.float32, axis: int | None = None
    ) -> str:
        shape = np.shape(scale)
        attrs: dict[str, Any] = {} if axis is None else {"axis": axis}
        s = self.const(scale, hint="scale")
        if self.int4 and q.bits == 4:
            zero = self.const_int4(np.zeros(shape), q.signed)
            lo, hi = (-8, 7) if q.signed else (0, 15)
        else:
            dtype = np.int8 if q.signed else np.uint8
            zero = self.const(np.zeros(shape), dtype, "zero")
            lo, hi = np.iinfo(dtype).min, np.iinfo(dtype).max
        codes = self.op("QuantizeLinear", x, s, zero, **attrs)
        if self.clip and (q.lo, q.hi) != (lo, hi):
            limits = self.const(q.lo, dtype, "lo"), self.const(q.hi, dtype, "hi")
            codes = self.op("Clip", codes, *limits)
        return self.op("DequantizeLinear", codes, s, zero, **attrs)

    def weight(
        self,
        codes: np.ndarray,
        scale: float | np.ndarray,
        bits: int,
        form: str = "int8",
        axis: int = -1,
    ) -> str:
        """A weight tensor of value codes * scale, narrow range.

        :param scale: one number, or one a channel along `axis` (-1 is the last).
        :param form: "float" (a float initializer on the grid), "int8" (codes, dequantised), or
            "graph" (a float initializer off the grid, quantised by nodes).
        """
        scale32 = np.asarray(scale, np.float32)
        broadcast = scale32
        if scale32.ndim and axis >= 0:
            broadcast = scale32.reshape(-1, *[1] * (codes.ndim - axis - 1))
        if form == "float":
            return self.const(codes.astype(np.float32) * broadcast, hint="w")
        q = Quantiser(bits, 0.0, narrow=True)
        attrs: dict[str, Any] = {"axis": axis % codes.ndim} if scale32.ndim else {}
        if form == "int8" and self.dialect == "qcdq":
            s = self.const(scale32, hint="scale")
            if self.int4 and bits == 4:
                zero = self.const_int4(np.zeros(scale32.shape), True)
                return self.op("DequantizeLinear", self.const_int4(codes, True), s, zero, **attrs)
            zero = self.const(np.zeros(scale32.shape), np.int8, "zero")
            return self.op("DequantizeLinear", self.const(codes, np.int8, "w"), s, zero, **attrs)
        jitter = np.random.default_rng(codes.size).uniform(-0.4, 0.4, codes.shape)
        values = self.const((codes + jitter) * broadcast, hint="w")
        if self.dialect == "qonnx":
            return self._quant_node(values, q, broadcast)
        return self._qcdq(values, q, scale32, attrs.get("axis"))

    def transposed(self, x: str, perm: Sequence[int]) -> str:
        return self.op("Transpose", x, perm=list(perm))

    def bias(self, codes: np.ndarray, scale: float | np.ndarray, form: str) -> str:
        """A bias of value codes * scale: "int32" (dequantised codes) or "float" (an initializer).

        :param codes: may be fractional for "float": off the accumulator's grid.
        """
        scale32 = np.asarray(scale, np.float32)
        broadcast = scale32.reshape(-1, *[1] * (codes.ndim - 1)) if scale32.ndim else scale32
        if form == "float":
            return self.const(codes * broadcast, hint="b")
        if self.dialect == "qonnx":
            values = self.const(np.round(codes) * broadcast, hint="b")
            return self._quant_node(values, Quantiser(24, 0.0), broadcast)
        s = self.const(scale32, hint="scale")
        zero = self.const(np.zeros(scale32.shape), np.int32, "zero")
        attrs: dict[str, Any] = {"axis": 0} if scale32.ndim else {}
        return self.op(
            "DequantizeLinear", self.const(np.round(codes), np.int32, "b"), s, zero, **attrs
        )
