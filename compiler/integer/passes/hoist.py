"""Move work that depends on no state out of loops: it is done ahead of the recurrence.

A node of the body that reads scan inputs alone (through other such nodes) is independent.

1. An independent node is built outside with a leading axis of the loop's steps: constants and
   channels get a leading axis of 1, indices reach into their step.
2. Where its operands are the same at every step it is built outside once, without that axis.
3. The body reads hoisted tensors through scan inputs. A Reshape or Reorder moves only if a node
   that moves, or the outside, reads it: slices of one hoisted tensor stay one scan input.
4. A scan output that is independent comes from outside; so does the final of a state whose update
   is independent (that of the last step).
"""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    IntegerGraph,
    Loop,
    LoopState,
    Node,
    Reorder,
    Reshape,
    ScanOutput,
    Tensor,
)
from thresher.compiler.integer.passes.copy import copied, stacked
from thresher.compiler.integer.passes.rewrite import Rewriter

__all__ = ["hoist"]


def hoist(graph: IntegerGraph) -> IntegerGraph:
    """The graph with loops that hold nothing independent but what case 3 leaves there."""
    return _Hoist(graph).run()


class _Hoist(Rewriter):
    def loop(self, node: Loop, builder: Builder) -> None:
        _HoistLoop(self, node, builder).run()


class _HoistLoop:
    def __init__(self, parent: Rewriter, node: Loop, builder: Builder) -> None:
        self.parent, self.node, self.builder = parent, node, builder
        self.outside: dict[str, Tensor] = {}  # by inner name: (steps, *shape)
        self.fixed: dict[str, Tensor] = {}  # by inner name: the same at every step, (*shape)
        self.scans: dict[str, tuple[Tensor, Tensor]] = {}

    def run(self) -> None:
        node, builder = self.node, self.builder
        for scan in node.scans:
            outer = self.parent.at(scan.outer)
            self.outside[scan.inner.name] = outer
            base = self.repeated(outer)
            if base is not None:
                self.fixed[scan.inner.name] = base
        moved = self.movable()
        for inner in node.body:
            if moved & {x.name for x in inner.outputs}:
                self.move(inner)
        body = builder.child()
        new = self.parent.new
        for state in node.states:
            x = state.inner
            new[x.name] = body.input(x.shape, x.lo, x.hi, name=x.name)
        for inner in node.body:
            if moved & {x.name for x in inner.outputs}:
                continue
            for x in inner.inputs:
                self.enter(x, body)
            self.parent.node(inner, body)
        self.close(body)

    def movable(self) -> set[str]:
        """Names of the outputs of all nodes that move."""
        free = {s.inner.name for s in self.node.scans}
        for node in self.node.body:
            if not isinstance(node, Loop) and all(x.name in free for x in node.inputs):
                free.update(x.name for x in node.outputs)
        wanted = {s.inner.name for s in self.node.scan_outputs}
        wanted |= {s.update.name for s in self.node.states if s.final is not None}
        moved: set[str] = set()
        for node in reversed(self.node.body.nodes):
            names = {x.name for x in node.outputs}
            if not names or not names <= free:
                continue
            if names & wanted or not isinstance(node, Reshape | Reorder):  # 3
                moved |= names
                wanted |= {x.name for x in node.inputs}
        return moved

    def move(self, node: Node) -> None:
        """Cases 1 and 2."""
        if all(x.name in self.fixed for x in node.inputs):
            made = copied(node, self.builder, self.fixed)
            self.fixed.update(made)
            return
        operands = {x.name: self.whole(x) for x in node.inputs}
        self.outside.update(copied(stacked(node, self.node.steps), self.builder, operands))

    def whole(self, x: Tensor) -> Tensor:
        """The inner tensor x outside, all steps of it."""
        if x.name not in self.outside:
            base = self.fixed[x.name]
            self.outside[x.name] = self.builder.expand(base, (self.node.steps, *base.shape))
        return self.outside[x.name]

    def repeated(self, outer: Tensor) -> Tensor | None:
        """The tensor that every step of `outer` equals, if there is one."""
        source = self.builder.producer(outer)
        if not isinstance(source, Reorder) or not (source.index == source.index[:1]).all():
            return None
        return self.builder.reorder(source.x, source.index[0])

    def enter(self, x: Tensor, body: Builder) -> None:
        """Make the inner tensor x, if it is independent, readable in the body."""
        if x.name not in self.outside and x.name not in self.fixed:
            return
        outer = self.whole(x)
        if outer.name not in self.scans:
            inner = self.builder.scan_input(body, outer, name=x.name)
            self.scans[outer.name] = (outer, inner)
        self.parent.new[x.name] = self.scans[outer.name][1]

    def close(self, body: Builder) -> None:
        """Case 4, and the loop that is left."""
        new, node = self.parent.new, self.node
        outputs: list[ScanOutput] = []
        for out in node.scan_outputs:
            if out.inner.name in self.outside or out.inner.name in self.fixed:
                new[out.outer.name] = self.whole(out.inner)
            else:
                outputs.append(out)
        states: list[LoopState] = []
        for state in node.states:
            final = state.final
            name = state.update.name
            if name in self.outside or name in self.fixed:
                if final is not None:
                    whole = self.whole(state.update)
                    index = np.arange(whole.size).reshape(whole.shape)
                    new[final.name] = self.builder.reorder(whole, index[-1], name=final.name)
                    final = None
                self.enter(state.update, body)
            states.append(LoopState(state.initial, state.inner, state.update, final))
        left = Loop(node.steps, (), tuple(states), node.body, tuple(outputs), node.name)
        if outputs or any(s.final is not None for s in states):
            self.parent.close(left, self.builder, body, list(self.scans.values()))
