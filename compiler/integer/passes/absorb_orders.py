"""Turned axes that weights, states and the host can take in, instead of hardware.

1. MatMul of a Reorder that permutes the elements of every row alike (a Flatten of channels-last
   pixels): the rows of the weights are permuted instead.
2. A loop's state whose update is turned, or a scan output that is: the loop holds and gives it as
   it was, and the turn is done outside, once.
3. An input of which all that reads it turns the same axes: the host sends it so turned.
4. An output that is turned at the end: the host receives it as it was. Inputs go first: what has
   turned one of them may leave nothing to turn at the end.
5. A Reduce of a Reorder that brings its elements side by side, where those of all channels, or of
   one alone, stand so already.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    Binary,
    InputPort,
    IntegerGraph,
    Loop,
    LoopState,
    MatMul,
    Node,
    OutputPort,
    Reduce,
    Reorder,
    Reshape,
    ScanOutput,
    Step,
    Tensor,
)
from thresher.compiler.integer.passes.orders import inverse, is_turn
from thresher.compiler.integer.passes.rewrite import Rewriter, producers, uses, walk

__all__ = ["absorb_orders"]

_MOST_AXES = 6


def absorb_orders(graph: IntegerGraph) -> IntegerGraph:
    """The graph with fewer turns of axes; dead nodes are left behind."""
    return _Absorb(graph).run()


class _Absorb(Rewriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.made = producers(graph)
        self.read: dict[str, list[Node]] = {}
        for node in walk(graph.block):
            for x in node.inputs:
                self.read.setdefault(x.name, []).append(node)
        self.uses = uses(graph)
        self.turned_inputs = False

    def node(self, node: Node, builder: Builder) -> None:
        made = None
        if isinstance(node, MatMul):
            made = self.matmul(node, builder)
        elif isinstance(node, Reduce):
            made = self.reduce(node, builder)
        if made is None:
            super().node(node, builder)
        else:
            self.new[node.outputs[0].name] = made

    def matmul(self, node: MatMul, builder: Builder) -> Tensor | None:  # 1
        source = builder.producer(self.at(node.x))
        if isinstance(source, Reshape):
            source = builder.producer(source.x)
        if not isinstance(source, Reorder) or source.index.size != source.x.size:
            return None
        width = node.weights.shape[0]
        rows = source.index.reshape(-1, width)
        first = np.arange(len(rows))[:, None] * width
        order = rows[0]
        if (rows - first != order).any() or (np.sort(order) != np.arange(width)).any():
            return None
        weights = np.empty_like(node.weights)
        weights[order] = node.weights
        x = builder.reshape(source.x, node.x.shape, name=node.x.name)
        return builder.matmul(x, weights, node.bias, name=node.out.name)

    def reduce(self, node: Reduce, builder: Builder) -> Tensor | None:  # 5
        source = builder.producer(self.at(node.x))
        if isinstance(source, Reshape):
            source = builder.producer(source.x)
        if not isinstance(source, Reorder) or not is_turn(source):
            return None
        count, channels = node.x.shape[-2:]
        rows = source.index.reshape(-1, count, channels)
        if channels > 1:
            ways = [rows.transpose(0, 2, 1).reshape(-1, count, 1)]
        else:
            sizes = (d for d in range(2, len(rows) + 1) if len(rows) % d == 0)
            ways = [rows.reshape(-1, d, count).transpose(0, 2, 1) for d in sizes]
        way = next((w for w in ways if _rises(w)), None)
        if way is None:
            return None
        x = builder.reshape(source.x, way.shape, name=node.x.name)
        made = builder.reduce(node.op, x, name=node.out.name)
        return builder.reshape(made, node.out.shape, name=node.out.name)

    def turn(self, x: Tensor) -> Reorder | None:
        """The Reorder that makes x of the old graph, if all it does is a turn."""
        made = self.made.get(x.name)
        return made if isinstance(made, Reorder) and is_turn(made) else None

    def loop(self, node: Loop, builder: Builder) -> None:  # 2
        states = {s.inner.name: t for s in node.states if (t := self.turn(s.update)) is not None}
        given = {
            o.outer.name: t for o in node.scan_outputs if (t := self.turn(o.inner)) is not None
        }
        if not states and not given:
            super().loop(node, builder)
            return
        _TurnedLoop(self, node, builder, states, given).run()

    def input(self, port: InputPort, builder: Builder) -> InputPort:  # 3
        x = port.tensor
        order = self.wanted(x)
        shape = x.shape if order is None else tuple(x.shape[k] for k in order)
        tensor = builder.input(shape, x.lo, x.hi, name=x.name)
        if order is None:
            self.new[x.name] = tensor
            return replace(port, tensor=tensor)
        self.turned_inputs = True
        back = np.arange(x.size).reshape(shape).transpose(np.argsort(order))
        self.new[x.name] = builder.reorder(tensor, back, name=x.name)
        return replace(port, tensor=tensor, order=_then(port.order, order))

    def wanted(self, x: Tensor) -> tuple[int, ...] | None:
        """The order of axes in which nothing that reads the input x has to turn it."""
        readers = self.turns_of(x)
        if not readers or all(_rises(n.index) for n in readers):
            return None
        index = np.arange(x.size).reshape(x.shape)
        for order in _orders(x.shape):
            back = inverse(index.transpose(order))
            if all(_rises(back[n.index]) for n in readers):
                return order
        return None

    def turns_of(self, x: Tensor) -> list[Reorder]:
        """The Reorders that read x, or what is elementwise made of it; none where others do."""
        found: list[Reorder] = []
        waiting = [x]
        while waiting:
            now = waiting.pop()
            readers = self.read.get(now.name, [])
            if len(readers) != self.uses[now.name]:
                return []
            for node in readers:
                if isinstance(node, Reorder):
                    found.append(node)
                elif isinstance(node, Step) or (isinstance(node, Binary) and len(node.inputs) == 1):
                    waiting.append(node.out)
                else:
                    return []
        return found

    def output(self, port: OutputPort, builder: Builder) -> OutputPort:  # 4
        x = self.at(port.tensor)
        made = builder.producer(x)
        if not isinstance(made, Reorder) or made.index.size != made.x.size or self.turned_inputs:
            return replace(port, tensor=x)
        rising = (o for o in _orders(x.shape) if _rises(made.index.transpose(o)))
        order = next(rising, None)
        if order is None:
            return replace(port, tensor=x)
        shape = tuple(x.shape[k] for k in order)
        tensor = builder.reshape(made.x, shape, name=x.name)
        return replace(port, tensor=tensor, order=_then(port.order, order))


def _rises(index: np.ndarray) -> bool:
    """Whether elements are only dropped."""
    return bool((np.diff(index.reshape(-1)) > 0).all())


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Orders of axes, those of one element first, but for that which changes nothing."""
    long = [k for k, size in enumerate(shape) if size > 1]
    short = [k for k, size in enumerate(shape) if size == 1]
    if len(long) <= _MOST_AXES:
        yield from ((*short, *order) for order in permutations(long) if list(order) != long)


