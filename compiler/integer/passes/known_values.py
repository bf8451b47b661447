"""Compute nothing whose every element is one known value.

1. Add, Sub or Mul of a known tensor and another one: the known one becomes a constant. Not so in a
   loop, which would run without end if it read nothing from outside.
2. Any other reader, and the outside, gets the values from a Step without thresholds, behind the
   nearest tensor that is not known, whose elements only tell when. What led to the known tensor is
   left for `dead_code`.
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, IntegerGraph, Loop, Node, Step, Tensor
from thresher.compiler.integer.passes.rewrite import Rewriter
from thresher.rtl.stepfunction import StepFunction

__all__ = ["known_values"]


def known_values(graph: IntegerGraph) -> IntegerGraph:
    """The graph with known tensors made from nothing but the time at which they are due."""
    return _Known(graph).run()


class _Known(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.inside = False

    def loop(self, node: Loop, builder: Builder) -> None:
        outside, self.inside = self.inside, True
        super().loop(node, builder)
        self.inside = outside

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, Loop):
            super().node(node, builder)
            return
        if isinstance(node, Binary) and not self.inside:
            self.binary(node, builder)
        else:
            super().node(node, builder)
        for out in node.outputs:
            values = _known(builder, self.at(out))
            if values is not None:
                self.new[out.name] = _stated(builder, self.at(out), values)

    def binary(self, node: Binary, builder: Builder) -> None:
        """Case 1; where both are known the result is too, and case 2 follows."""
        sides = [self.at(s) if isinstance(s, Tensor) else s for s in (node.x, node.y)]
        shifts = [node.shift_x, node.shift_y]
        for k, side in enumerate(list(sides)):
            if isinstance(side, Tensor) and isinstance(sides[1 - k], Tensor):
                values = _known(builder, side)
                if values is not None:
                    sides[k], shifts[k] = values << shifts[k], 0
        (x, y), (shift_x, shift_y) = sides, shifts
        self.new[node.out.name] = builder.binary(
            node.op, x, y, shift_x, shift_y, name=node.out.name
        )


def _known(builder: Builder, x: Tensor) -> np.ndarray | None:
    """int64 of x's rank, broadcasts to it: its values, where there is but one each."""
    bounds = builder.bounds(x)
    return bounds.low if (bounds.low == bounds.high).all() else None


def _stated(builder: Builder, x: Tensor, values: np.ndarray) -> Tensor:
    """Case 2: x itself where nothing is known from which it could come, or where it does."""
    source = x
    while _known(builder, source) is not None:
        made = builder.producer(source)
        if made is None or not made.inputs:
            return x
        source = made.inputs[0]
    made = builder.producer(x)
    if isinstance(made, Step) and made.x == source:
        return x
    # elements in order, some left out or given again
    index = np.arange(x.size) * source.size // x.size if source.size < x.size else np.arange(x.size)
    source = builder.reorder(source, index.reshape(x.shape), name=f"{x.name}_due")
    levels, channel = np.unique(values, return_inverse=True)
    function = StepFunction(
        source.lo, source.hi, np.zeros((len(levels), 0), np.int64), levels[:, None].astype(np.int64)
    )
    return builder.step(source, function, channel.reshape(values.shape), name=x.name)
