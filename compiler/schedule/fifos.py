"""Which streams need a FIFO, and how deep: none that slows the design, none that could be less.

1. A run with FIFOs that never fill on every edge gives the output transfers that must be kept, or
   come earlier.
2. Edges where two beats suffice do without a FIFO, which saves its cycle too; unless it closes a
   loop, or has to cut a path of ready, or outputs would come later. What then remains is measured
   again, until no further edge qualifies.
3. The depths are those that the latest schedule needs; then, under these, the earliest; and so on
   while they fall.
4. Each FIFO that could still be less deep (`Usage.least`) is tried, in a fixed order, one beat
   shallower; where that delays no output, its least depth is searched by bisection.
"""

from collections.abc import Collection, Mapping, Sequence

from thresher.compiler.schedule.assemble import Netlist
from thresher.compiler.schedule.cycles import Deadlock, Edge, End, Late, Network, solve
from thresher.compiler.schedule.latest import measure
from thresher.compiler.schedule.readychain import closing_edges, direct_edges

__all__ = ["MIN_DEPTH", "TOP_DEPTH", "Depths", "fifo_depths", "network_of", "shrunk"]

MIN_DEPTH = 2  # the least that moves a beat a cycle
TOP_DEPTH = 2
_FRAMES = 3
_ROUNDS = 3

_Key = tuple[End, End]
Depths = Mapping[_Key, int]
"""Depth in beats of each edge's FIFO; 0 is a plain connection."""
_Limits = Mapping[str, Sequence[int]]


def network_of(netlist: Netlist, depths: Depths) -> Network:
    """The netlist with these FIFO depths, as the solver sees it."""
    return Network(
        {name: kernel.timing() for name, kernel in netlist.kernels.items()},
        tuple(Edge(src, dst, depths[src, dst]) for src, dst, _ in netlist.edges),
        {name: (end, TOP_DEPTH, port.beats) for name, (end, port) in netlist.inputs.items()},
        {name: (end, TOP_DEPTH, port.beats) for name, (end, port) in netlist.outputs.items()},
    )


def fifo_depths(netlist: Netlist) -> Depths:
    """Depths under which no output comes later than with FIFOs that never fill."""
    endless = {(src, dst): beats * (_FRAMES + 1) for src, dst, beats in netlist.edges}
    closing = closing_edges(netlist)
    usage = measure(network_of(netlist, endless), _FRAMES)
    direct: frozenset[_Key] = frozenset()
    for _ in range(_ROUNDS):
        idle = {k for k, depth in usage.late.items() if depth <= MIN_DEPTH and k not in closing}
        more = _without(netlist, endless, direct, idle - direct, usage.trace.outputs)
        if more == direct:
            break
        direct = more
        trial = {key: 0 if key in direct else depth for key, depth in endless.items()}
        usage = measure(network_of(netlist, trial), _FRAMES)
    found = _depths(netlist, usage.late)
    for k in range(_ROUNDS):
        usage = measure(network_of(netlist, found), _FRAMES)
        less = _depths(netlist, usage.late if k % 2 else usage.early)
        if less == found:
            break
        found = less
    return found


def _depths(netlist: Netlist, needed: Depths) -> Depths:
    return {
        (src, dst): max(MIN_DEPTH, needed[src, dst]) if (src, dst) in needed else 0
        for src, dst, _ in netlist.edges
    }


def _without(
    netlist: Netlist,
    depths: Depths,
    direct: frozenset[_Key],
    candidates: Collection[_Key],
    limits: _Limits,
) -> frozenset[_Key]:
    """`direct` and those of `candidates` that can do without a FIFO too, by halves."""
    more = direct_edges(netlist, direct | set(candidates))
    if not more - direct or not more >= direct:
        return direct
    trial = {key: 0 if key in more else depth for key, depth in depths.items()}
    if _outputs(netlist, trial, limits) is not None:
        return more
    tried = sorted(more - direct)
    if len(tried) == 1:
        return direct
    half = len(tried) // 2
    direct = _without(netlist, depths, direct, tried[:half], limits)
    return _without(netlist, depths, direct, tried[half:], limits)


def shrunk(netlist: Netlist, depths: Depths) -> Depths:
    """The depths made as small as the outputs' transfers allow, one after the other."""
    usage = measure(network_of(netlist, depths), _FRAMES)
    best = dict(depths)
    for src, dst, _ in netlist.edges:
        key = (src, dst)
        low, high = min(best[key], max(MIN_DEPTH, usage.least.get(key, 0))), best[key]
        probe = high - 1
        while low < high:
            if _outputs(netlist, {**best, key: probe}, usage.trace.outputs) is not None:
                high = probe
            else:
                low = probe + 1
            probe = (low + high) // 2
        best[key] = high
    return best


def _outputs(netlist: Netlist, depths: Depths, limits: _Limits) -> _Limits | None:
    """The outputs' transfers where none comes after its limit."""
    try:
        return solve(network_of(netlist, depths), _FRAMES, limits).outputs
    except (Late, Deadlock):
        return None
