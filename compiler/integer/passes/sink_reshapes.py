"""Move reshapes behind the elementwise nodes that read them, where they hide nothing.

1. Step of Reshape: Reshape of Step, the channels reshaped, too.
2. Binary of Reshape and a constant: Reshape of Binary, the constant reshaped, too.
3. Binary of two reshapes of one source shape: Reshape of Binary.
4. Reshape of a Reshape is one (the builder's doing).
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, IntegerGraph, Node, Reshape, Step, Tensor
from thresher.compiler.integer.passes.rewrite import Rewriter

__all__ = ["sink_reshapes"]


def sink_reshapes(graph: IntegerGraph) -> IntegerGraph:
    """The graph with its reshapes as late as they can be; dead nodes are left behind."""
    return _Sink(graph).run()


class _Sink(Rewriter):
    def node(self, node: Node, builder: Builder) -> None:
        made = None
        if isinstance(node, Step):
            made = self.step(node, builder)
        elif isinstance(node, Binary):
            made = self.binary(node, builder)
        if made is None:
            super().node(node, builder)
        else:
            out = node.outputs[0]
            self.new[out.name] = builder.reshape(made, out.shape, name=out.name)

    def source(self, x: Tensor, builder: Builder) -> Tensor | None:
        """What x, a tensor of the old graph, is a reshape of."""
        made = builder.producer(self.at(x))
        return made.x if isinstance(made, Reshape) else None

    def step(self, node: Step, builder: Builder) -> Tensor | None:  # 1
        x = self.source(node.x, builder)
        if x is None:
            return None
        channel = None if node.channel is None else _reshaped(node.channel, node.x.shape, x.shape)
        return builder.step(x, node.function, channel, name=node.out.name)

    def binary(self, node: Binary, builder: Builder) -> Tensor | None:
        sources = [self.source(x, builder) for x in node.inputs]
        shapes = {x.shape for x in sources if x is not None}
        if None in sources or len(shapes) != 1:
            return None
        shape = shapes.pop()
        sides: list[Tensor | np.ndarray] = []
        for x in (node.x, node.y):  # 2, 3
            source = self.source(x, builder) if isinstance(x, Tensor) else None
            if source is not None:
                sides.append(source)
            elif not isinstance(x, Tensor):
                sides.append(_reshaped(x, node.out.shape, shape))
        return builder.binary(
            node.op, sides[0], sides[1], node.shift_x, node.shift_y, name=node.out.name
        )


def _reshaped(array: np.ndarray, old: tuple[int, ...], new: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(array, old).reshape(new)
