"""What a lowering rule sees: the call it lowers, and the scope it emits nodes into."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph, Node
from thresher.compiler.importer.ranks import infer_rank

__all__ = ["Call", "Names", "Scope"]


@dataclass(frozen=True)
class Call:
    """One node of the ONNX file, its inputs resolved and its attributes decoded."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, object]
    proto: onnx.NodeProto
    opset: int

    def error(self, rule: str, remedy: str) -> ModelError:
        """An error that blames this node."""
        return ModelError(self.name, self.op, rule, remedy)

    def input(self, position: int) -> str:
        """Name of an input; "" where it is absent."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass
class Names:
    """The names in a model, for making new ones.

    :param reserved: those in the file; a new name is none of them.
    """

    reserved: frozenset[str]
    taken: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)

    def new(self, wanted: str) -> str:
        """`wanted`, with a number behind it where the file or an earlier call has it."""
        name = wanted
        while name in self.reserved or name in self.taken:
            self.counts[wanted] = self.counts.get(wanted, 0) + 1
            name = f"{wanted}_{self.counts[wanted]}"
        self.taken.add(name)
        return name

    def claim(self, wanted: str) -> str:
        """`wanted` itself where it was not claimed before, else a new name like it."""
        if wanted in self.taken:
            return self.new(wanted)
        self.taken.add(wanted)
        return wanted

    def numbered(self, op: str) -> str:
        """A readable name for a node that has none: `MatMul_0`, `MatMul_1`, ..."""
        while True:
            number = self.counts.get(op, 0)
            self.counts[op] = number + 1
            name = f"{op}_{number}"
            if name not in self.reserved and name not in self.taken:
                return name


Subgraph = Callable[
    [onnx.GraphProto, Call, "Scope", Sequence[int | None]], tuple[Graph, list[int | None]]
]


class Scope:
    """The names of one graph while it is imported; a Scan body's scope has a parent.

    :param parent: the enclosing graph's scope, whose names are visible.
    :param tensors: names of all tensors of the model.
    :param node_names: names of all nodes of the model.
    :param subgraph: imports a body: `subgraph(proto, call, scope, ranks)`, with the ranks of the
        body's inputs; gives the Graph and the ranks of its outputs.
    """

    def __init__(
        self,
        parent: "Scope | None",
        tensors: Names,
        node_names: Names,
        subgraph: "Subgraph",
    ) -> None:
        self.parent = parent
        self.tensors = tensors
        self.node_names = node_names
        self.subgraph = subgraph
        self.constants: dict[str, np.ndarray] = {}
        self.nodes: list[Node] = []
        self.ranks: dict[str, int] = {}
        self._visible: dict[str, str] = {}  # name in the file -> name in the Graph
        self._withheld: dict[str, ModelError] = {}
        self._producers: dict[str, Node] = {}

    def resolve(self, name: str) -> str | None:
        """What a name of the file is called in the Graph; None where it is not defined.

        :raises ModelError: an output that `withhold` keeps back.
        """
        if name in self._visible:
            return self._visible[name]
        if name in self._withheld:
            raise self._withheld[name]
        return self.parent.resolve(name) if self.parent else None

    def defines(self, name: str) -> bool:
        """Whether this very graph (not its parent) defines a name of the file."""
        return name in self._visible

    def define(self, name: str) -> str:
        """Make a name of the file visible, under which the Graph knows it too."""
        self._visible[name] = name
        return name

    def alias(self, name: str, target: str) -> None:
        """Let a name of the file mean what `target`, a name of the Graph, means."""
        self._visible[name] = target

    def withhold(self, call: Call, remedy: str) -> None:
        """Leave all outputs of a call but the first undefined: an error if somebody uses one."""
        for name in filter(None, call.outputs[1:]):
            self._withheld[name] = call.error(f"its output '{name}' is used", remedy)

    def constant(self, name: str) -> np.ndarray | None:
        """The value of a constant here or in an enclosing graph; None for anything else."""
        if name in self.constants:
            return self.constants[name]
        return self.parent.constant(name) if self.parent else None

    def add_constant(self, hint: str, value: np.ndarray) -> str:
        """A new constant; returns its name."""
        name = self.tensors.new(hint)
        self.constants[name] = value
        return name

    def producer(self, name: str) -> Node | None:
        """The node of this graph that makes a tensor."""
        return self._producers.get(name)

    def rank(self, name: str) -> int | None:
        """Number of dimensions, where it is known."""
        value = self.constant(name)
        if value is not None:
            return int(value.ndim)
        if name in self.ranks:
            return self.ranks[name]
        return self.parent.rank(name) if self.parent else None

    def outputs(self, call: Call) -> tuple[str, ...]:
        """Define every output of a call; "" where one is absent."""
        return tuple(self.define(name) if name else "" for name in call.outputs)

    def emit(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attrs: Mapping[str, object] | None = None,
    ) -> None:
        """Append a node whose output names are already those of the Graph."""
        unique = self.node_names.claim(name)
        self._append(Node(op, unique, tuple(inputs), tuple(outputs), dict(attrs or {})))

    def step(
        self,
        op: str,
        call: Call,
        inputs: Sequence[str],
        attrs: Mapping[str, object] | None = None,
    ) -> str:
        """Append a helper node of a call; returns the name of its single, new output."""
        output = self.tensors.new(f"{call.outputs[0]}_{op}")
        name = self.node_names.new(f"{call.name}_{op}")
        self._append(Node(op, name, tuple(inputs), (output,), dict(attrs or {})))
        return output

    def _append(self, node: Node) -> None:
        self.nodes.append(node)
        for output in node.outputs:
            self._producers[output] = node
            rank = infer_rank(node, self.rank, self.constant)
            if output and output not in self.ranks and rank is not None:
                self.ranks[output] = rank
