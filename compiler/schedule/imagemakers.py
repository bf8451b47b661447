"""Kernels for the nodes that images have, with their folding open."""

from collections.abc import Callable, Mapping

from thresher.compiler.integer import ir
from thresher.compiler.schedule.patterns import divisors
from thresher.compiler.schedule.requests import Dataflow
from thresher.rtl.kernel import Kernel
from thresher.rtl.reduce import Reduce
from thresher.rtl.repeat import Repeat
from thresher.rtl.window import Window

__all__ = ["Made", "reduce", "repeat", "wide", "window"]

Made = tuple[str, Mapping[str, tuple[int, ...]], Callable[..., Kernel]]
"""Kind of kernel, allowed values of its folding parameters, the kernel with such."""


def window(node: ir.Window) -> Made:
    """A line buffer."""
    *_, height, width, channels = node.x.shape

    def make(lanes: int, wide: int = 1) -> Kernel:
        return Window(
            height=height, width=width, channels=channels, kernel=node.kernel,
            strides=node.strides, dilations=node.dilations, pads=node.pads,
            upsample=node.upsample, groups=node.groups, fill=node.fill,
            lanes=lanes, wide=wide, lo=node.x.lo, hi=node.x.hi,
        )  # fmt: skip

    return "window", {"lanes": divisors(channels // node.groups)}, make


def wide(node: ir.Window) -> tuple[Dataflow, ...]:
    """A row of the kernel a beat, where that is possible."""
    if node.groups > 1 or node.kernel[1] == 1:
        return ()
    return ({"lanes": (node.x.shape[-1],), "wide": (node.kernel[1],)},)


def reduce(node: ir.Reduce) -> Made:
    """Maxima or sums."""
    count, channels = node.x.shape[-2:]

    def make(lanes: int) -> Kernel:
        return Reduce(
            op=node.op, count=count, channels=channels, lanes=lanes, lo=node.x.lo, hi=node.x.hi
        )

    return "reduce", {"lanes": divisors(channels)}, make


def repeat(node: ir.Repeat) -> Made:
    """Nearest upsampling."""
    width, channels = node.x.shape[-2:]

    def make(lanes: int) -> Kernel:
        return Repeat(
            width=width, channels=channels, rows=node.rows, columns=node.columns,
            lanes=lanes, lo=node.x.lo, hi=node.x.hi,
        )  # fmt: skip

    return "repeat", {"lanes": divisors(channels)}, make
