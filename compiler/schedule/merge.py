"""Forks and deals that cost no cycle: inside loops they become part of what feeds them.

Round a loop every register counts. There a Fork or a Deal, whose input comes from a kernel that
ends in a register, goes, and the kernel becomes a Fanout. Outside loops they stay: a FIFO before
a fork is cheaper than one behind each of its branches.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from thresher.compiler.schedule.cycles import End
from thresher.rtl.deal import Deal
from thresher.rtl.fanout import Fanout, is_register
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel

__all__ = ["Merged", "merge"]

_Edge = tuple[End, End, int]


@dataclass(frozen=True)
class Merged:
    """What is left.

    :param moved: ports of kernels that are gone -> the ports that took their place.
    """

    kernels: Mapping[str, Kernel]
    edges: tuple[_Edge, ...]
    moved: Mapping[End, End]


def merge(
    kernels: Mapping[str, Kernel], edges: Collection[_Edge], inner: Collection[str]
) -> Merged:
    """The netlist with the forks and deals behind `inner` kernels made part of them."""
    made, left = dict(kernels), list(edges)
    moved: dict[End, End] = {}
    inner = set(inner)
    while (found := _next(made, left, inner)) is not None:
        edge = found
        (name, port), (gone, _), _ = edge
        fanout = Fanout(kernel=made[name], port=port, branches=_branches(made[gone]))
        ends = {(gone, f"o{k}"): (name, n) for k, n in enumerate(fanout.names)}
        made[name] = fanout
        del made[gone]
        left.remove(edge)
        left = [(ends.get(src, src), dst, beats) for src, dst, beats in left]
        moved = {old: ends.get(new, new) for old, new in moved.items()} | ends
    return Merged(made, tuple(left), moved)


def _branches(kernel: Kernel) -> tuple[tuple[int, ...], ...]:
    if isinstance(kernel, Deal):
        return tuple(kernel.sources(k) for k in range(kernel.branches))
    assert isinstance(kernel, Fork)
    return (tuple(range(kernel.lanes)),) * kernel.branches


def _next(
    kernels: Mapping[str, Kernel], edges: Collection[_Edge], inner: Collection[str]
) -> _Edge | None:
    """An edge from a register in a loop to a fork or a deal."""
    for edge in edges:
        (name, port), (target, _), _ = edge
        dealt = name in inner and isinstance(kernels[target], Fork | Deal)
        if dealt and is_register(kernels[name].timing().pipes[port]):
            return edge
    return None
