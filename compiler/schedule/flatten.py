"""Nested blocks to a flat list of items joined by streams.

A stream is a tensor in row-major order. Tensors that are the same elements in the same order are
one stream: a reshape and its source, a scan input or output and its inner tensor (step after step
*is* row after row). A loop is its body, once, between `InjectSpec` and `TapSpec` for every state.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.errors import ModelError
from thresher.compiler.integer import ir
from thresher.compiler.schedule.patterns import Order, order_of

__all__ = [
    "ConcatSpec", "FlatGraph", "InjectSpec", "Item", "LoopStateSpec", "SplitSpec", "Spec",
    "Stream", "TapSpec", "flatten",
]  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """Elements on their way from one item to any number of others.

    :param tensor: the first tensor that it carries; gives name, row and interval.
    :param elements: elements in one frame.
    """

    tensor: ir.Tensor
    elements: int

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.tensor.name


@dataclass(frozen=True)
class InjectSpec:
    """Where a state enters the body; ports `init` (unless constant), `feedback`, `o`."""

    steps: int
    state: ir.Tensor
    initial: tuple[int, ...] | None


@dataclass(frozen=True)
class TapSpec:
    """Where a state leaves the body; ports `i`, `feedback`, `final`."""

    steps: int
    state: ir.Tensor


@dataclass(frozen=True)
class LoopStateSpec:
    """A state's way from one step to the next; ports `i`, `o`, `final`.

    :param initial: every element of the first state.
    """

    steps: int
    state: ir.Tensor
    initial: int


@dataclass(frozen=True)
class ConcatSpec:
    """Elements from each input in turn; ports `i0`, `i1`, ..., `o`."""

    segments: tuple[int, ...]


@dataclass(frozen=True)
class SplitSpec:
    """Elements to each output in turn; ports `i`, `o0`, `o1`, ..."""

    segments: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FusedSpec:
    """A Binary with the Step behind it; ports `a`, `b` (where both are tensors), `o`."""

    binary: ir.Binary
    step: ir.Step | None


Spec = (
    ir.MatMul | ir.GroupedMatMul | ir.Step | ir.ArgMax | ir.Window | ir.Reduce | ir.Repeat
    | FusedSpec | Order | InjectSpec | TapSpec | LoopStateSpec | ConcatSpec | SplitSpec
)  # fmt: skip


_Plain = (
    ir.MatMul | ir.GroupedMatMul | ir.Binary | ir.Step | ir.Concat | ir.ArgMax
    | ir.Window | ir.Reduce | ir.Repeat
)  # fmt: skip
"""Nodes that become one item."""


@dataclass(frozen=True, eq=False)
class Item:
    """One kernel to be; ports and the names of their streams.

    :param origin: the tensor that it computes.
    :param inner: it is part of a loop's body.
    """

    spec: Spec
    origin: ir.Tensor
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    inner: bool = False


@dataclass(frozen=True, eq=False)
class FlatGraph:
    """All items, and the streams by name.

    :param inputs: the stream of each input port of the integer graph.
    :param outputs: the stream of each output port.
    """

    items: tuple[Item, ...]
    streams: Mapping[str, Stream]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Flattener:
    def __init__(self) -> None:
        self.items: list[Item] = []
        self.streams: dict[str, Stream] = {}
        self.stream_of: dict[str, str] = {}
        self.depth = 0

    def new(self, tensor: ir.Tensor, repeats: int) -> str:
        """A stream of its own for this tensor."""
        self.streams[tensor.name] = Stream(tensor, tensor.size * repeats)
        self.stream_of[tensor.name] = tensor.name
        return tensor.name

    def same(self, tensor: ir.Tensor, other: ir.Tensor, op: str) -> None:
        """`tensor` is the stream of `other`."""
        self.stream_of[tensor.name] = self.find(other, op)

    def find(self, tensor: ir.Tensor, op: str) -> str:
        """The stream of a tensor that an `op` reads."""
        if tensor.name not in self.stream_of:
            raise ModelError(
                tensor.name,
                op,
                "a node must read tensors of its own block that were computed before it",
                "bring the tensor into the loop as a scan input",
            )
        return self.stream_of[tensor.name]

    def block(self, block: ir.Block, repeats: int) -> None:
        """All nodes of a block that runs `repeats` times a frame."""
        for node in block:
            if isinstance(node, ir.Loop):
                self.loop(node, repeats)
            elif isinstance(node, ir.Reshape):
                self.same(node.out, node.x, "Reshape")
            elif isinstance(node, ir.Reorder):
                self.reorder(node, repeats)
            else:
                self.plain(node, repeats)

    def plain(self, node: _Plain, repeats: int) -> None:
        """A node that becomes one item."""
        op = type(node).__name__
        names = [self.find(t, op) for t in node.inputs]
        spec: Spec
        ports = ["i"]
        outs = ["o"]
        if isinstance(node, ir.Binary):
            spec = FusedSpec(node, None)
            ports = ["a", "b"][: len(names)]
        elif isinstance(node, ir.Concat):
            inner = [int(np.prod(t.shape[node.axis :], dtype=np.int64)) for t in node.xs]
            spec = ConcatSpec(tuple(inner))
            ports = [f"i{k}" for k in range(len(inner))]
        else:
            spec = node
            if isinstance(node, ir.ArgMax):
                outs = ["o", "value"]
        made = {p: self.new(t, repeats) for p, t in zip(outs, node.outputs, strict=False)}
        inputs = dict(zip(ports, names, strict=True))
        self.items.append(Item(spec, node.out, inputs, made, self.depth > 0))

    def reorder(self, node: ir.Reorder, repeats: int) -> None:
        """Nothing where the order is kept."""
        order = order_of(node.index, node.x.size)
        if order.kept:
            self.same(node.out, node.x, "Reorder")
            return
        source = self.find(node.x, "Reorder")
        outputs = {"o": self.new(node.out, repeats)}
        self.items.append(Item(order, node.out, {"i": source}, outputs, self.depth > 0))

    def loop(self, loop: ir.Loop, repeats: int) -> None:
        """The body once; each state from Inject to Tap and back."""
        for scan in loop.scans:
            self.same(scan.inner, scan.outer, "Loop")
        for state in loop.states:
            self._inject(loop, state, repeats)
        self.depth += 1
        self.block(loop.body, repeats * loop.steps)
        self.depth -= 1
        for state in loop.states:
            self._tap(loop, state, repeats)
        for output in loop.scan_outputs:
            self.same(output.outer, output.inner, "Loop")

    def _inject(self, loop: ir.Loop, state: ir.LoopState, repeats: int) -> None:
        initial: tuple[int, ...] | None = None
        inputs: dict[str, str] = {}
        if isinstance(state.initial, ir.Tensor):
            if loop.steps == 1:
                self.same(state.inner, state.initial, "Loop")
                return
            inputs["init"] = self.find(state.initial, "Loop")
        else:
            values = np.broadcast_to(state.initial, state.inner.shape).reshape(-1)
            initial = tuple(int(v) for v in values)
        if loop.steps > 1:
            inputs["feedback"] = _feedback(state)
        spec = InjectSpec(loop.steps, state.inner, initial)
        out = self.new(state.inner, repeats * loop.steps)
        self.items.append(Item(spec, state.inner, inputs, {"o": out}, True))

    def _tap(self, loop: ir.Loop, state: ir.LoopState, repeats: int) -> None:
        if loop.steps == 1:
            if state.final is not None:
                self.same(state.final, state.update, "Loop")
            return
        back = _feedback(state)
        size = state.update.size
        self.streams[back] = Stream(
            ir.Tensor(back, state.update.shape, state.update.lo, state.update.hi),
            size * repeats * (loop.steps - 1),
        )
        outputs = {"feedback": back}
        if state.final is not None:
            outputs["final"] = self.new(state.final, repeats)
        spec = TapSpec(loop.steps, state.inner)
        source = self.find(state.update, "Loop")
        self.items.append(Item(spec, state.update, {"i": source}, outputs, True))


def _feedback(state: ir.LoopState) -> str:
    return f"{state.inner.name}~feedback"  # no tensor has such a name


def flatten(graph: ir.IntegerGraph) -> FlatGraph:
    """The graph's blocks, inlined.

    :raises ModelError: a node reads a tensor that is not of its block.
    """
    made = _Flattener()
    inputs = tuple(made.new(port.tensor, 1) for port in graph.inputs)
    made.block(graph.block, 1)
    outputs = tuple(made.find(port.tensor, "output") for port in graph.outputs)
    return FlatGraph(tuple(made.items), made.streams, inputs, outputs)
