"""Compute no element twice, none that is known, and none that nobody needs.

The elements are channels of a free group (`channels`): they are made by MatMuls, go through
elementwise nodes and end in MatMuls, so that one less is a column less here and a row less there.
`channel_plans` tells which leave.

1. Equal channels: the same weights, bias, constants and step functions all the way. The first one
   is computed and takes the sum of the rows of weights that read them.
2. A channel that is one known value where a MatMul reads it goes into that MatMul's bias.
3. A channel whose row of weights is zero is not read. A channel leaves where each MatMul that reads
   its group has case 2 or 3.
4. One channel stays of each group, for a tensor has at least one element.
5. What leaves may make more leave, before it and behind it: all is repeated until nothing does.
"""

from collections.abc import Mapping

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, IntegerGraph, MatMul, Node, Reshape, Step, Tensor
from thresher.compiler.integer.passes.channel_plans import Plan, plans
from thresher.compiler.integer.passes.rewrite import Rewriter

__all__ = ["shrink_rows"]


def shrink_rows(graph: IntegerGraph) -> IntegerGraph:
    """The graph whose free groups hold no equal, constant or dead channels but the last one."""
    while found := plans(graph):  # 5
        graph = _Shrink(graph, found).run()
    return graph


class _Shrink(Rewriter):
    def __init__(
        self, graph: IntegerGraph, plans: Mapping[str, tuple[Plan, np.ndarray]]
    ) -> None:  # fmt: skip
        super().__init__(graph)
        self.plans = plans

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, MatMul):
            self.new[node.out.name] = self.matmul(node, builder)
        elif isinstance(node, Step | Binary | Reshape) and node.out.name in self.plans:
            self.new[node.out.name] = self.tie(node, self.plans[node.out.name][0], builder)
        else:
            super().node(node, builder)

    def matmul(self, node: MatMul, builder: Builder) -> Tensor:
        weights = node.weights
        bias = np.zeros(weights.shape[1], np.int64) if node.bias is None else node.bias
        if node.x.name in self.plans:
            plan, known = self.plans[node.x.name]
            weights, more = plan.rows(weights, known)
            bias = bias + more
        if node.out.name in self.plans:
            plan, _ = self.plans[node.out.name]
            weights, bias = weights[:, plan.kept], bias[plan.kept]
        return builder.matmul(self.at(node.x), weights, bias, name=node.out.name)

    def tie(self, node: Step | Binary | Reshape, plan: Plan, builder: Builder) -> Tensor:
        """An elementwise node, or a Reshape, of the channels that stay."""

        def side(x: Tensor | np.ndarray) -> Tensor | np.ndarray:
            return self.at(x) if isinstance(x, Tensor) else plan.cut(x)

        name = node.out.name
        if isinstance(node, Step):
            channel = None if node.channel is None else plan.cut(node.channel)
            return builder.step(self.at(node.x), node.function, channel, name=name)
        if isinstance(node, Reshape):
            shape = (*node.out.shape[:-1], len(plan.kept))
            return builder.reshape(self.at(node.x), shape, name=name)
        return builder.binary(
            node.op, side(node.x), side(node.y), node.shift_x, node.shift_y, name=name
        )
