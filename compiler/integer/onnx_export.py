"""The integer graph as an ONNX file, for Netron and for qonnx, an executor nobody here wrote.

Values are integers in float32 tensors (float64 beyond 2^24, int64 beyond 2^53) of one sample, named
as the integer graph names them. Inputs and outputs are codes, with the axes of the streams;
quantising, dequantising and turning axes are the host's. Loops are Scans whose bodies hold
MultiThreshold nodes, so that only onnx's ReferenceEvaluator, given that operator, runs them; qonnx
runs graphs without loops.
"""

import numpy as np
import onnx
from onnx import helper

from thresher.compiler.integer.ir import Block, IntegerGraph, Loop, Tensor
from thresher.compiler.integer.memory import dtype_of
from thresher.compiler.integer.onnx_emit import QONNX, Emitter, element_type
from thresher.compiler.integer.onnx_nodes import emit

__all__ = ["to_onnx"]

_OPSET, _IR_VERSION = 19, 10
_DOC = (
    "A quantised network on integers alone, made by Thresher. Inputs and outputs are integer "
    "codes; MultiThreshold is qonnx's: out_scale * #{thresholds <= x} + out_bias."
)


def to_onnx(graph: IntegerGraph) -> onnx.ModelProto:
    """The model; its outputs stand in the order of the graph's, under their names.

    An output whose name another tensor bears gets that name and a number.
    """
    names = [p.tensor.name for p in graph.inputs] + _names(graph.block)
    to = Emitter(reserved=names)
    inputs = []
    for port in graph.inputs:
        x = port.tensor
        inputs.append(to.declare(x.name, x.shape, dtype_of(x.lo, x.hi)))
        to.annotate(x)
    _block(graph.block, to)
    made = {x for node in graph.block for x in node.outputs}
    outputs, taken = [], set()
    for out in graph.outputs:
        x = out.tensor
        name = x.name
        if name != out.name or x not in made or name in taken:
            dtype = to.types[x.name]
            renamed = Tensor(to.fresh(out.name), x.shape, x.lo, x.hi)
            name = to.op("Identity", [x.name], renamed, x.shape, dtype)
        taken.add(name)
        outputs.append(helper.make_tensor_value_info(name, element_type(to.types[name]), x.shape))
    body = helper.make_graph(
        to.nodes, graph.name or "graph", inputs, outputs, to.constants, doc_string=_DOC,
        value_info=[v for v in to.values if v.name not in taken],
    )  # fmt: skip
    body.quantization_annotation.extend(to.annotations)
    return helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(QONNX, 1)],
        ir_version=_IR_VERSION,
        producer_name="thresher",
        doc_string=_DOC,
    )


def _names(block: Block) -> list[str]:
    names = []
    for node in block:
        names += [x.name for x in node.outputs]
        if isinstance(node, Loop):
            names += [s.inner.name for s in (*node.scans,)]
            names += [s.inner.name for s in (*node.states,)] + _names(node.body)
    return names


def _block(block: Block, to: Emitter) -> None:
    for node in block:
        if isinstance(node, Loop):
            _loop(node, to)
        else:
            emit(node, to)


def _loop(node: Loop, outer: Emitter) -> None:
    to = Emitter(outer)
    operands, inputs, outputs = [], [], []
    for state in node.states:
        x = state.inner
        dtype = dtype_of(x.lo, x.hi)
        if isinstance(state.initial, Tensor):
            operands.append(outer.cast(state.initial.name, x.shape, dtype))
        else:
            operands.append(outer.constant(state.initial, dtype, f"{x.name}_initial"))
        inputs.append(to.declare(x.name, x.shape, dtype))
    for scan in node.scans:
        x = scan.inner
        dtype = dtype_of(x.lo, x.hi)
        operands.append(outer.cast(scan.outer.name, scan.outer.shape, dtype))
        inputs.append(to.declare(x.name, x.shape, dtype))
    _block(node.body, to)
    finals = []
    for state in node.states:
        outputs.append(_leave(state.update, dtype_of(state.inner.lo, state.inner.hi), to))
        finals.append(outer.fresh(f"{state.inner.name}_final"))
        outer.values.append(
            outer.declare(finals[-1], state.inner.shape, to.types[outputs[-1].name])
        )
    for out in node.scan_outputs:
        x = out.outer
        outputs.append(_leave(out.inner, dtype_of(x.lo, x.hi), to))
        outer.values.append(outer.declare(x.name, x.shape, to.types[outputs[-1].name]))
        outer.annotate(x)
    left = {o.name for o in outputs}
    body = helper.make_graph(
        to.nodes, f"{node.name}_body", inputs, outputs, to.constants,
        value_info=[v for v in to.values if v.name not in left],
    )  # fmt: skip
    outer.nodes.append(
        helper.make_node(
            "Scan",
            operands,
            finals + [o.outer.name for o in node.scan_outputs],
            name=node.name,
            body=body,
            num_scan_inputs=len(node.scans),
        )
    )
    for state, name in zip(node.states, finals, strict=True):
        if state.final is not None:
            outer.op("Identity", [name], state.final, state.final.shape, outer.types[name])


def _leave(x: Tensor, dtype: np.dtype, to: Emitter) -> onnx.ValueInfoProto:
    """An output of the body that holds x: a value of its own, as ONNX asks."""
    name = to.cast(x.name, x.shape, dtype)
    left = to.op("Identity", [name], None, x.shape, dtype)
    return helper.make_tensor_value_info(left, element_type(dtype), x.shape)
