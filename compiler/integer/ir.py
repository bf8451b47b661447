"""The integer graph: what is left when the floats are threshed out.

Shapes are those of the model for one sample, batch axis (of 1) included; nodes stand in topological
order; every tensor carries the interval that its elements provably stay in. Floats appear at the
two edges only: `InputPort.quantise` and `OutputPort.dequantise`, both run by the host. Nodes that
only images have are in `images`, the edges in `edges`; all are to be imported from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.edges import InputPort, OutputPort
from thresher.compiler.integer.images import GroupedMatMul, Reduce, Repeat, Window
from thresher.compiler.integer.tensor import OneOutput, Reshape, Tensor, Unary
from thresher.rtl.stepfunction import StepFunction

__all__ = [
    "ArgMax",
    "Binary",
    "Block",
    "Concat",
    "GroupedMatMul",
    "InputPort",
    "IntegerGraph",
    "Loop",
    "LoopState",
    "MatMul",
    "Node",
    "OutputPort",
    "Reduce",
    "Reorder",
    "Repeat",
    "Reshape",
    "ScanInput",
    "ScanOutput",
    "Step",
    "Tensor",
    "Window",
]


@dataclass(frozen=True, eq=False)
class MatMul(Unary):
    """out[..., n] = sum_k x[..., k] * weights[k, n] + bias[n].

    :param weights: int64 (K, N).
    :param bias: int64 (N,), or None.
    """

    x: Tensor
    weights: np.ndarray
    bias: np.ndarray | None
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,)


@dataclass(frozen=True, eq=False)
class Binary(OneOutput):
    """out = (x << shift_x) op (y << shift_y), elementwise; op is "add", "sub" or "mul".

    Tensors have the shape of `out`; a constant (int64) has its rank and broadcasts to it. At least
    one of `x` and `y` is a Tensor. Shifts of constants are 0, and of "mul" both are.
    """

    op: str
    x: Tensor | np.ndarray
    y: Tensor | np.ndarray
    shift_x: int
    shift_y: int
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(t for t in (self.x, self.y) if isinstance(t, Tensor))


@dataclass(frozen=True, eq=False)
class Step(Unary):
    """out = function(x), element by element.

    :param channel: the function's channel of each element: int64 of x's rank that broadcasts to
        its shape; None where all elements share one channel.
    """

    x: Tensor
    function: StepFunction
    channel: np.ndarray | None
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,)


@dataclass(frozen=True, eq=False)
class Reorder(Unary):
    """out.flat[j] = x.flat[index.flat[j]]: transpose, slice, gather, reverse, repeat.

    :param index: int64 of out's shape.
    """

    x: Tensor
    index: np.ndarray
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,)


@dataclass(frozen=True, eq=False)
class Concat(OneOutput):
    """The `xs` one after the other along `axis` (not negative)."""

    xs: tuple[Tensor, ...]
    axis: int
    out: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self.xs


@dataclass(frozen=True, eq=False)
class ArgMax:
    """Indices of the k greatest elements along the last axis of x, the greatest first.

    k is the last dimension of `out`, and at most that of x.

    :param last: of equal elements take the last instead of the first; False where k > 1.
    :param value: also give the elements themselves, or None.
    """

    x: Tensor
    last: bool
    out: Tensor
    value: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.out,) if self.value is None else (self.out, self.value)


@dataclass(frozen=True)
class ScanInput:
    """Step t of the loop sees ``outer[t]`` as `inner`."""

    outer: Tensor
    inner: Tensor


@dataclass(frozen=True, eq=False)
class LoopState:
    """A state: `inner` at step t + 1 is `update` of step t.

    :param initial: before step 0: a tensor outside, or an int64 constant of the state's shape.
    :param final: `update` of the last step, outside; None where nobody wants it.
    """

    initial: Tensor | np.ndarray
    inner: Tensor
    update: Tensor
    final: Tensor | None


@dataclass(frozen=True)
class ScanOutput:
    """``outer[t]`` is `inner` of step t."""

    inner: Tensor
    outer: Tensor


@dataclass(frozen=True, eq=False)
class Loop:
    """`steps` times the body, along the leading axis of its scan inputs and outputs."""

    steps: int
    scans: tuple[ScanInput, ...]
    states: tuple[LoopState, ...]
    body: "Block"
    scan_outputs: tuple[ScanOutput, ...]
    name: str

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        initial = tuple(s.initial for s in self.states if isinstance(s.initial, Tensor))
        return tuple(s.outer for s in self.scans) + initial

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        finals = tuple(s.final for s in self.states if s.final is not None)
        return finals + tuple(s.outer for s in self.scan_outputs)


Node = (
    MatMul | Binary | Step | Reshape | Reorder | Concat | ArgMax | Loop
    | Window | GroupedMatMul | Reduce | Repeat
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Nodes in topological order."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


@dataclass(frozen=True)
class IntegerGraph:
    """A whole network on integers, between input and output ports."""

    name: str
    inputs: tuple[InputPort, ...]
    block: Block
    outputs: tuple[OutputPort, ...]
