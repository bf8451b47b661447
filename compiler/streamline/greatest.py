"""ArgMax and TopK: the greatest elements along an axis.

1. Elements of one positive scale have the order of their integers.
2. The least elements are the greatest of the integers with changed signs; ties are the same.
3. Of equal elements the first wins, as in ONNX; ArgMax may ask for the last.
"""

import numpy as np

from thresher.compiler.graph import Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.layout import constant_ints, move
from thresher.compiler.streamline.values import Lazy, Unknown, Value, shape_of

__all__ = ["greatest"]


def greatest(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    """The values of an ArgMax node (indices) or a TopK node (elements and indices)."""
    value = operands[0]
    assert value is not None
    shape, topk = shape_of(value), node.op == "TopK"
    axis = int(str(node.attrs["axis"])) % len(shape)
    k = _count(context, node, operands, shape[axis]) if topk else 1
    last = not topk and bool(node.attrs["select_last_index"])
    least = topk and not node.attrs["largest"]
    value = move(context, value, lambda a: np.moveaxis(a, axis, -1))
    if isinstance(value, Unknown):
        results: list[Value] = [Unknown((*value.shape[:-1], k))] * 2
    else:
        found = _comparable(context, value, least)
        assert isinstance(found.tensor, Tensor)
        if topk and node.outputs[0]:
            index, top = context.builder.argmax(found.tensor, last, True, k, name=context.hint)
            results = [scaled(top, found.scale), Lazy(index)]
        else:
            index = context.builder.argmax(found.tensor, last, False, k, name=context.hint)
            results = [Lazy(index), Lazy(index)]
        context.record_greatest(found, index, axis, last)
    results = [move(context, r, lambda a: np.moveaxis(a, -1, axis)) for r in results]
    if topk:
        return results
    if not node.attrs["keepdims"]:
        results = [move(context, r, lambda a: a.squeeze(axis)) for r in results]
    return results[:1]


def _comparable(context: Context, value: Value, least: bool) -> Integers:
    """Cases 1 and 2: integers with the order that is asked for, and the scale of one of them."""
    found = context.integers(value)
    if found.scale.size > 1 or float(found.scale.reshape(())) <= 0:
        raise context.error(
            "it compares elements of different scales", "quantise its input per tensor"
        )
    if not isinstance(found.tensor, Tensor):
        raise context.error("its input is a constant", "fold the constant part of the model")
    if not least:
        return found
    turned = context.builder.binary("mul", found.tensor, np.array(-1), name=context.hint)
    return Integers(turned, -found.scale)


def _count(context: Context, node: Node, operands: list[Value | None], size: int) -> int:
    """TopK's k."""
    (k,) = constant_ints(context, operands[1], "k")
    if not 1 <= k <= size:
        raise context.error(f"k = {k} is not in 1..{size}, the size of its axis", "check the model")
    if k > 1 and not node.attrs["sorted"]:
        raise context.error("the order of its results is undefined", "set sorted = 1")
    return k
