"""Which streams need a FIFO, and how deep: none that slows the design, none that could be less.

1. A run with FIFOs that never fill on every edge gives the output transfers that must be kept, or
   come earlier.
2. Edges where two beats suffice do without a FIFO, which saves its cycle too; unless it closes a
   loop, or has to cut a path of ready, or outputs would come later. What then remains is measured
   again, until no further edge qualifies.
3. Of the FIFOs that are left in a recurrence, only to cut a path of ready, those become skids,
   which take no cycle, that delay no output.
4. The depths are those that the latest schedule needs; then, under these, the earliest; and so on
   while they fall.
5. Each FIFO that could still be less deep (`Usage.least`) is tried, in a fixed order, one beat
   shallower; where that delays no output, its least depth is searched by bisection.

All of that looks at a few frames. Where a longer run then comes later than with endless FIFOs, it
is done again for more frames.
"""

from collections.abc import Collection, Mapping

import numpy as np

from thresher.compiler.schedule.assemble import Netlist
from thresher.compiler.schedule.cycles import Deadlock, Edge, End, Late, Network, solve
from thresher.compiler.schedule.latest import Usage, measure
from thresher.compiler.schedule.network import ENDLESS
from thresher.compiler.schedule.readychain import closing_edges, direct_edges, recurrent_edges

__all__ = ["MIN_DEPTH", "TOP_DEPTH", "Depths", "draft_depths", "least_depths", "network_of"]

MIN_DEPTH = 2  # the least of a FIFO that moves a beat a cycle
_SKID = 1
TOP_DEPTH = 2
_FRAMES = (2, 4, 8, 16)
_ROUNDS = 3

_Key = tuple[End, End]
Depths = Mapping[_Key, int]
"""Depth in beats of each edge's FIFO; 0 is a plain connection, 1 a skid."""
_Limits = Mapping[str, np.ndarray]


def network_of(netlist: Netlist, depths: Depths) -> Network:
    """The netlist with these FIFO depths, as the solver sees it."""
    return Network(
        netlist.timings,
        tuple(Edge(src, dst, depths[src, dst]) for src, dst, _ in netlist.edges),
        {name: (end, TOP_DEPTH, port.beats) for name, (end, port) in netlist.inputs.items()},
        {name: (end, TOP_DEPTH, port.beats) for name, (end, port) in netlist.outputs.items()},
    )


def draft_depths(netlist: Netlist, frames: int = _FRAMES[0]) -> Depths:
    """Depths near the least ones, in a fraction of the time: step 1 and the latest schedule."""
    endless = _endless(netlist, (), frames)
    usage = measure(network_of(netlist, endless), frames)
    found = {key: max(MIN_DEPTH, depth) for key, depth in usage.late.items()}
    less = {**found, **dict.fromkeys(direct_edges(netlist, _idle(netlist, usage)), 0)}
    try:
        solve(network_of(netlist, less), frames)
    except Deadlock:
        return found
    return less


def least_depths(netlist: Netlist) -> Depths:
    """Depths under which no output comes later than with FIFOs that never fill; 0 is none."""
    found: Depths = {}
    for frames in _FRAMES:
        direct, usage = _direct(netlist, frames)
        skids, usage = _skids(netlist, direct, usage, frames)
        found = _shrunk(netlist, *_measured(netlist, usage, skids, frames), frames)
        longer = 2 * frames + 2
        endless = {**_endless(netlist, direct, longer), **dict.fromkeys(skids, _SKID)}
        fastest = solve(network_of(netlist, endless), longer).outputs
        if _outputs(netlist, found, longer, fastest) is not None:
            break
    return found


def _endless(netlist: Netlist, direct: Collection[_Key], frames: int) -> Depths:
    """FIFOs that never fill, but on `direct` edges."""
    return {
        (src, dst): 0 if (src, dst) in direct else ENDLESS + beats * (frames + 1)
        for src, dst, beats in netlist.edges
    }


def _idle(netlist: Netlist, usage: Usage) -> frozenset[_Key]:
    """The edges where two beats suffice."""
    closing = closing_edges(netlist)
    return frozenset(k for k, d in usage.late.items() if d <= MIN_DEPTH and k not in closing)


