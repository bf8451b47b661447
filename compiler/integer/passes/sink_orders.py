"""Move turned axes behind what reads them, so that images are channels last from end to end.

1. Step, or Binary with a constant, of a Reorder that keeps all elements and turns axes: the Reorder
   behind, channels and constant moved along.
2. The same of a Reorder that drops elements and turns axes: what drops stays, the turn goes behind.
3. Binary of two tensors, one of them turned so: the Reorder behind, where the other one is turned
   alike, or is an input of the block (and the first is not), which is then turned instead.
4. Concat of tensors that are all turned alike.
5. A Reorder of a Reorder is one (the builder's doing): two turns of opposite sense are none.
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, Concat, IntegerGraph, Node, Reorder, Step, Tensor
from thresher.compiler.integer.passes.orders import inverse, is_turn, sorted_axes
from thresher.compiler.integer.passes.rewrite import Rewriter

__all__ = ["sink_orders"]


def sink_orders(graph: IntegerGraph) -> IntegerGraph:
    """The graph with turns of axes as late as they can be; dead nodes are left behind."""
    return _Sink(graph).run()


class _Sink(Rewriter):
    def node(self, node: Node, builder: Builder) -> None:
        made = None
        if isinstance(node, Step):
            made = self.step(node, builder)
        elif isinstance(node, Binary):
            made = self.binary(node, builder)
        elif isinstance(node, Concat):
            made = self.concat(node, builder)
        if made is None:
            super().node(node, builder)
        else:
            self.new[node.outputs[0].name] = made

    def turned(self, x: Tensor, builder: Builder) -> Reorder | None:
        """The Reorder, with a turn in it, that makes x."""
        made = builder.producer(self.at(x))
        if not isinstance(made, Reorder):
            return None
        return made if is_turn(made) or sorted_axes(made.index) is not None else None

    def step(self, node: Step, builder: Builder) -> Tensor | None:  # 1, 2
        made = self.turned(node.x, builder)
        if made is None:
            return None
        x, back = _source(made, builder)
        channel = None if node.channel is None else _moved(node.channel, node.x, x, back)
        out = builder.step(x, node.function, channel, name=node.out.name)
        return builder.reorder(out, back, name=node.out.name)

    def binary(self, node: Binary, builder: Builder) -> Tensor | None:  # 1, 2, 3
        turns = [self.turned(x, builder) for x in node.inputs]
        made = next((t for t in turns if t is not None), None)
        if made is None or any(self.hinders(x, made, builder) for x in node.inputs):
            return None
        x, back = _source(made, builder)
        sides: list[Tensor | np.ndarray] = []
        for side in (node.x, node.y):
            if isinstance(side, Tensor):
                there = inverse(back).reshape(x.shape)
                sides.append(builder.reorder(self.at(side), there, name=side.name))
            else:
                sides.append(_moved(side, node.out, x, back))
        out = builder.binary(
            node.op, sides[0], sides[1], node.shift_x, node.shift_y, name=node.out.name
        )
        return builder.reorder(out, back, name=node.out.name)

    def hinders(self, x: Tensor, turn: Reorder, builder: Builder) -> bool:
        """Whether x would have to be turned in hardware if `turn` went behind."""
        made = builder.producer(self.at(x))
        if made is None:
            return builder.producer(turn.x) is None
        if not isinstance(made, Reorder):
            return True
        _, back = _source(turn, builder)
        left = made.index.reshape(-1)[inverse(back)]
        return bool((np.diff(left) <= 0).any())

    def concat(self, node: Concat, builder: Builder) -> Tensor | None:  # 4
        turns = [self.turned(x, builder) for x in node.xs]
        orders = {None if t is None else sorted_axes(t.index) for t in turns}
        order = orders.pop()
        if orders or order is None:
            return None
        parts = [
            builder.reorder(t.x, t.index.transpose(order), name=x.name)
            for t, x in zip(turns, node.xs, strict=True)
            if t is not None
        ]
        out = builder.concat(parts, order.index(node.axis), name=node.out.name)
        index = np.arange(out.size).reshape(out.shape)
        return builder.reorder(out, index.transpose(np.argsort(order)), name=node.out.name)


def _source(made: Reorder, builder: Builder) -> tuple[Tensor, np.ndarray]:
    """(x without the turn, index of the turn into it)."""
    if is_turn(made):
        return made.x, made.index
    order = sorted_axes(made.index)
    assert order is not None
    x = builder.reorder(made.x, made.index.transpose(order), name=made.out.name)
    return x, np.arange(x.size).reshape(x.shape).transpose(np.argsort(order))


def _moved(array: np.ndarray, old: Tensor, new: Tensor, back: np.ndarray) -> np.ndarray:
    """A constant that goes with the elements of `old`, for those of `new`."""
    flat = np.broadcast_to(array, old.shape).reshape(-1)
    return flat[inverse(back)].reshape(new.shape)
