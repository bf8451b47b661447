"""From GraphProto to Graph, recursively: scopes, order, one lowering rule for each node."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph, GraphInput, Node
from thresher.compiler.importer.check import check_call
from thresher.compiler.importer.fold import fold
from thresher.compiler.importer.load import load_model, opset_of
from thresher.compiler.importer.rules import find_rule
from thresher.compiler.importer.scope import Call, Names, Scope
from thresher.compiler.importer.toposort import sorted_nodes
from thresher.compiler.importer.unique import graphs_of, names_of, unique_names
from thresher.compiler.importer.values import dtype_name, graph_input, plain_constant

__all__ = ["import_model"]


def import_model(source: str | os.PathLike[str] | onnx.ModelProto) -> Graph:
    """The model in a file, brought to the vocabulary of `thresher.compiler.graph`.

    :param source: path of an ONNX file, or a model already loaded.
    :raises ModelError: the file, the graph or one of its operators is refused.
    """
    if isinstance(source, onnx.ModelProto):
        model, name = unique_names(source), source.graph.name
    else:
        model, name = load_model(source), Path(source).stem
    return _Importer(model, opset_of(model, name)).graph(model.graph, None, ())[0]


class _Importer:
    """Imports the graphs of one model."""

    def __init__(self, model: onnx.ModelProto, opset: int) -> None:
        self.opset = opset
        graphs = list(graphs_of(model.graph))
        self.tensors = Names(frozenset(name for graph in graphs for name in names_of(graph)))
        self.nodes = Names(frozenset(node.name for graph in graphs for node in graph.node))

    def graph(
        self, proto: onnx.GraphProto, outer: Scope | None, ranks: Sequence[int | None]
    ) -> tuple[Graph, list[int | None]]:
        """The Graph of a GraphProto, and the ranks of its outputs.

        :param outer: scope of the enclosing graph.
        :param ranks: those of a body's inputs, as the enclosing graph knows them.
        """
        scope = Scope(outer, self.tensors, self.nodes, self.body)
        _define_initializers(proto, scope)
        inputs = _define_inputs(proto, scope, ranks)
        for node in sorted_nodes(proto, lambda name: scope.resolve(name) is not None):
            call = self.call(node, scope)
            check_call(call)
            if not fold(call, scope):
                find_rule(call)(call, scope)
        outputs = _outputs(proto, scope)
        nodes = _live(scope.nodes, outputs)
        used = set(outputs).union(*map(_names_used, nodes))
        constants = {
            name: plain_constant(name, value)
            for name, value in scope.constants.items()
            if name in used
        }
        dtypes = tuple(dtype_name(o.type.tensor_type.elem_type) or "" for o in proto.output)
        graph = Graph(proto.name, inputs, outputs, nodes, constants, dtypes)
        return graph, [scope.rank(name) for name in outputs]

    def body(
        self, proto: onnx.GraphProto, call: Call, scope: Scope, ranks: Sequence[int | None]
    ) -> tuple[Graph, list[int | None]]:
        if not proto.output:
            raise call.error("body has no outputs", "give the body its outputs")
        return self.graph(proto, scope, ranks)

    def call(self, node: onnx.NodeProto, scope: Scope) -> Call:
        name = node.name or self.nodes.numbered(node.op_type)
        attrs: dict[str, object] = {}
        for attribute in node.attribute:
            if attribute.ref_attr_name:
                rule = f"attribute {attribute.name} refers to a function's attribute"
                raise ModelError(name, node.op_type, rule, "inline the model's functions")
            attrs[attribute.name] = _decode(name, helper.get_attribute_value(attribute))
        inputs = tuple((scope.resolve(i) or "") if i else "" for i in node.input)
        return Call(
            node.op_type, node.domain, name, inputs, tuple(node.output), attrs, node, self.opset
        )


def _decode(node: str, value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return _array(value, node)
    if isinstance(value, list) or hasattr(value, "extend"):
        return tuple(_decode(node, item) for item in value)  # type: ignore[attr-defined]
    return value


def _define_initializers(proto: onnx.GraphProto, scope: Scope) -> None:
    if proto.sparse_initializer:
        name = proto.sparse_initializer[0].values.name
        raise ModelError(name, "initializer", "sparse tensors are unsupported", "store it dense")
    for tensor in proto.initializer:
        if scope.defines(tensor.name):
            raise _twice(tensor.name, "initializer")
        scope.constants[scope.define(tensor.name)] = _array(tensor)


def _array(tensor: onnx.TensorProto, owner: str = "") -> np.ndarray:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as e:
        rule = f"tensor does not hold the data that its shape {list(tensor.dims)} needs"
        raise ModelError(owner or tensor.name, "tensor", rule, "export the model again") from e


def _define_inputs(
    proto: onnx.GraphProto, scope: Scope, ranks: Sequence[int | None]
) -> tuple[GraphInput, ...]:
    annotations = _finn_types(proto)
    initializers = {tensor.name for tensor in proto.initializer}
    inputs: list[GraphInput] = []
    outermost = scope.parent is None
    for value in proto.input:
        if value.name in initializers and outermost:
            continue  # an initializer that a caller may override: nobody does
        if scope.defines(value.name):
            raise _twice(value.name, "graph input")
        item = graph_input(value, scope.define(value.name), annotations, body=not outermost)
        rank = len(item.shape) if outermost else None
        if not outermost and len(inputs) < len(ranks):
            rank = ranks[len(inputs)]
        if rank is not None:
            scope.ranks[item.name] = rank
        inputs.append(item)
    for node in proto.node:
        for name in filter(None, node.output):
            if scope.defines(name):
                raise _twice(name, "graph input or initializer")
    return tuple(inputs)


def _twice(name: str, what: str) -> ModelError:
    return ModelError(name, what, "name is defined twice", "give every tensor one name of its own")


def _finn_types(proto: onnx.GraphProto) -> Mapping[str, str]:
    return {
        annotation.tensor_name: entry.value
        for annotation in proto.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == "finn_datatype"
    }


def _outputs(proto: onnx.GraphProto, scope: Scope) -> tuple[str, ...]:
    """Names of the outputs; the outermost graph's keep those of the file."""
    outputs: list[str] = []
    for value in proto.output:
        name = scope.resolve(value.name)
        if name is None:
            rule = "no node makes this output"
            raise ModelError(value.name, "graph output", rule, "add the node or drop the output")
        if scope.parent is None and name != value.name:
            scope.emit("Identity", f"{value.name}_Identity", (name,), (value.name,))
            name = value.name
        outputs.append(name)
    return tuple(outputs)


def _live(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[Node, ...]:
    """The nodes that the outputs depend on."""
    needed = set(outputs)
    live: list[Node] = []
    for node in reversed(nodes):
        if needed.intersection(node.outputs) - {""}:
            needed.update(_names_used(node))
            live.append(node)
    return tuple(reversed(live))


def _names_used(node: Node) -> set[str]:
    """Inputs of a node and names that its body uses (captured or its own)."""
    names = set(node.inputs)
    for value in node.attrs.values():
        if isinstance(value, Graph):
            names.update(value.outputs)
            names.update(*map(_names_used, value.nodes))
    return names
