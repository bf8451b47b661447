"""The order of a graph's nodes, and that every name is defined exactly once."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import onnx

from thresher.compiler.errors import ModelError

__all__ = ["free_names", "sorted_nodes"]


def sorted_nodes(graph: onnx.GraphProto, known: Callable[[str], bool]) -> list[onnx.NodeProto]:
    """A graph's nodes in topological order; nodes already in order keep it.

    :param known: whether a name is defined without any of the nodes: an input, an initializer,
        or a name of an enclosing graph.
    :raises ModelError: a name defined twice or never, or a cycle.
    """
    producers = _producers(graph.node)
    for node in graph.node:
        for name in _needs(node):
            if name not in producers and not known(name):
                rule = f"input '{name}' is defined nowhere"
                raise _error(node, rule, "add the node, input or initializer that makes it")
    order: list[onnx.NodeProto] = []
    placed: set[str] = set()
    waiting = list(graph.node)
    while waiting:
        stuck: list[onnx.NodeProto] = []
        for node in waiting:
            if all(name in placed or name not in producers for name in _needs(node)):
                order.append(node)
                placed.update(node.output)
            else:
                stuck.append(node)
        if len(stuck) == len(waiting):
            raise _cycle(
                stuck[0], {name: producers[name] for n in stuck for name in n.output if name}
            )
        waiting = stuck
    return order


def free_names(graph: onnx.GraphProto) -> Iterator[str]:
    """Names that a body uses and does not define: what it captures."""
    own = {value.name for value in graph.input} | {value.name for value in graph.initializer}
    own.update(name for node in graph.node for name in node.output)
    for node in graph.node:
        yield from (name for name in _needs(node) if name not in own)
    yield from (value.name for value in graph.output if value.name not in own)


def _producers(nodes: Sequence[onnx.NodeProto]) -> dict[str, onnx.NodeProto]:
    producers: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        for name in filter(None, node.output):
            if name in producers:
                rule = f"output '{name}' is also an output of '{_label(producers[name])}'"
                raise _error(node, rule, "give every tensor one name of its own")
            producers[name] = node
    return producers


def _needs(node: onnx.NodeProto) -> Iterator[str]:
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from free_names(attribute.g)


def _cycle(node: onnx.NodeProto, stuck: Mapping[str, onnx.NodeProto]) -> ModelError:
    """The error for a cycle that is found by walking backwards from a stuck node."""
    path: list[str] = []
    name = next(needed for needed in _needs(node) if needed in stuck)
    while name not in path:
        path.append(name)
        node = stuck[name]
        name = next(needed for needed in _needs(node) if needed in stuck)
    names = ", ".join(f"'{name}'" for name in reversed(path[path.index(name) :]))
    return _error(node, f"graph has a cycle through {names}", "break it; recurrence must be a Scan")


def _label(node: onnx.NodeProto) -> str:
    return node.name or (node.output[0] if node.output else "")


def _error(node: onnx.NodeProto, rule: str, remedy: str) -> ModelError:
    return ModelError(_label(node), node.op_type, rule, remedy)
