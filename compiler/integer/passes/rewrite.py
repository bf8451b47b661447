"""What every pass shares: rebuilding a graph node by node through a `Builder`.

A pass overrides `Rewriter.node` for the nodes it changes; all others are copied. The builder
derives every interval anew, shares equal nodes, and keeps the names. Nodes that a rewrite leaves
without use stay behind for `dead_code`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    Block,
    InputPort,
    IntegerGraph,
    Loop,
    Node,
    OutputPort,
    Tensor,
)
from thresher.compiler.integer.passes.copy import copied

__all__ = ["Rewriter", "producers", "uses", "walk"]


def walk(block: Block) -> Iterator[Node]:
    """All nodes, those of loop bodies after their loop."""
    for node in block:
        yield node
        if isinstance(node, Loop):
            yield from walk(node.body)


def uses(graph: IntegerGraph) -> Counter[str]:
    """How often each tensor is read: by nodes, as a state's update, as an output."""
    count = Counter(o.tensor.name for o in graph.outputs)
    for node in walk(graph.block):
        count.update(x.name for x in node.inputs)
        if isinstance(node, Loop):
            count.update(s.update.name for s in node.states)
            count.update(s.inner.name for s in node.scan_outputs)
    return count


def producers(graph: IntegerGraph) -> dict[str, Node]:
    """The node that makes each tensor, loop bodies included."""
    return {x.name: node for node in walk(graph.block) for x in node.outputs}


class Rewriter:
    """Copies a graph; `self.new` maps the names of the old graph to tensors of the new one."""

    def __init__(self, graph: IntegerGraph) -> None:
        self.graph = graph
        self.new: dict[str, Tensor] = {}

    def run(self) -> IntegerGraph:
        """The rewritten graph."""
        builder = Builder()
        inputs = tuple(self.input(port, builder) for port in self.graph.inputs)
        self.block(self.graph.block, builder)
        outputs = tuple(self.output(port, builder) for port in self.graph.outputs)
        return IntegerGraph(self.graph.name, inputs, Block(builder.nodes), outputs)

    def input(self, port: InputPort, builder: Builder) -> InputPort:
        """The new port for an old one; its tensor is in `self.new`."""
        x = port.tensor
        tensor = self.new[x.name] = builder.input(x.shape, x.lo, x.hi, name=x.name)
        return replace(port, tensor=tensor)

    def output(self, port: OutputPort, builder: Builder) -> OutputPort:
        """The new port for an old one."""
        return replace(port, tensor=self.at(port.tensor))

    def at(self, x: Tensor) -> Tensor:
        """The new tensor for an old one."""
        return self.new[x.name]

    def block(self, block: Block, builder: Builder) -> None:
        """Rewrite the nodes of a block into `builder`."""
        for node in block:
            self.node(node, builder)

    def node(self, node: Node, builder: Builder) -> None:
        """Rewrite one node: build what replaces it and enter its outputs in `self.new`."""
        if isinstance(node, Loop):
            self.loop(node, builder)
        else:
            self.new.update(copied(node, builder, self.new))

    def loop(self, node: Loop, builder: Builder) -> None:
        """Rewrite a loop; scan inputs of one tensor, and outputs of one tensor, become one."""
        body = builder.child()
        scans: dict[str, tuple[Tensor, Tensor]] = {}
        for scan in node.scans:
            outer = self.at(scan.outer)
            if outer.name not in scans:
                inner = builder.scan_input(body, outer, name=scan.inner.name)
                scans[outer.name] = (outer, inner)
            self.new[scan.inner.name] = scans[outer.name][1]
        for state in node.states:
            x = state.inner
            self.new[x.name] = body.input(x.shape, x.lo, x.hi, name=x.name)
        self.block(node.body, body)
        self.close(node, builder, body, list(scans.values()))

    def close(
        self, node: Loop, builder: Builder, body: Builder, scans: list[tuple[Tensor, Tensor]]
    ) -> None:
        """Make the new loop from a rewritten body, with all states and scan outputs of `node`."""
        taken: dict[str, tuple[Tensor, str]] = {}
        for out in node.scan_outputs:
            inner = self.at(out.inner)
            taken.setdefault(inner.name, (inner, out.outer.name))
        states = []
        for state in node.states:
            start = state.initial
            initial = start if isinstance(start, np.ndarray) else self.at(start)
            final = None if state.final is None else state.final.name
            states.append((initial, self.at(state.inner), self.at(state.update), final))
        made = builder.loop(node.steps, body, scans, states, list(taken.values()), name=node.name)
        outers = {o.inner.name: o.outer for o in made.scan_outputs}
        for out in node.scan_outputs:
            self.new[out.outer.name] = outers[self.at(out.inner).name]
        for old, new in zip(node.states, made.states, strict=True):
            if old.final is not None and new.final is not None:
                self.new[old.final.name] = new.final
