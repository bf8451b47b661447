"""An LSTM layer as an ONNX Scan.

The recipe, in Brevitas' own order (Q saturates, rounding half to even):

1. gate = Q_acc(x Wi + h Wh + b), then Q(sigmoid) or Q(tanh); coupled gates: forget = Q(1) - input
2. c' = Q_c(Q_c(forget c) + Q_c(input cell))
3. h' = Q_io(output Q(tanh(c')))
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from thresher.quant.activation import Activation
from thresher.quant.lstm import Gate, LstmLayer
from thresher.quant.quantizer import QuantArray, Quantizer

__all__ = ["Builder", "scan_nodes"]


@dataclass
class Builder:
    """Collects nodes and initialisers whose names all begin with one prefix."""

    prefix: str
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: ArrayLike) -> str:
        """Add an initialiser, unless it is there, and return its name."""
        name = f"{self.prefix}{name}"
        if all(tensor.name != name for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = f"{self.prefix}{name}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def dequantize(self, array: QuantArray, name: str) -> str:
        """Add a constant as integer codes behind a DequantizeLinear."""
        operands = [
            self.constant(f"{name}_codes", array.codes),
            self.constant(f"{name}_scale", array.scale),
            self.constant(f"{name}_zero", np.zeros(array.scale.shape, array.codes.dtype)),
        ]
        axis = {"axis": array.axis} if array.scale.ndim else {}
        return self.op("DequantizeLinear", operands, name, **axis)

    def quantize(
        self, x: str, quantizer: Quantizer, name: str, key: str, step: np.float32 | None = None
    ) -> str:
        """Add QuantizeLinear, Clip where codes are left out, and DequantizeLinear.

        :param x: the operand.
        :param name: name of the result.
        :param key: name of the quantiser's constants, shared by all its uses.
        :param step: scale of the QuantizeLinear, if it is not the quantiser's.
        """
        scale = self.constant(f"{key}_scale", quantizer.scale)
        zero = self.constant(f"{key}_zero", quantizer.dtype(0))
        step_name = scale
        if step is not None and step != quantizer.scale:
            step_name = self.constant(f"{key}_step", step)
        codes = self.op("QuantizeLinear", [x, step_name, zero], f"{name}_codes")
        if quantizer.needs_clip:
            bounds = [
                self.constant(f"{key}_lo", quantizer.dtype(quantizer.lo)),
                self.constant(f"{key}_hi", quantizer.dtype(quantizer.hi)),
            ]
            codes = self.op("Clip", [codes, *bounds], f"{name}_clipped")
        return self.op("DequantizeLinear", [codes, scale, zero], name)

    def activate(self, x: str, activation: Activation, name: str) -> str:
        """Add a function and its quantiser."""
        raw = self.op(activation.op, [x], f"{name}_raw")
        return self.quantize(raw, activation.quantizer, name, f"{name}_quant", activation.step)


def _gate(build: Builder, gate: Gate, name: str, x: str, h: str) -> str:
    weight_x = build.dequantize(gate.input_weight, f"{name}_Wi")
    weight_h = build.dequantize(gate.hidden_weight, f"{name}_Wh")
    from_x = build.op("MatMul", [x, weight_x], f"{name}_x")
    from_h = build.op("MatMul", [h, weight_h], f"{name}_h")
    total = build.op("Add", [from_x, from_h], f"{name}_sum")
    if isinstance(gate.bias, QuantArray):
        total = build.op("Add", [total, build.dequantize(gate.bias, f"{name}_b")], f"{name}_biased")
    elif gate.bias is not None:
        total = build.op("Add", [total, build.constant(f"{name}_b", gate.bias)], f"{name}_biased")
    total = build.quantize(total, gate.accumulator, f"{name}_acc", f"{name}_acc_quant")
    return build.activate(total, gate.activation, f"{name}_gate")


def _body(layer: LstmLayer, features: int) -> GraphProto:
    build = Builder(f"{layer.name}.")
    h, c, x = (f"{build.prefix}{name}" for name in ("h_in", "c_in", "x"))
    gates = {name: _gate(build, gate, name, x, h) for name, gate in layer.gates.items()}
    if layer.one is not None:
        one = build.constant("one", layer.one)
        gates["forget"] = build.op("Sub", [one, gates["input"]], "forget_gate")
    kept = build.op("Mul", [gates["forget"], c], "kept_raw")
    kept = build.quantize(kept, layer.cell, "kept", "c_quant")
    added = build.op("Mul", [gates["input"], gates["cell"]], "added_raw")
    added = build.quantize(added, layer.cell, "added", "c_quant")
    c_out = build.op("Add", [kept, added], "c_raw")
    c_out = build.quantize(c_out, layer.cell, "c", "c_quant")
    squashed = build.activate(c_out, layer.tanh, "tanh_c")
    h_out = build.op("Mul", [gates["output"], squashed], "h_raw")
    h_out = build.quantize(h_out, layer.output, "h", "h_quant")
    y = build.op("Identity", [h_out], "y")

    def info(name: str, size: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])

    return helper.make_graph(
        build.nodes,
        f"{layer.name}.step",
        [info(h, layer.hidden), info(c, layer.hidden), info(x, features)],
        [info(name, layer.hidden) for name in (h_out, c_out, y)],
        build.initializers,
    )


def _zero_state(build: Builder, x: str, hidden: int) -> str:
    """Make zeros of shape (N, hidden) for x (T, N, F)."""
    batch = build.op("Shape", [x], "batch", start=1, end=2)
    size = build.constant("hidden", np.array([hidden], np.int64))
    shape = build.op("Concat", [batch, size], "state_shape", axis=0)
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    return build.op("ConstantOfShape", [shape], "zero_state", value=zero)


def scan_nodes(
    layer: LstmLayer, x: str, h0: str | None, c0: str | None, outputs: list[str]
) -> Builder:
    """Build the nodes that compute one direction of one layer.

    :param x: quantised input, (T, N, F), or (N, T, F) where the layer is batch_first.
    :param h0: quantised initial hidden state (N, H), None for zeros; c0 likewise.
    :param outputs: names for all hidden states, laid out as x is, and the final h and c (N, H).
    :returns: nodes in topological order, with their initialisers.
    """
    build = Builder(f"{layer.name}_")
    features = layer.gates["input"].input_weight.codes.shape[0]
    y, h, c = outputs
    if layer.batch_first:
        x = build.op("Transpose", [x], "time_first", perm=[1, 0, 2])
        y = f"{build.prefix}all_steps"
    if h0 is None or c0 is None:
        zero = _zero_state(build, x, layer.hidden)
        h0, c0 = h0 or zero, c0 or zero
    directions: dict[str, Any] = {}
    if layer.reverse:
        directions = {"scan_input_directions": [1], "scan_output_directions": [1]}
    scan = helper.make_node(
        "Scan",
        [h0, c0, x],
        [h, c, y],
        name=layer.name,
        body=_body(layer, features),
        num_scan_inputs=1,
        **directions,
    )
    build.nodes.append(scan)
    if layer.batch_first:
        build.nodes.append(
            helper.make_node(
                "Transpose", [y], [outputs[0]], name=f"{build.prefix}batch_first", perm=[1, 0, 2]
            )
        )
    return build
