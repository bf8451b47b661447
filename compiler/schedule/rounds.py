"""Lower bounds on a design's interval and latency that are sums over its kernels.

Every path through the design, from a take of a kernel to a take of the next (`transfers`), takes at
least the sum of what its kernels take. So, whatever else stands between them,

- an interval is no less than n c, where c is what a way round a loop of n steps takes from one
  step's take of a place to the next one's: a state is back for the next frame's first step as for
  any other, though it is its initial value that goes on;
- a latency is no less than the longest path to an output, which goes round a loop n - 1 times, and
  the FIFOs at the top, and 1: the first input is there in cycle 0, when all kernels start.

Both are sums of multiples of transfers, so they are rules for an integer program: of each path, a
number for each choice of each kernel on it, their sum at most the target (`Path`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import lcm

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.network import End
from thresher.compiler.schedule.paths import Edges, Node, Path, in_order, longest
from thresher.compiler.schedule.transfers import FIRST, LAST, PLACES, Arc, element, transfers
from thresher.rtl.deal import Deal
from thresher.rtl.kernel import Kernel
from thresher.rtl.loopstate import LoopState
from thresher.rtl.width import WidthConverter

__all__ = ["Link", "Rounds"]

_ENDS = (FIRST, LAST)

Transfers = Mapping[str, Mapping[Arc, int]]
"""By kernel."""


@dataclass(frozen=True)
class Link:
    """From a kernel's output to another one's input, both in the same loop or in none."""

    source: End
    target: End
    stream: str


class Rounds:
    """The kernels of a lowered graph, its loops and the turns of its streams."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.readers: dict[str, list[tuple[str, str]]] = {name: [] for name in lowered.streams}
        for name, request in lowered.requests.items():
            for port, stream in request.inputs.items():
                self.readers[stream].append((name, port))
        for name, (_, stream) in lowered.outputs.items():
            self.readers[stream].append(("", name))

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """Links by their names, which are no kernels'; their ports are "i" and "o"."""
        requests = self.lowered.requests
        return {
            f"{reader}.{port}": Link((name, out), (reader, port), stream)
            for name, request in requests.items() for out, stream in request.outputs.items()
            for reader, port in self.readers[stream]
            if reader and self.loops.get(reader) == self.loops.get(name)
        }  # fmt: skip

    @cached_property
    def loops(self) -> Mapping[str, int]:
        """Kernels that a recurrence leads through -> the number of their loop."""
        requests = self.lowered.requests
        after = {
            name: {
                reader for s in request.outputs.values() for reader, _ in self.readers[s] if reader
            }
            for name, request in requests.items()
        }
        reached: dict[str, set[str]] = {}
        for name in requests:
            found: set[str] = set()
            waiting = [name]
            while waiting:
                new = after[waiting.pop()] - found
                found |= new
                waiting += new
            reached[name] = found
        names = list(requests)
        return {
            name: min(
                k for k, other in enumerate(names) if other in found and name in reached[other]
            )
            for name, found in reached.items() if name in found
        }  # fmt: skip

    def loop(self, name: str) -> int | None:
        """The loop that a kernel or a link is part of."""
        return self.loops.get(self.links[name].source[0] if name in self.links else name)

    def _of(self, name: str) -> int:
        """The same of a kernel or a link in a loop."""
        found = self.loop(name)
        assert found is not None
        return found

    @cached_property
    def steps(self) -> Mapping[int, int]:
        """By loop its steps, where all its states have as many."""
        found: dict[int, set[int]] = {loop: set() for loop in self.loops.values()}
        for name, loop in self.loops.items():
            request = self.lowered.requests[name]
            kernel = request.kernel(next(request.foldings))
            if isinstance(kernel, LoopState):
                found[loop].add(kernel.steps)
        return {loop: steps.pop() for loop, steps in found.items() if len(steps) == 1}

    def turns(self, name: str, kernel: Kernel) -> Mapping[str, int]:
        """By port the elements of a turn; none where the kernel's turns are not all alike."""
        request = self.lowered.requests[name]
        count = self.steps.get(self.loops[name], 0) if name in self.loops else 1
        ports = {**kernel.inputs, **kernel.outputs}
        found: dict[str, int] = {}
        for port, stream in {**request.inputs, **request.outputs}.items():
            elements = self.lowered.streams[stream].elements
            if count and elements % count == 0 and elements // count % ports[port].lanes == 0:
                found[port] = elements // count
        if isinstance(kernel, LoopState):
            return {port: turn for port, turn in found.items() if port in ("i", "o")}
        alike = all(found.get(port, 0) % ports[port].elements == 0 for port in found)
        return found if alike else {}

    def between(self, name: str, i_lanes: int, o_lanes: int) -> dict[Arc, int]:
        """The transfers of a link from so many lanes to so many."""
        if i_lanes == o_lanes:
            return {Arc("i", place, "o", place, 0): 0 for place in PLACES}
        stream = self.lowered.streams[self.links[name].stream]
        loop = self.loop(name)
        turn = stream.elements // (1 if loop is None else self.steps.get(loop, 1))
        elements = lcm(i_lanes, o_lanes)
        if turn % elements:
            return {Arc("i", place, "o", place, 0): 0 for place in PLACES}
        converter = WidthConverter(
            elements=elements, i_lanes=i_lanes, o_lanes=o_lanes,
            lo=stream.tensor.lo, hi=stream.tensor.hi,
        )  # fmt: skip
        return transfers(converter, {"i": turn, "o": turn}, False)

    def transfers(self, name: str, kernel: Kernel) -> dict[Arc, int]:
        """Of a kernel of this name, see there; of a state also from its last turn to `final`."""
        inner, turns = name in self.loops, self.turns(name, kernel)
        registered = not (inner and isinstance(kernel, Deal))  # in loops deals are merged
        found = transfers(kernel, turns, inner, registered)
        if isinstance(kernel, LoopState) and kernel.final and turns:
            stages = kernel.timing().pipes["final"].forward
            at = [element(turns["i"], place) // kernel.lanes for place in PLACES]
            found |= {
                Arc("i", place, "final", to, 0): stages + at[to] - at[place]
                for place in PLACES for to in PLACES if at[to] >= at[place]
            }  # fmt: skip
        return found

    def round_loops(self, kernels: Transfers) -> list[Path]:
        """For these transfers paths bounding the interval, one a take in a loop, longest first."""
        near, later, _ = self._edges(kernels)
        found = []
        for (name, *_), path in self._rounds(near, later).items():
            steps = self.steps[self._of(name)]
            found.append(Path({}).joined(path, steps))
        return sorted(found, key=lambda path: -path.cycles)

    def through(self, kernels: Transfers) -> list[Path]:
        """For these transfers a path that bounds the latency; none where nothing leads through."""
        near, later, final = self._edges(kernels)
        return self._through(near, final, self._rounds(near, later))

    def _behind(self, name: str, port: str) -> list[End]:
        """The links, and where there are none the kernels, behind an output."""
        readers = self.readers[self.lowered.requests[name].outputs[port]]
        links = [f"{reader}.{i}" for reader, i in readers]
        return [
            (link, "i") if link in self.links else end
            for link, end in zip(links, readers, strict=True)
        ]

    def _is_state(self, name: str) -> bool:
        if name in self.links:
            return False
        request = self.lowered.requests[name]
        return isinstance(request.kernel(next(request.foldings)), LoopState)

    def _edges(self, kernels: Transfers) -> tuple[Edges, Edges, Edges]:
        """Between takes of a turn, from one turn to the next, and from loops' last states."""
        near: Edges = {}
        later: Edges = {}
        final: Edges = {}
        for name, arcs in kernels.items():
            link = self.links.get(name)
            for arc, cycles in arcs.items():
                path = Path({name: {arc: 1}}, cycles)
                if link is not None:
                    targets = [link.target]
                elif arc.later and arc.port in self.lowered.requests[name].inputs:
                    targets = [(name, arc.port)]
                else:
                    targets = self._behind(name, arc.port)
                edges = later if arc.later else final if self._is_state(name) else near
                for reader, port in targets:
                    edges.setdefault((name, arc.source, arc.place, False), []).append(
                        ((reader, port, arc.to, False), path)
                    )
        return near, later, final

    def _rounds(self, near: Edges, later: Edges) -> dict[Node, Path]:
        """The longest way round from each take in a loop to the same one of the next step."""
        loop = self.loop
        order = in_order(near)

        def inside(edges: Edges, source: bool, target: bool) -> Edges:
            return {
                (*node[:3], source): [
                    ((*to[:3], target), path) for to, path in found
                    if loop(to[0]) == loop(node[0])
                ]
                for node, found in edges.items() if loop(node[0]) is not None
            }  # fmt: skip

        both = {**inside(near, False, False), **inside(near, True, True)}
        for node, found in inside(later, False, True).items():
            both[node] = [*both.get(node, ()), *found]
        nodes = [n for n in order if loop(n[0]) in self.steps]
        twice = [*nodes, *((*n[:3], True) for n in nodes)]
        made = {}
        for node in nodes:
            mine = [n for n in twice if loop(n[0]) == loop(node[0])]
            paths = longest(mine, both, {node: 0})
            end = (*node[:3], True)
            if end in paths.cycles:
                made[node] = paths[end]
        return made

    def _through(self, near: Edges, final: Edges, rounds: Mapping[Node, Path]) -> list[Path]:
        """The longest path to an output."""
        loop = self.loop
        edges: Edges = {}
        for node, found in near.items():
            inner = loop(node[0])
            for last in (False, True) if inner is not None else (False,):
                edges[*node[:3], last] = out = []
                for to, path in found:
                    target = loop(to[0])
                    if target == inner:
                        out.append(((*to[:3], last), path))
                    elif to[2] == (LAST if last else FIRST) or (inner is None and to[2] in _ENDS):
                        # the ends of a frame are those of its outermost turns
                        out.append(((*to[:3], target is not None and to[2] == LAST), path))
        for node, path in rounds.items():
            more = self.steps[self._of(node[0])] - 1
            edges.setdefault(node, []).append(((*node[:3], True), Path({}).joined(path, more)))
        for node, found in final.items():
            edges.setdefault((*node[:3], True), []).extend(
                ((*to[:3], loop(to[0]) is not None and to[2] == LAST), path)
                for to, path in found if loop(to[0]) is None or to[2] in _ENDS
            )  # fmt: skip
        inputs = {stream for _, stream in self.lowered.inputs.values()}
        starts = {
            (name, port, place, name in self.loops and place == LAST): int(stream in inputs)
            for name, request in self.lowered.requests.items()
            for port, stream in request.inputs.items() for place in PLACES
        }  # fmt: skip
        order = in_order(edges)
        paths = longest(order, edges, starts)
        ends = [(paths.cycles[n], n) for n in paths.cycles if not n[0]]
        return [paths[max(ends)[1]].joined(Path({}, 2))] if ends else []
