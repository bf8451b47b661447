"""Leave out of a product what all its sums share: dead bits of accumulators and weights.

All sums of a MatMul are ``g * q + r``, where g > 1 divides all weights and all differences between
biases, and 0 <= r < g. The MatMul then gives q, where all that read it is one of these.

1. Step: its thresholds are those of ``g * q + r``, divided by g and rounded up.
2. ArgMax without its value: q has the order of the sums.
"""

from collections import Counter

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import ArgMax, IntegerGraph, MatMul, Node, Step
from thresher.compiler.integer.passes.compose_steps import before_affine
from thresher.compiler.integer.passes.rewrite import Rewriter, uses, walk

__all__ = ["divide_products"]


def divide_products(graph: IntegerGraph) -> IntegerGraph:
    """The graph with no factor in a product that its steps can take."""
    return _Divide(graph).run()


class _Divide(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        taking: Counter[str] = Counter()
        for node in walk(graph.block):
            if isinstance(node, Step) or (isinstance(node, ArgMax) and node.value is None):
                taking[node.x.name] += 1
        self.takes = {name for name, count in uses(graph).items() if taking[name] == count}
        self.divided: dict[str, tuple[int, int]] = {}

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, MatMul) and node.out.name in self.takes:
            self.matmul(node, builder)
        elif isinstance(node, Step) and node.x.name in self.divided:  # 1
            x = self.at(node.x)
            function = before_affine(node.function, *self.divided[node.x.name], x.lo, x.hi)
            channel = None if function.channels == 1 else node.channel
            self.new[node.out.name] = builder.step(x, function, channel, name=node.out.name)
        else:
            super().node(node, builder)  # 2

    def matmul(self, node: MatMul, builder: Builder) -> None:
        bias = np.zeros(node.weights.shape[1], np.int64) if node.bias is None else node.bias
        factor = int(np.gcd(np.gcd.reduce(node.weights, axis=None), np.gcd.reduce(bias - bias[0])))
        if factor < 2:
            super().node(node, builder)
            return
        rest = int(bias[0]) % factor
        self.divided[node.out.name] = (factor, rest)
        self.new[node.out.name] = builder.matmul(
            self.at(node.x), node.weights // factor, (bias - rest) // factor, name=node.out.name
        )
