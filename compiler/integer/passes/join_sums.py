"""Turn a sum of two products in a loop body into one product of the joined operands.

``x @ V + h @ W`` becomes ``concat(x, h) @ [V; W]``: the same multipliers do both, one after the
other, and what does not depend on the state comes first, so that it is done while the state is
still on its way. It is the other choice beside hoisting ``x @ V``; `optimise` takes one of the two.

1. Both terms are MatMuls that nothing else reads, unshifted, of operands of one rank.
2. A difference is a sum with the second weights negated.
3. Where neither or both operands depend on a state the sum stays: hoisting or merging is better.
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, IntegerGraph, Loop, MatMul, Node, Tensor
from thresher.compiler.integer.passes.rewrite import Rewriter, producers, uses, walk

__all__ = ["join_sums"]


def join_sums(graph: IntegerGraph) -> IntegerGraph:
    """The graph with sums of products in loops joined; dead nodes are left behind."""
    return _Join(graph).run()


class _Join(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.uses, self.producers = uses(graph), producers(graph)
        self.stateful = _stateful(graph)

    def node(self, node: Node, builder: Builder) -> None:
        pair = self.pair(node) if isinstance(node, Binary) else None
        if pair is None or not isinstance(node, Binary):
            super().node(node, builder)
            return
        (early, early_sign), (late, late_sign) = pair
        operands = (self.at(early.x), self.at(late.x))
        joined = builder.concat(operands, len(early.x.shape) - 1)
        weights = np.concatenate([early_sign * early.weights, late_sign * late.weights])
        biases = [
            sign * m.bias for m, sign in ((early, early_sign), (late, late_sign))
            if m.bias is not None
        ]  # fmt: skip
        bias = np.asarray(sum(biases)) if biases else None
        self.new[node.out.name] = builder.matmul(joined, weights, bias, name=node.out.name)

    def pair(self, node: Binary) -> tuple[tuple[MatMul, int], tuple[MatMul, int]] | None:
        """((MatMul without state, its sign), (MatMul with state, its sign)), or None."""
        if node.op == "mul" or node.shift_x or node.shift_y:
            return None
        terms = [self.product(x) for x in (node.x, node.y)]
        if terms[0] is None or terms[1] is None:
            return None
        first, second = (terms[0], 1), (terms[1], 1 if node.op == "add" else -1)
        if len(first[0].x.shape) != len(second[0].x.shape):
            return None
        if first[0].x.shape[:-1] != second[0].x.shape[:-1]:
            return None
        depends = [m.x.name in self.stateful for m in (first[0], second[0])]
        if depends == [False, True]:
            return first, second
        return (second, first) if depends == [True, False] else None

    def product(self, x: Tensor | np.ndarray) -> MatMul | None:
        if not isinstance(x, Tensor) or self.uses[x.name] != 1:
            return None
        source = self.producers.get(x.name)
        return source if isinstance(source, MatMul) else None


def _stateful(graph: IntegerGraph) -> set[str]:
    """Tensors inside loops that depend on a state."""
    found: set[str] = set()
    for node in walk(graph.block):
        if isinstance(node, Loop):
            found |= {s.inner.name for s in node.states}
        if any(x.name in found for x in node.inputs) and not isinstance(node, Loop):
            found |= {x.name for x in node.outputs}
    return found