def _direct(netlist: Netlist, frames: int) -> tuple[frozenset[_Key], Usage]:
    """The edges that do without a FIFO, and what the others use where they never fill."""
    direct: frozenset[_Key] = frozenset()
    while True:
        endless = _endless(netlist, direct, frames)
        usage = measure(network_of(netlist, endless), frames)
        idle = _idle(netlist, usage)
        more = _without(netlist, endless, idle, frames, usage.trace.outputs)
        if not more:
            return direct, usage
        direct |= more


def _without(
    netlist: Netlist, depths: Depths, candidates: Collection[_Key], frames: int, limits: _Limits
) -> frozenset[_Key]:
    """Those of `candidates` that can do without a FIFO too, by halves."""
    direct = {key for key, depth in depths.items() if depth == 0}
    chosen = direct_edges(netlist, direct | set(candidates))
    more = chosen - direct
    if not more:
        return frozenset()
    trial = {**depths, **dict.fromkeys(more, 0)}
    if chosen >= direct and _outputs(netlist, trial, frames, limits) is not None:
        return more
    if len(more) == 1:
        return frozenset()
    tried = sorted(more)
    half = len(tried) // 2
    first = _without(netlist, depths, tried[:half], frames, limits)
    depths = {**depths, **dict.fromkeys(first, 0)}
    return first | _without(netlist, depths, tried[half:], frames, limits)


def _skids(
    netlist: Netlist, direct: Collection[_Key], usage: Usage, frames: int
) -> tuple[frozenset[_Key], Usage]:
    """The edges that have a skid, and what is used then, where FIFOs never fill."""
    candidates = sorted(_idle(netlist, usage) & recurrent_edges(netlist))
    endless, limits = _endless(netlist, direct, frames), usage.trace.outputs

    def possible(depths: Depths, tried: list[_Key]) -> list[_Key]:
        trial = {**depths, **dict.fromkeys(tried, _SKID)}
        if not tried or _outputs(netlist, trial, frames, limits) is not None:
            return tried
        if len(tried) == 1:
            return []
        half = len(tried) // 2
        first = possible(depths, tried[:half])
        return first + possible({**depths, **dict.fromkeys(first, _SKID)}, tried[half:])

    found = possible(endless, candidates)
    if found:
        depths = {**endless, **dict.fromkeys(found, _SKID)}
        usage = measure(network_of(netlist, depths), frames)
    return frozenset(found), usage


def _measured(
    netlist: Netlist, usage: Usage, skids: Collection[_Key], frames: int
) -> tuple[Depths, Usage]:
    """Depths by measurement alone, and what is used under them."""
    found = _depths(netlist, usage.late, skids)
    for k in range(_ROUNDS):
        usage = measure(network_of(netlist, found), frames)
        less = _depths(netlist, usage.late if k % 2 else usage.early, skids)
        if less == found:
            break
        found = less
    return found, usage


def _depths(netlist: Netlist, needed: Depths, skids: Collection[_Key]) -> Depths:
    found = {key: max(MIN_DEPTH, depth) for key, depth in needed.items()}
    found |= dict.fromkeys(skids, _SKID)
    return {(src, dst): found.get((src, dst), 0) for src, dst, _ in netlist.edges}


def _shrunk(netlist: Netlist, depths: Depths, usage: Usage, frames: int) -> Depths:
    """The depths made as small as the outputs' transfers allow, one after the other."""
    limits = usage.trace.outputs
    best = dict(depths)
    for src, dst, _ in netlist.edges:
        key = (src, dst)
        low, high = min(best[key], max(MIN_DEPTH, usage.least.get(key, 0))), best[key]
        probe = high - 1
        while low < high:
            if _outputs(netlist, {**best, key: probe}, frames, limits) is not None:
                high = probe
            else:
                low = probe + 1
            probe = (low + high) // 2
        best[key] = high
    return best


def _outputs(netlist: Netlist, depths: Depths, frames: int, limits: _Limits) -> _Limits | None:
    """The outputs' transfers where none comes after its limit."""
    try:
        return solve(network_of(netlist, depths), frames, limits).outputs
    except (Late, Deadlock):
        return None