def _then(first: tuple[int, ...] | None, order: tuple[int, ...]) -> tuple[int, ...]:
    """The model's axes of a tensor whose axes are those of a port, in another order."""
    return order if first is None else tuple(first[k] for k in order)


class _TurnedLoop:
    """Case 2."""

    def __init__(
        self,
        parent: _Absorb,
        node: Loop,
        builder: Builder,
        states: dict[str, Reorder],
        given: dict[str, Reorder],
    ) -> None:
        self.parent, self.node, self.builder = parent, node, builder
        self.states, self.given = states, given

    def run(self) -> None:
        """Make the loop, and what turns its results outside."""
        parent, node, builder, new = self.parent, self.node, self.builder, self.parent.new
        body = builder.child()
        scans: dict[str, tuple[Tensor, Tensor]] = {}
        for scan in node.scans:
            outer = parent.at(scan.outer)
            if outer.name not in scans:
                inner = builder.scan_input(body, outer, name=scan.inner.name)
                scans[outer.name] = (outer, inner)
            new[scan.inner.name] = scans[outer.name][1]
        held = [self.state(s, body) for s in node.states]
        parent.block(node.body, body)
        states = []
        for s, inner in zip(node.states, held, strict=True):
            turn = self.states.get(s.inner.name)
            update = parent.at(s.update if turn is None else turn.x)
            final = None if s.final is None else s.final.name
            states.append((self.initial(s, turn), inner, update, final))
        outputs: dict[str, tuple[Tensor, str]] = {}
        for out in node.scan_outputs:
            x = self.taken(out)
            outputs.setdefault(x.name, (x, out.outer.name))
        made = builder.loop(
            node.steps, body, list(scans.values()), states, list(outputs.values()), name=node.name
        )
        self.finish(made)

    def state(self, state: LoopState, body: Builder) -> Tensor:
        """The state as the new body has it."""
        x, turn = state.inner, self.states.get(state.inner.name)
        if turn is None:
            held = self.parent.new[x.name] = body.input(x.shape, x.lo, x.hi, name=x.name)
            return held
        held = body.input(turn.x.shape, x.lo, x.hi, name=x.name)
        self.parent.new[x.name] = body.reorder(held, turn.index, name=x.name)
        return held

    def initial(self, state: LoopState, turn: Reorder | None) -> Tensor | np.ndarray:
        start = state.initial
        first = start if isinstance(start, np.ndarray) else self.parent.at(start)
        if turn is None:
            return first
        back = inverse(turn.index).reshape(turn.x.shape)
        if isinstance(first, np.ndarray):
            return first.reshape(-1)[back]
        return self.builder.reorder(first, back, name=first.name)

    def taken(self, out: ScanOutput) -> Tensor:
        turn = self.given.get(out.outer.name)
        return self.parent.at(out.inner if turn is None else turn.x)

    def finish(self, made: Loop) -> None:
        """Enter the results of the new loop, turned as the old one gave them."""
        new, node, builder = self.parent.new, self.node, self.builder
        outers = {o.inner.name: o.outer for o in made.scan_outputs}
        for out in node.scan_outputs:
            whole, turn = outers[self.taken(out).name], self.given.get(out.outer.name)
            if turn is not None:
                first = np.arange(node.steps).reshape(-1, *(1,) * turn.index.ndim) * turn.x.size
                whole = builder.reorder(whole, first + turn.index, name=out.outer.name)
            new[out.outer.name] = whole
        for old, state in zip(node.states, made.states, strict=True):
            if old.final is None or state.final is None:
                continue
            turn, final = self.states.get(old.inner.name), state.final
            if turn is not None:
                final = builder.reorder(final, turn.index, name=old.final.name)
            new[old.final.name] = final
