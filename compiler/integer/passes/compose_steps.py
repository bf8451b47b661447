"""Make one step of several nodes, the first of which nothing else reads.

1. Step of Step: their composition; where both have channels, one channel for each pair that occurs.
2. Step of Binary with a constant that is the same for all elements: thresholds moved by it.
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, IntegerGraph, Node, Step, Tensor
from thresher.compiler.integer.passes.rewrite import Rewriter, producers, uses
from thresher.rtl.stepfunction import StepFunction

__all__ = ["compose_steps", "composed"]


def compose_steps(graph: IntegerGraph) -> IntegerGraph:
    """The graph with steps composed; dead nodes are left behind."""
    return _Compose(graph).run()


class _Compose(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.uses, self.producers = uses(graph), producers(graph)

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, Step):
            x, function, channel = self.absorbed(node.x, node.function, node.channel)
            out = node.out.name
            self.new[out] = builder.step(self.at(x), function, channel, name=out)
        else:
            super().node(node, builder)

    def absorbed(
        self, x: Tensor, function: StepFunction, channel: np.ndarray | None
    ) -> tuple[Tensor, StepFunction, np.ndarray | None]:
        """The step on x, grown over the producers of x as far as possible."""
        while self.uses[x.name] == 1:
            inner = self.producers.get(x.name)
            if isinstance(inner, Step):  # 1
                function, channel = composed(inner.function, inner.channel, function, channel)
                x = inner.x
                continue
            moved = before_constant(inner, function) if isinstance(inner, Binary) else None
            if moved is None:
                break
            x, function = moved  # 2
            channel = None if function.channels == 1 else channel
        return x, function, channel


def composed(
    inner: StepFunction,
    inner_channel: np.ndarray | None,
    outer: StepFunction,
    outer_channel: np.ndarray | None,
) -> tuple[StepFunction, np.ndarray | None]:
    """``outer(inner(a))`` and its channels; None where all channels come out equal."""
    if inner_channel is None or outer_channel is None:
        channel = outer_channel if inner_channel is None else inner_channel
        function = _row(inner, inner_channel).then(_row(outer, outer_channel))
    else:
        both = np.stack(np.broadcast_arrays(inner_channel, outer_channel), axis=-1)
        pairs, flat = np.unique(both.reshape(-1, 2), axis=0, return_inverse=True)
        function = _rows(inner, pairs[:, 0]).then(_rows(outer, pairs[:, 1]))
        channel = flat.reshape(both.shape[:-1])
    return function, None if function.channels == 1 else channel


def _row(f: StepFunction, channel: np.ndarray | None) -> StepFunction:
    return _rows(f, np.zeros(1, np.int64)) if channel is None else f


def _rows(f: StepFunction, rows: np.ndarray) -> StepFunction:
    values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))
    return StepFunction(f.lo, f.hi, f.thresholds[rows], values[rows])


def before_constant(node: Binary, function: StepFunction) -> tuple[Tensor, StepFunction] | None:
    """(x, g) with g(x) = function(node's result) where node has one constant for all elements."""
    constant = node.y if isinstance(node.x, Tensor) else node.x
    x = node.x if isinstance(node.x, Tensor) else node.y
    if isinstance(constant, Tensor) or not isinstance(x, Tensor) or constant.size != 1:
        return None
    c = int(constant.flat[0])
    factor, offset = 1 << max(node.shift_x, node.shift_y), c
    if node.op == "mul":
        factor, offset = c, 0
    elif node.op == "sub" and node.x is x:
        offset = -c
    elif node.op == "sub":
        factor = -factor
    return None if not factor else (x, before_affine(function, factor, offset, x.lo, x.hi))


def before_affine(f: StepFunction, factor: int, offset: int, lo: int, hi: int) -> StepFunction:
    """g(a) = f(factor * a + offset) on [lo, hi]; factor is not 0.

    With factor > 0, f's threshold t is passed where a >= ceil((t - offset) / factor); with
    factor < 0 where a <= floor of the same, so that thresholds and values turn around.
    """
    t = np.clip(f.thresholds, f.lo, f.hi + 1) - offset
    if factor > 0:
        t, values = -(-t // factor), f.values
    else:
        t, values = (t // factor)[:, ::-1] + 1, f.values[:, ::-1]
    return StepFunction(lo, hi, t, values).minimal()
