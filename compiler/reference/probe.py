"""A copy of a model that also outputs tensors from its inside, from Scan bodies step by step."""

from collections.abc import Sequence

import onnx
from onnx import helper

from thresher.compiler.importer.unique import graphs_of, names_of

__all__ = ["probed", "probed_name", "tensor_names"]


def tensor_names(model: onnx.ModelProto) -> frozenset[str]:
    """Every tensor that `probed` can bring out."""
    return frozenset().union(*map(names_of, graphs_of(model.graph)))


def probed_name(name: str) -> str:
    """The output of a `probed` model that holds a tensor."""
    return f"{name}/probe"


def probed(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy with one more output for each name.

    A tensor inside a Scan body becomes a scan output: stacked on a new axis 0, one entry a step in
    the order in which the steps are run (for a reverse Scan the last element comes first).

    :param model: as `make_runnable` leaves it.
    :param names: from `tensor_names(model)`.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _probe(copy.graph, frozenset(names), 0)
    return copy


def _probe(graph: onnx.GraphProto, names: frozenset[str], depth: int) -> list[str]:
    """Add outputs to a graph inside `depth` Scans; returns the tensors that they hold."""
    found: list[str] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = _probe(attribute.g, names, depth + 1)
                if inner:
                    _extend_scan(node, [_output(name, depth) for name in inner])
                found += inner
    for name in sorted(names & names_of(graph)):
        graph.node.append(helper.make_node("Identity", [name], [_output(name, depth)]))
        found.append(name)
    graph.output.extend(onnx.ValueInfoProto(name=_output(name, depth)) for name in found)
    return found


def _output(name: str, depth: int) -> str:
    """Output inside `depth` Scans that holds a tensor, under a name of its own."""
    return probed_name(name) + "/step" * depth


def _extend_scan(node: onnx.NodeProto, added: Sequence[str]) -> None:
    """Give a Scan that has all its outputs further ones, stacked forwards on axis 0."""
    node.output.extend(added)
    for attribute in node.attribute:
        if attribute.ints and attribute.name in ("scan_output_axes", "scan_output_directions"):
            attribute.ints.extend([0] * len(added))
