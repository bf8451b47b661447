"""How far `ready` runs without a register, and where to stop it.

An elastic stage passes ready through in the same cycle, so kernels joined without a FIFO make one
combinational path; round a loop, a cycle. In the timing model that is a pipe with `backward` 0: its
producer learns in the same cycle whether its consumer fires.
"""

from collections import deque
from collections.abc import Collection, Mapping

from thresher.compiler.schedule.assemble import Netlist
from thresher.compiler.schedule.cycles import End
from thresher.rtl.fanout import core
from thresher.rtl.loopstate import LoopState
from thresher.rtl.recurrence import Tap
from thresher.rtl.timing import Timing

__all__ = ["LONGEST_CHAIN", "closing_edges", "direct_edges", "recurrent_edges"]

LONGEST_CHAIN = 6
"""Processes that `ready` may pass from register to register."""

_Key = tuple[End, End]


def closing_edges(netlist: Netlist) -> frozenset[_Key]:
    """One edge of every cycle: those that carry a state back."""
    return frozenset(
        (src, dst)
        for src, dst, _ in netlist.edges
        if isinstance(core(netlist.kernels[src[0]]), Tap) and src[1] == "feedback"
    )


def loop_edges(netlist: Netlist) -> frozenset[_Key]:
    """The edges out of the states of loops, which hold a register of ready themselves."""
    return frozenset(
        (src, dst)
        for src, dst, _ in netlist.edges
        if isinstance(core(netlist.kernels[src[0]]), LoopState) and not src[1].startswith("final")
    )


def recurrent_edges(netlist: Netlist) -> frozenset[_Key]:
    """The edges that are part of a cycle, where every register adds to each step."""
    after: dict[str, set[str]] = {name: set() for name in netlist.kernels}
    for src, dst, _ in netlist.edges:
        after[src[0]].add(dst[0])
    reached = {name: _reached(name, after) for name in after}
    return frozenset((s, d) for s, d, _ in netlist.edges if s[0] in reached[d[0]])


def _reached(name: str, after: Mapping[str, Collection[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(after[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def direct_edges(netlist: Netlist, candidates: Collection[_Key]) -> frozenset[_Key]:
    """Those of `candidates` that may do without a FIFO: no path of ready becomes too long.

    Edges are taken from the outputs backwards, so a path is cut where it is as long as allowed.
    """
    chosen: set[_Key] = set()
    behind: dict[End, _Key] = {src: (src, dst) for src, dst, _ in netlist.edges}
    chains: dict[End, int] = {}  # of a kernel's input port
    for name in reversed(_topological(netlist)):
        kernel = netlist.kernels[name]
        reach = {}
        for port in kernel.outputs:
            key = behind.get((name, port))
            if key is None or key not in candidates or key[1] not in chains:
                continue
            if chains[key[1]] <= LONGEST_CHAIN:
                chosen.add(key)
                reach[port] = chains[key[1]]
        for port, chain in _chains(netlist.timings[name], reach).items():
            chains[name, port] = chain
    for key in loop_edges(netlist):
        if key in candidates and chains[key[1]] <= LONGEST_CHAIN:
            chosen.add(key)
    return frozenset(chosen)


def _chains(timing: Timing, reach: Mapping[str, int]) -> Mapping[str, int]:
    """Per pipe that a process takes from: processes up to the next register of ready."""
    found = dict(reach)
    waiting = deque(timing.processes)
    idle = 0
    while waiting:
        process = waiting.popleft()
        takes = {name for firing in process for name in firing.takes}
        gives = {name for firing in process for name in firing.gives}
        through = {n for n in gives if timing.pipes[n].backward == 0}
        inner = {n for n in through if _is_taken(timing, n)}
        if inner <= set(found) or idle > len(waiting):
            chain = 1 + max((found.get(n, 0) for n in through), default=0)
            found |= dict.fromkeys(takes, chain)
            idle = 0
        else:
            waiting.append(process)
            idle += 1
    return found


def _is_taken(timing: Timing, pipe: str) -> bool:
    return any(pipe in firing.takes for process in timing.processes for firing in process)


def _topological(netlist: Netlist) -> list[str]:
    """Kernels, each after those that feed it; edges that close a cycle do not count."""
    closing = closing_edges(netlist) | loop_edges(netlist)
    after: dict[str, list[str]] = {name: [] for name in netlist.kernels}
    missing = dict.fromkeys(netlist.kernels, 0)
    for src, dst, _ in netlist.edges:
        if (src, dst) not in closing:
            after[src[0]].append(dst[0])
            missing[dst[0]] += 1
    ready = deque(name for name, count in missing.items() if count == 0)
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for target in after[name]:
            missing[target] -= 1
            if missing[target] == 0:
                ready.append(target)
    return order
