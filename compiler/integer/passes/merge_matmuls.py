"""Make one MatMul of several on the same tensor.

1. MatMuls of one block that read one tensor: their columns side by side, in the order in which they
   stood; each result is a slice (Reorder) of the whole. Missing biases are 0.
"""

from collections import defaultdict

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Block, IntegerGraph, MatMul, Node
from thresher.compiler.integer.passes.rewrite import Rewriter

__all__ = ["merge_matmuls"]


def merge_matmuls(graph: IntegerGraph) -> IntegerGraph:
    """The graph with at most one MatMul a tensor and block."""
    return _Merge(graph).run()


class _Merge(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.groups: dict[str, list[MatMul]] = {}

    def block(self, block: Block, builder: Builder) -> None:
        groups: dict[str, list[MatMul]] = defaultdict(list)
        for node in block:
            if isinstance(node, MatMul):
                groups[node.x.name].append(node)
        for group in groups.values():
            self.groups.update((node.out.name, group) for node in group)
        super().block(block, builder)

    def node(self, node: Node, builder: Builder) -> None:
        if not isinstance(node, MatMul) or len(self.groups[node.out.name]) == 1:
            super().node(node, builder)
        elif node is self.groups[node.out.name][0]:
            self.merge(self.groups[node.out.name], builder)

    def merge(self, group: list[MatMul], builder: Builder) -> None:  # 1
        weights = np.concatenate([m.weights for m in group], axis=1)
        zero = np.zeros(1, np.int64)
        biases = [
            np.broadcast_to(zero if m.bias is None else m.bias, m.weights.shape[1:]) for m in group
        ]
        name = f"{group[0].out.name}_merged"
        whole = builder.matmul(self.at(group[0].x), weights, np.concatenate(biases), name=name)
        index = np.arange(whole.size).reshape(whole.shape)
        first = 0
        for m in group:
            end = first + m.weights.shape[1]
            out = m.out.name
            self.new[out] = builder.reorder(whole, index[..., first:end], name=out)
            first = end
