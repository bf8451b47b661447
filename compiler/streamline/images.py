"""The operators of images, by name: how each becomes integers."""

from collections.abc import Callable, Mapping

from thresher.compiler.graph import Node
from thresher.compiler.streamline.context import Context
from thresher.compiler.streamline.convolution import convolution
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.pooling import global_pool, pool, reduction
from thresher.compiler.streamline.resampling import blocks, pad, resize, tile
from thresher.compiler.streamline.values import Value

__all__ = ["IMAGES"]

Operands = list[Value | None]


def _blocks(context: Context, node: Node, operands: Operands) -> Value:
    assert operands[0] is not None
    return move(context, operands[0], blocks(context, node, operands))


def _tile(context: Context, node: Node, operands: Operands) -> Value:
    assert operands[0] is not None
    return move(context, operands[0], tile(context, node, operands))


IMAGES: Mapping[str, Callable[[Context, Node, Operands], Value]] = {
    "AveragePool": pool,
    "Conv": convolution,
    "ConvTranspose": convolution,
    "DepthToSpace": _blocks,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "MaxPool": pool,
    "Pad": pad,
    "ReduceMax": reduction,
    "ReduceMean": reduction,
    "ReduceMin": reduction,
    "ReduceSum": reduction,
    "Resize": resize,
    "SpaceToDepth": _blocks,
    "Tile": _tile,
}
