"""Which channels of the free groups leave, and what becomes of them: the cases of `shrink_rows`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.intervals import Bounds
from thresher.compiler.integer.ir import Binary, IntegerGraph, MatMul, Node, Step, Tensor
from thresher.compiler.integer.passes.channels import Group, free_groups
from thresher.compiler.integer.passes.rewrite import Rewriter
from thresher.rtl.stepfunction import StepFunction

__all__ = ["Plan", "plans"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What becomes of a group's N channels.

    :param kept: int64, ascending: those that stay.
    :param leader: int64 (N,): the first channel that equals each.
    :param gone: bool (N,): cases 2 and 3.
    """

    kept: np.ndarray
    leader: np.ndarray
    gone: np.ndarray

    def cut(self, array: np.ndarray) -> np.ndarray:
        """What is left of a constant along its last axis, N or 1 long."""
        return array if array.shape[-1] == 1 else array[..., self.kept]

    def rows(self, weights: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A reader's weights of the kept channels, and what joins its bias."""
        summed = np.zeros_like(weights)
        np.add.at(summed, self.leader[~self.gone], weights[~self.gone])  # 1
        return summed[self.kept], known[self.gone] @ weights[self.gone]  # 2


class _Measure(Rewriter):
    """A copy made for its bounds: those of every MatMul's operand."""

    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.bounds: dict[str, Bounds] = {}
        self.run()

    def node(self, node: Node, builder: Builder) -> None:
        if isinstance(node, MatMul):
            self.bounds[node.x.name] = builder.bounds(self.at(node.x)).broadcast(node.x.shape)
        super().node(node, builder)


def plans(graph: IntegerGraph) -> dict[str, tuple[Plan, np.ndarray]]:
    """By tensor of a group that shrinks: the plan, and the channels' known values or 0."""
    groups = [g for g in free_groups(graph) if g.size > 1]
    bounds = _Measure(graph).bounds if groups else {}
    found = {}
    for group in groups:
        plan = _plan(group, bounds)
        if len(plan.kept) < group.size:
            for name in group.names:
                known = _known(bounds[name], group.size)[1] if name in bounds else plan.leader * 0
                found[name] = (plan, known)
    return found


def _known(x: Bounds, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which channels have one value, the same at all positions; and their values, else 0."""
    low, high = x.low.reshape(-1, size), x.high.reshape(-1, size)
    known = (low == low[0]).all(axis=0) & (high == low[0]).all(axis=0)
    return known, np.where(known, low[0], 0)


def _plan(group: Group, bounds: Mapping[str, Bounds]) -> Plan:
    gone = np.ones(group.size, bool)
    for m in group.readers:
        gone &= _known(bounds[m.x.name], group.size)[0] | ~m.weights.any(axis=1)  # 2, 3
    gone[0] &= not gone.all()  # 4
    rows = np.concatenate([r.reshape(-1, group.size) for r in _parameters(group)])
    seen: dict[bytes, int] = {}
    keys = (c.tobytes() for c in np.ascontiguousarray(rows.T))
    leader = np.array([seen.setdefault(key, c) for c, key in enumerate(keys)])  # 1
    return Plan(np.unique(leader[~gone]), leader, gone)


def _parameters(group: Group) -> list[np.ndarray]:
    """Constants (..., N) that tell channels apart."""
    found = [m.weights for m in group.makers]
    found += [m.bias for m in group.makers if m.bias is not None]
    for node in group.ties:
        if isinstance(node, Binary):
            found += [c for c in (node.x, node.y) if not isinstance(c, Tensor)]
        elif isinstance(node, Step) and node.channel is not None:
            found.append(_functions(node.function)[node.channel])
    return [c for c in found if c.shape[-1] > 1]


def _functions(f: StepFunction) -> np.ndarray:
    """int64 (C,): equal numbers for channels of equal functions."""
    values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))
    both = np.concatenate([f.thresholds, values], axis=1)
    return np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
