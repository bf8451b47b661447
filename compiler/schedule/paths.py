"""Paths through a design as sums of what its kernels take, and the longest of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from thresher.compiler.schedule.transfers import Arc

__all__ = ["Edges", "Node", "Path", "Paths", "in_order", "longest"]

Node = tuple[str, str, int, bool]
"""Kernel or link, input port, place in the turn, whether in a loop's last step."""


@dataclass(frozen=True)
class Path:
    """A path, or one round and round.

    :param terms: of each kernel, how often each of its arcs is passed.
    :param cycles: what it takes at least; beside its terms what is the same for all kernels.
    """

    terms: Mapping[str, Mapping[Arc, int]]
    cycles: int = 0

    def of(self, name: str, transfers: Mapping[Arc, int]) -> int | None:
        """What a kernel with these transfers adds; None where the path does not exist with it."""
        total = 0
        for arc, times in self.terms.get(name, {}).items():
            if arc not in transfers:
                return None
            total += times * transfers[arc]
        return total

    def joined(self, other: "Path", times: int = 1) -> "Path":
        """This one and the other so many times."""
        terms = {name: dict(arcs) for name, arcs in self.terms.items()}
        for name, arcs in other.terms.items():
            mine = terms.setdefault(name, {})
            for arc, count in arcs.items():
                mine[arc] = mine.get(arc, 0) + times * count
        return Path(terms, self.cycles + times * other.cycles)


Edges = dict[Node, list[tuple[Node, Path]]]


def longest(order: Sequence[Node], edges: Edges, starts: Mapping[Node, int]) -> "Paths":
    """By node the longest path to it from one of the starts.

    :param starts: nodes and what a path that starts there has taken before.
    :param order: of nodes, so that all edges lead forwards.
    """
    cycles = dict(starts)
    back: dict[Node, tuple[Node, Path]] = {}
    for node in order:
        if node in cycles:
            for target, path in edges.get(node, ()):
                reached = cycles[node] + path.cycles
                if reached > cycles.get(target, -1):
                    cycles[target], back[target] = reached, (node, path)
    return Paths(cycles, back)


class Paths(dict[Node, Path]):
    """Paths put together when they are asked for."""

    def __init__(self, cycles: Mapping[Node, int], back: Mapping[Node, tuple[Node, Path]]) -> None:
        super().__init__()
        self.cycles, self.back = cycles, back

    def __missing__(self, node: Node) -> Path:
        terms, at = Path({}), node
        while at in self.back:
            at, path = self.back[at]
            terms = terms.joined(path)
        made = Path(terms.terms, self.cycles[node])
        self[node] = made
        return made


def in_order(edges: Edges) -> list[Node]:
    """All nodes, so that edges lead forwards."""
    found: dict[Node, set[Node]] = {}
    for node, out in edges.items():
        found.setdefault(node, set())
        for to, _ in out:
            found.setdefault(to, set()).add(node)
    return list(TopologicalSorter(found).static_order())
