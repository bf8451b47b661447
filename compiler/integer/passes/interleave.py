"""Let a product give its slices side by side: gate after gate of one neuron, neuron by neuron.

A MatMul whose result is only read in slices of one width (as those that `merge_matmuls` leaves)
computes the first element of every slice, then the second of every slice, and so on. What the
slices are for, the gates of a cell, then goes on neuron by neuron while later ones are computed,
and nothing has to hold whole slices.

1. Columns of weights and bias are permuted; the slices take every n-th element instead.
2. Slices are read directly, or through a scan input of a loop. Anything else that reads the
   product leaves it as it is.
"""

from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph, Loop, MatMul, Node, Reorder
from thresher.compiler.integer.passes.rewrite import Rewriter, uses, walk

__all__ = ["interleave"]


@dataclass(frozen=True)
class _Slices:
    """Slices of a product: their number if they were all there, and their width."""

    count: int
    width: int


def interleave(graph: IntegerGraph) -> IntegerGraph:
    """The graph with products in the order in which their slices need them."""
    return _Interleave(graph).run()


class _Interleave(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.outer = {
            scan.inner.name: scan.outer.name
            for node in walk(graph.block)
            if isinstance(node, Loop)
            for scan in node.scans
        }
        self.sliced = self._sliced()

    def _root(self, name: str) -> str:
        while name in self.outer:
            name = self.outer[name]
        return name

    def _sliced(self) -> dict[str, _Slices]:
        """By product: its slices, where it is read in no other way (case 2)."""
        total = uses(self.graph)
        known: dict[str, int] = {}  # uses that are slices or scans
        widths: dict[str, set[tuple[int, int]]] = {}
        for node in walk(self.graph.block):
            if isinstance(node, Loop):
                for scan in node.scans:
                    known[scan.outer.name] = known.get(scan.outer.name, 0) + 1
            elif isinstance(node, Reorder) and (part := _slice(node)) is not None:
                known[node.x.name] = known.get(node.x.name, 0) + 1
                widths.setdefault(self._root(node.x.name), set()).add(part)
        other = {self._root(name) for name, count in total.items() if count != known.get(name, 0)}
        found = {}
        for node in walk(self.graph.block):
            if isinstance(node, MatMul) and node.out.name not in other:
                parts = widths.get(node.out.name, set())
                (width, *more) = sorted({end - first for first, end in parts}) or [0]
                columns = node.weights.shape[1]
                whole = width and not more and columns % width == 0
                if whole and len(parts) > 1 and all(first % width == 0 for first, _ in parts):
                    found[node.out.name] = _Slices(columns // width, width)
        return found

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, MatMul) and node.out.name in self.sliced:
            slices = self.sliced[node.out.name]
            order = np.arange(node.weights.shape[1]).reshape(slices.count, -1).T.reshape(-1)
            bias = None if node.bias is None else node.bias[order]
            x, name = self.at(node.x), node.out.name
            self.new[name] = builder.matmul(x, node.weights[:, order], bias, name=name)
        elif isinstance(node, Reorder) and self._root(node.x.name) in self.sliced:
            slices = self.sliced[self._root(node.x.name)]
            part = _slice(node)
            assert part is not None
            x = self.at(node.x)
            index = np.arange(x.size).reshape(x.shape)[..., part[0] // slices.width :: slices.count]
            self.new[node.out.name] = builder.reorder(x, index, name=node.out.name)
        else:
            super().node(node, builder)


def _slice(node: Reorder) -> tuple[int, int] | None:
    """(first, past the last) where the node is a slice along the last axis."""
    x, index = node.x, node.index
    if len(index.shape) != len(x.shape) or index.shape[:-1] != x.shape[:-1] or not index.size:
        return None
    first = int(index.reshape(-1)[0])
    end = first + index.shape[-1]
    if end > x.shape[-1]:
        return None
    same = (index == np.arange(x.size).reshape(x.shape)[..., first:end]).all()
    return (first, end) if same else None
