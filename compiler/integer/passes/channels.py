"""Groups of tensors whose last axes are one: whatever leaves one of them leaves them all.

1. Step, Binary and a Reshape that keeps the last axis tie their operands and results together.
2. A group is *free* where MatMuls alone make it and MatMuls alone read it: how many channels its
   last axis has is nobody else's business. What a port, a loop or any other node makes or reads
   is not free.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from thresher.compiler.integer.ir import (
    Binary,
    IntegerGraph,
    Loop,
    MatMul,
    Node,
    Reshape,
    Step,
    Tensor,
)
from thresher.compiler.integer.passes.rewrite import walk

__all__ = ["Group", "free_groups"]


@dataclass(eq=False)
class Group:
    """Tensors tied together.

    :param size: channels: elements along the last axis.
    :param names: of the tensors.
    :param makers: MatMuls with their result in the group.
    :param ties: nodes within the group.
    :param readers: MatMuls with their operand in the group.
    """

    size: int
    names: set[str] = field(default_factory=set)
    makers: list[MatMul] = field(default_factory=list)
    ties: list[Step | Binary | Reshape] = field(default_factory=list)
    readers: list[MatMul] = field(default_factory=list)


class _Sets:
    """Disjoint sets of names."""

    def __init__(self) -> None:
        self.above: dict[str, str] = {}

    def root(self, name: str) -> str:
        while (above := self.above.setdefault(name, name)) != name:
            self.above[name] = self.above[above]
            name = above
        return name

    def tie(self, xs: Iterable[Tensor]) -> None:
        first, *rest = {self.root(x.name): None for x in xs}
        for name in rest:
            self.above[name] = first


def free_groups(graph: IntegerGraph) -> list[Group]:
    """The free groups (case 2), in the order of their first MatMul."""
    sets = _Sets()
    fixed = [p.tensor for p in graph.inputs] + [o.tensor for o in graph.outputs]
    ties: list[Step | Binary | Reshape] = []
    products: list[MatMul] = []
    for node in walk(graph.block):
        if isinstance(node, MatMul):
            products.append(node)
        elif isinstance(node, Step | Binary) or (isinstance(node, Reshape) and _keeps(node)):  # 1
            sets.tie((*node.inputs, *node.outputs))
            ties.append(node)
        else:
            fixed += _touched(node)
    taken = {sets.root(x.name) for x in fixed}
    groups: dict[str, Group] = {}
    for m in products:
        root = sets.root(m.out.name)
        if root not in taken:
            groups.setdefault(root, Group(m.out.shape[-1])).makers.append(m)
    members: dict[str, list[str]] = defaultdict(list)
    for name in list(sets.above):
        members[sets.root(name)].append(name)
    for m in products:
        if (group := groups.get(sets.root(m.x.name))) is not None:
            group.readers.append(m)
    for node in ties:
        if (group := groups.get(sets.root(node.out.name))) is not None:
            group.ties.append(node)
    for root, group in groups.items():
        group.names.update(members[root])
    return [g for g in groups.values() if g.readers]


def _keeps(node: Reshape) -> bool:
    """Whether a Reshape keeps the last axis."""
    return node.x.shape[-1:] == node.out.shape[-1:] != ()


def _touched(node: Node) -> list[Tensor]:
    """All tensors that a node reads or makes, on both sides of a loop's edge."""
    found = [*node.inputs, *node.outputs]
    if isinstance(node, Loop):
        found += [x for s in node.states for x in (s.inner, s.update)]
        found += [s.inner for s in node.scans] + [s.inner for s in node.scan_outputs]
    return found
