"""One name, one tensor, in the whole model: bodies that reuse a name have theirs renamed.

ONNX scopes names by graph, so the bodies of two Scans often share all of theirs. After this pass a
name says which tensor is meant, here, in the reference and in a message, and a node can be lifted
out of its body without capturing anything.
"""

from collections.abc import Iterator, Mapping

import onnx

__all__ = ["graphs_of", "names_of", "unique_names"]


def unique_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which no body defines a name that another graph of the model defines.

    The outermost graph keeps all its names; of several bodies the first keeps them.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    taken = names_of(copy.graph)
    reserved = set().union(*map(names_of, graphs_of(copy.graph)))
    for node in copy.graph.node:
        _rename_bodies(node, {}, taken, reserved)
    return copy


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and the bodies inside it, outermost first."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


def names_of(graph: onnx.GraphProto) -> set[str]:
    """The names that a graph itself defines."""
    names = {value.name for value in graph.input} | {value.name for value in graph.initializer}
    names.update(name for node in graph.node for name in node.output)
    return names - {""}


def _rename_bodies(
    node: onnx.NodeProto, outer: Mapping[str, str], taken: set[str], reserved: set[str]
) -> None:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            _rename(attribute.g, outer, taken, reserved)


def _rename(
    graph: onnx.GraphProto, outer: Mapping[str, str], taken: set[str], reserved: set[str]
) -> None:
    names = dict(outer)
    for name in sorted(names_of(graph)):
        names[name] = _free(name, taken, reserved) if name in taken else name
        taken.add(names[name])
    for group in (graph.input, graph.output, graph.value_info, graph.initializer):
        for value in group:
            value.name = names.get(value.name, value.name)
    for annotation in graph.quantization_annotation:
        annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        _rename_bodies(node, names, taken, reserved)


def _free(name: str, taken: set[str], reserved: set[str]) -> str:
    number = 1
    while (candidate := f"{name}_{number}") in taken or candidate in reserved:
        number += 1
    return candidate
