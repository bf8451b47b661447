"""Several samples as one frame: the graph that computes N independent samples, step by step.

Every tensor gets an axis of N. Its *place* in the tensor's shape tells the order of the elements:
at 0 the samples stand one after the other; behind the axis of a sequence's steps, step t of every
sample comes before step t + 1 of any. A loop takes and gives its sequences in this second order,
and its states are N rows: the body works on step t of one sample after the other, while what it
found for the first of them is on its way back.

1. Places are wished for from the end: a loop wishes its scan inputs step by step and its initial
   states sample by sample, and whatever keeps the order passes the wish on.
2. The inputs of the graph stand as they are wished, sample by sample where nobody minds.
3. A node leaves the axis where its operand has it. Products, ArgMax and Concat mind only that it is
   not last, a Reduce that it is before its last two axes, a Window or Repeat before its last three;
   a Reshape keeps it between the same elements.
4. A Reorder works on each sample alone. Its output stands as it is wished, or else where least has
   to be buffered.
5. Where a tensor stands otherwise than it is needed, a Reorder of the whole frame (or, where that
   is the same order of elements, a Reshape) brings it there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Block,
    Concat,
    GroupedMatMul,
    IntegerGraph,
    Loop,
    LoopState,
    MatMul,
    Node,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    ScanInput,
    ScanOutput,
    Step,
    Tensor,
    Window,
)
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.places import cheapest_place, place_of, with_samples

__all__ = ["Framed", "framed"]

_STEPS, _ROWS = 1, 0  # places: behind the axis of steps, and sample by sample


@dataclass(frozen=True, eq=False)
class Framed:
    """N samples as one frame.

    :param graph: of codes alone, in the order of the streams: the expressions of its ports are
        those of one sample.
    :param places: input and output tensors by name -> where the axis of samples stands.
    """

    graph: IntegerGraph
    places: Mapping[str, int]


def framed(graph: IntegerGraph, samples: int) -> Framed:
    """`samples` independent samples of the graph as one frame of another graph.

    With 1 sample it is the graph itself.

    :raises ThresherError: there is no loop that samples could share.
    """
    if samples < 1:
        raise ThresherError(f"interleave must be at least 1, not {samples!r}")
    ends = [p.tensor.name for p in graph.inputs] + [p.tensor.name for p in graph.outputs]
    if samples == 1:
        return Framed(graph, dict.fromkeys(ends, _ROWS))
    if not any(isinstance(node, Loop) for node in walk(graph.block)):
        raise ThresherError(
            f"interleave: model '{graph.name}' must have a recurrence (a Scan) for "
            f"{samples} sequences to share, not none; leave --interleave away"
        )
    made = _Framer(graph, samples)
    return Framed(made.run(), {name: made.places[name] for name in ends})


class _Framer:
    """`new` and `places` are by the names of the old graph, which stay the names of the new."""

    def __init__(self, graph: IntegerGraph, samples: int) -> None:
        self.graph, self.samples = graph, samples
        self.new: dict[str, Tensor] = {}
        self.places: dict[str, int] = {}
        self.wished: dict[str, int] = {}
        self.moved: dict[tuple[str, int], Tensor] = {}
        self.nodes: list[Node] = []

    def run(self) -> IntegerGraph:
        """The graph of a frame."""
        graph = self.graph
        self.wishes(graph.block)
        inputs = tuple(
            replace(
                p, tensor=self.define(p.tensor, self.wished.get(p.tensor.name, _ROWS)), order=None
            )
            for p in graph.inputs
        )
        block = self.block(graph.block)
        outputs = tuple(
            replace(p, tensor=self.new[p.tensor.name], order=None) for p in graph.outputs
        )
        return replace(graph, inputs=inputs, block=Block(block), outputs=outputs)

    # Case 1.

    def wishes(self, block: Block) -> None:
        """What the nodes of a block wish of each other."""
        for node in reversed(block.nodes):
            if isinstance(node, Loop):
                for scan in node.scans:
                    self.wished.setdefault(scan.outer.name, _STEPS)
                for state in node.states:
                    if isinstance(state.initial, Tensor):
                        self.wished.setdefault(state.initial.name, _ROWS)
                continue
            wish = self.wished.get(node.outputs[0].name)
            if wish is None:
                continue
            for x in node.inputs:
                found = self.before(node, x, wish)
                if found is not None:
                    self.wished.setdefault(x.name, found)

    def before(self, node: Node, x: Tensor, place: int) -> int | None:
        """Where a node wants the axis in `x` to have it at `place` in its output."""
        match node:
            case MatMul() | ArgMax() | GroupedMatMul() | Reduce() | Window() | Repeat():
                return place if place <= len(x.shape) - _own_axes(node) else None
            case Reshape():
                return place_of(x.shape, prod(node.out.shape[:place]))
            case Reorder():
                places = range(len(x.shape) + 1)
                return cheapest_place(node, [(p, place) for p in places])[0]
            case _:
                return place

    # Cases 2 to 5.

    def define(self, x: Tensor, place: int) -> Tensor:
        """`x` of all samples."""
        shape = (*x.shape[:place], self.samples, *x.shape[place:])
        self.places[x.name] = place
        self.new[x.name] = replace(x, shape=shape)
        return self.new[x.name]

    def placed(self, x: Tensor, place: int) -> Tensor:
        """`x` of all samples with their axis at this place."""
        found = self.places[x.name]
        if found == place:
            return self.new[x.name]
        if (x.name, place) not in self.moved:
            shape = (*x.shape[:place], self.samples, *x.shape[place:])
            out = replace(x, name=f"{x.name}~samples{place}", shape=shape)
            own = self.new[x.name]
            if prod(x.shape[:found]) == prod(x.shape[:place]):
                self.nodes.append(Reshape(own, out))
            else:
                kept = np.arange(x.size).reshape(x.shape)
                index = with_samples(kept, x.shape, (found, place), self.samples)
                self.nodes.append(Reorder(own, index, out))
            self.moved[x.name, place] = out
        return self.moved[x.name, place]

    def along(self, x: Tensor | np.ndarray, place: int) -> Tensor | np.ndarray:
        """An operand for an output with the axis at `place`: a constant is that of each sample."""
        return self.placed(x, place) if isinstance(x, Tensor) else np.expand_dims(x, place)

    def block(self, block: Block) -> tuple[Node, ...]:
        """The nodes of a block, and those that move axes between them."""
        outside, self.nodes = self.nodes, []
        for node in block:
            self.nodes.append(self.loop(node) if isinstance(node, Loop) else self.node(node))
        inside, self.nodes = self.nodes, outside
        return tuple(inside)

    def node(self, node: Node) -> Node:
        """A node outside of what loops give and take."""
        wish = self.wished.get(node.outputs[0].name)
        places = [self.places[x.name] for x in node.inputs]
        place = wish if wish in places else places[0]
        match node:
            case MatMul() | GroupedMatMul() | Reduce() | Window() | Repeat():
                x, place = self.before_own(node, node.x, place)
                return replace(node, x=x, out=self.define(node.out, place))
            case ArgMax():
                x, place = self.before_own(node, node.x, place)
                value = None if node.value is None else self.define(node.value, place)
                return replace(node, x=x, out=self.define(node.out, place), value=value)
            case Step():
                channel = None if node.channel is None else np.expand_dims(node.channel, place)
                x = self.placed(node.x, place)
                return replace(node, x=x, channel=channel, out=self.define(node.out, place))
            case Binary():
                sides = self.along(node.x, place), self.along(node.y, place)
                return replace(node, x=sides[0], y=sides[1], out=self.define(node.out, place))
            case Concat():
                xs = tuple(self.placed(x, place) for x in node.xs)
                axis = node.axis + (place <= node.axis)
                return Concat(xs, axis, self.define(node.out, place))
            case Reshape():
                found = place_of(node.out.shape, prod(node.x.shape[:place]))
                if found is None:
                    place = found = _ROWS
                return Reshape(self.placed(node.x, place), self.define(node.out, found))
            case Reorder():
                return self.reorder(node, place)
        raise AssertionError(f"node of type {type(node).__name__}")

    def before_own(self, node: Node, x: Tensor, place: int) -> tuple[Tensor, int]:
        """(`x`, the place) with the axis before those of `x` that the node computes on."""
        place = place if place <= len(x.shape) - _own_axes(node) else _ROWS
        return self.placed(x, place), place

    def reorder(self, node: Reorder, place: int) -> Node:
        """Case 4."""
        wish = self.wished.get(node.out.name)
        if wish is None:
            places = range(len(node.out.shape) + 1)
            wish = cheapest_place(node, [(place, p) for p in places])[1]
        index = with_samples(node.index, node.x.shape, (place, wish), self.samples)
        return Reorder(self.placed(node.x, place), index, self.define(node.out, wish))

    def loop(self, loop: Loop) -> Node:
        """Rows of all samples go round; sequences go in and out step by step."""
        scans = tuple(
            ScanInput(self.placed(s.outer, _STEPS), self.define(s.inner, _ROWS)) for s in loop.scans
        )
        starts = [self.initial(s) for s in loop.states]
        for state in loop.states:
            self.define(state.inner, _ROWS)
            self.wished.setdefault(state.update.name, _ROWS)
        for out in loop.scan_outputs:
            self.wished.setdefault(out.inner.name, _ROWS)
        self.wishes(loop.body)
        body = list(self.block(loop.body))
        outside, self.nodes = self.nodes, body
        states = tuple(
            replace(
                s, initial=start, inner=self.new[s.inner.name],
                update=self.placed(s.update, _ROWS),
                final=None if s.final is None else self.define(s.final, _ROWS),
            )
            for s, start in zip(loop.states, starts, strict=True)
        )  # fmt: skip
        outputs = tuple(
            ScanOutput(self.placed(o.inner, _ROWS), self.define(o.outer, _STEPS))
            for o in loop.scan_outputs
        )
        self.nodes = outside
        return replace(
            loop, scans=scans, states=states, body=Block(tuple(body)), scan_outputs=outputs
        )

    def initial(self, state: LoopState) -> Tensor | np.ndarray:
        """The state of every sample before the first step."""
        if isinstance(state.initial, Tensor):
            return self.placed(state.initial, _ROWS)
        return np.repeat(state.initial[None], self.samples, axis=0)


def _own_axes(node: Node) -> int:
    """How many of the last axes of its operand a node computes on (case 3)."""
    if isinstance(node, Window | Repeat):
        return 3
    return 2 if isinstance(node, Reduce) else 1
