"""Turn the addition of a constant into a MatMul's bias.

The constant varies along the last axis only, and the chain is read by nothing else.

1. MatMul + c, c + MatMul, MatMul - c: c (or -c) joins the bias. GroupedMatMul likewise.
2. c - MatMul: the weights and the bias change sign, too.
3. Sums of two tensors between the two, one of them such a MatMul, unshifted: the constant goes to
   that MatMul and the sum stays. A subtracted MatMul takes -c.
4. MatMul of x + c, c + x or x - c: the MatMul of x, with c @ weights in its bias. Where c is the
   same for all elements a reshape may stand between.
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    Binary,
    GroupedMatMul,
    IntegerGraph,
    MatMul,
    Node,
    Reshape,
    Tensor,
)
from thresher.compiler.integer.passes.rewrite import Rewriter, producers, uses

__all__ = ["push_bias"]


def push_bias(graph: IntegerGraph) -> IntegerGraph:
    """The graph with constants pushed into biases; dead nodes are left behind."""
    return _Push(graph).run()


class _Push(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.uses, self.producers = uses(graph), producers(graph)

    def node(self, node: Node, builder: Builder) -> None:
        made = None
        if isinstance(node, Binary):
            made = self.pushed(node, builder)
        elif isinstance(node, MatMul):
            made = self.pulled(node, builder)
        if made is None:
            super().node(node, builder)
        else:
            self.new[node.outputs[0].name] = made

    def pushed(self, node: Binary, builder: Builder) -> Tensor | None:
        if node.op == "mul" or node.shift_x or node.shift_y:
            return None
        x, y = node.x, node.y
        if isinstance(x, Tensor) and not isinstance(y, Tensor):  # 1, 3
            return self.add(x, _row(y if node.op == "add" else -y), builder)
        if isinstance(y, Tensor) and not isinstance(x, Tensor):
            if node.op == "add":  # 1, 3
                return self.add(y, _row(x), builder)
            source = self.single(y)
            row = _row(x)
            if isinstance(source, MatMul) and row is not None:  # 2
                bias = row if source.bias is None else row - source.bias
                bias = np.broadcast_to(bias, source.weights.shape[1:])
                return builder.matmul(
                    self.at(source.x), -source.weights, bias, name=node.out.name
                )  # fmt: skip
        return None

    def pulled(self, node: MatMul, builder: Builder) -> Tensor | None:  # 4
        source = self.single(node.x)
        reshaped = isinstance(source, Reshape)
        if isinstance(source, Reshape):
            source = self.single(source.x)
        if not isinstance(source, Binary) or source.op == "mul" or source.shift_x | source.shift_y:
            return None
        x, c = source.x, source.y
        if isinstance(c, Tensor) and source.op == "add":
            x, c = c, x
        if not isinstance(x, Tensor) or isinstance(c, Tensor) or (row := _row(c)) is None:
            return None
        if reshaped and row.size > 1:
            return None
        row = np.broadcast_to(row if source.op == "add" else -row, node.weights.shape[:1])
        bias = row @ node.weights + (0 if node.bias is None else node.bias)
        operand = builder.reshape(self.at(x), node.x.shape)
        return builder.matmul(operand, node.weights, bias, name=node.out.name)

    def single(self, x: Tensor) -> Node | None:
        """What makes x, if x is read once."""
        return self.producers.get(x.name) if self.uses[x.name] == 1 else None

    def add(self, x: Tensor, row: np.ndarray | None, builder: Builder) -> Tensor | None:
        """x + row with the row inside a MatMul, or None where there is none to take it."""
        source = self.single(x)
        if row is None:
            return None
        if isinstance(source, MatMul):
            bias = row if source.bias is None else row + source.bias
            bias = np.broadcast_to(bias, source.weights.shape[1:])
            return builder.matmul(self.at(source.x), source.weights, bias, name=x.name)
        if isinstance(source, GroupedMatMul):
            bias = np.broadcast_to(row, (x.shape[-1],)) + (
                0 if source.bias is None else source.bias
            )
            return builder.grouped_matmul(self.at(source.x), source.weights, bias, name=x.name)
        if not isinstance(source, Binary) or source.op == "mul":
            return None
        return self.add_to_sum(source, row, builder)

    def add_to_sum(self, node: Binary, row: np.ndarray, builder: Builder) -> Tensor | None:
        x, y, op = node.x, node.y, node.op
        if not isinstance(x, Tensor) or not isinstance(y, Tensor):
            return None
        shifts = (node.shift_x, node.shift_y)
        if not shifts[0] and (made := self.add(x, row, builder)) is not None:
            return builder.binary(op, made, self.at(y), *shifts, name=node.out.name)
        signed = row if op == "add" else -row
        if not shifts[1] and (made := self.add(y, signed, builder)) is not None:
            return builder.binary(op, self.at(x), made, *shifts, name=node.out.name)
        return None


def _row(constant: np.ndarray) -> np.ndarray | None:
    """The constant as (N,) or (1,) where only the last axis matters."""
    return constant.reshape(-1) if constant.ndim and constant.shape[-1] == constant.size else None
