"""What onnxruntime 1.31 needs in order to run a legal model, and to run it right.

1. It reads IR versions up to 13; onnx 1.23 writes 14.
2. It refuses a Scan one of whose outputs has the empty name: every output gets a name.
3. Where a Scan body outputs one of its own inputs, or one tensor twice, it returns garbage
   without a word; where it outputs a tensor of the enclosing graph, it refuses. An Identity makes
   each a tensor of its own.
"""

import onnx
from onnx import helper

from thresher.compiler.importer.unique import graphs_of

__all__ = ["make_runnable"]

_IR_NEWEST, _IR_SAFE = 13, 10


def make_runnable(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that means the same, by the cases above.

    :param model: its names unique, see `unique_names`.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.ir_version > _IR_NEWEST:
        copy.ir_version = _IR_SAFE
    fresh = 0
    for graph in graphs_of(copy.graph):
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    fresh = _name_outputs(node, attribute.g, fresh)
                    fresh = _separate_outputs(attribute.g, fresh)
    return copy


def _name_outputs(node: onnx.NodeProto, body: onnx.GraphProto, fresh: int) -> int:
    """Case 2; returns the next free number."""
    names = [*node.output, *[""] * (len(body.output) - len(node.output))]
    node.output[:] = [name or f"unused/{fresh + i}" for i, name in enumerate(names)]
    return fresh + len(names)


def _separate_outputs(body: onnx.GraphProto, fresh: int) -> int:
    """Case 3; returns the next free number."""
    own = {name for node in body.node for name in node.output}
    for value in body.output:
        if value.name in own:
            own.remove(value.name)
            continue
        name = f"separate/{fresh}"
        fresh += 1
        body.node.append(helper.make_node("Identity", [value.name], [name]))
        value.name = name
    return fresh
