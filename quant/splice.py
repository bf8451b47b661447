"""Fill the placeholders of a traced model with Scans and tidy what the exporter left."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx
from onnx import helper

from thresher.quant.activation import IR_VERSION, OPSET
from thresher.quant.lstm import LstmLayer
from thresher.quant.scan import scan_nodes
from thresher.quant.tracing import DOMAIN, PLACEHOLDER

__all__ = ["splice"]

Shapes = Mapping[str, Sequence[int | str]]


def _shorten(model: onnx.ModelProto) -> None:
    """Drop Brevitas' handler scopes from names, where the shorter name is free."""
    graph = model.graph
    edges = {value.name for value in [*graph.input, *graph.output]}
    names = {name for node in graph.node for name in [*node.input, *node.output, node.name]}
    names |= {tensor.name for tensor in graph.initializer}
    short = {name: re.sub(r"/export_handler(_\d+)?", r"\1", name) for name in names}
    uses = Counter(short.values())

    def rename(name: str) -> str:
        return name if name in edges or uses[short[name]] > 1 else short[name]

    for node in graph.node:
        node.name = rename(node.name)
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = rename(tensor.name)


def _fill(model: onnx.ModelProto, layers: Sequence[LstmLayer]) -> None:
    graph, nodes = model.graph, []
    uses: Counter[str] = Counter()
    for node in model.graph.node:
        if (node.domain, node.op_type) != (DOMAIN, PLACEHOLDER):
            nodes.append(node)
            continue
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        layer = layers[given["index"]]
        count = uses[layer.name]
        uses[layer.name] += 1
        if count:  # the same layer called again
            layer = replace(layer, name=f"{layer.name}_call{count}")
        x, *states = node.input
        h0 = states.pop(0) if given["h_given"] else None
        c0 = states.pop(0) if given["c_given"] else None
        built = scan_nodes(layer, x, h0, c0, list(node.output))
        nodes.extend(built.nodes)
        graph.initializer.extend(built.initializers)
    del graph.node[:]
    graph.node.extend(nodes)


def splice(model: onnx.ModelProto, layers: Sequence[LstmLayer], shapes: Shapes) -> onnx.ModelProto:
    """Finish a traced model.

    :param model: with placeholder nodes; it is changed.
    :param layers: what each placeholder's index stands for.
    :param shapes: of every graph input and output, symbolic axes as strings.
    :returns: the model, checked by onnx, with the shapes that onnx infers.
    """
    _shorten(model)
    _fill(model, layers)
    graph = model.graph
    graph.name = "thresher"
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, list(shapes[value.name])))
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", OPSET))
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "thresher.quant", ""
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
