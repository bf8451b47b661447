"""How many dimensions a node's output has: all the shape inference that the importer needs."""

from collections.abc import Callable

import numpy as np

from thresher.compiler.graph import Node

__all__ = ["infer_rank"]

_BROADCASTING = frozenset(
    [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Min",
        "Max",
        "Pow",
        "Where",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "Equal",
        "And",
        "Or",
        "Xor",
        "PRelu",
    ]
)


def infer_rank(
    node: Node,
    rank: Callable[[str], int | None],
    constant: Callable[[str], np.ndarray | None],
) -> int | None:
    """Rank of every output of a node (they are equal, except Scan's); None where unknown.

    :param rank: rank of a tensor by name, None where unknown.
    :param constant: value of a constant by name, None for other tensors.
    """
    ranks = [rank(name) for name in node.inputs if name]
    if node.op in _BROADCASTING:
        known = [r for r in ranks if r is not None]
        return max(known) if len(known) == len(ranks) else None
    if node.op == "MatMul":
        return _matmul(ranks)
    if node.op == "Flatten":
        return 2
    if node.op == "Shape":
        return 1
    if node.op in ("Reshape", "Expand", "ConstantOfShape"):
        shape = constant(node.inputs[-1])
        return int(shape.size) if shape is not None and node.op != "Expand" else None
    if node.op == "Scan" or not ranks or ranks[0] is None:
        return None
    return _from_first(node, ranks, constant)


def _matmul(ranks: list[int | None]) -> int | None:
    a, b = ranks
    if a is None or b is None:
        return None
    return max(a, b, 2) - (a == 1) - (b == 1)


def _from_first(
    node: Node, ranks: list[int | None], constant: Callable[[str], np.ndarray | None]
) -> int | None:
    first = ranks[0]
    assert first is not None
    if node.op == "Gather":
        return None if ranks[1] is None else first + ranks[1] - 1
    if node.op == "ArgMax":
        return first if node.attrs["keepdims"] else first - 1
    if node.op in ("Squeeze", "Unsqueeze") or node.op.startswith("Reduce"):
        if node.op.startswith("Reduce") and node.attrs["keepdims"]:
            return first
        axes = constant(node.inputs[1]) if node.inputs[1] else None
        if axes is None:
            return None
        return first + int(axes.size) * (1 if node.op == "Unsqueeze" else -1)
    return first
