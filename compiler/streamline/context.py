"""One scope of the walk, and the two questions it answers: close this, give me integers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from thresher.compiler import analysis
from thresher.compiler import expr as ex
from thresher.compiler.errors import ModelError
from thresher.compiler.expr import Apply, Constant, Expr, Leaf
from thresher.compiler.graph import GraphInput, Node
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import InputPort, ScanInput, Tensor
from thresher.compiler.streamline.closing import Closing
from thresher.compiler.streamline.deferred import closed_before, undeferred
from thresher.compiler.streamline.forms import (
    ROUNDING_ERROR,
    inner_scales,
    offset_codes,
    split_integer,
)
from thresher.compiler.streamline.grid import codes_of
from thresher.compiler.streamline.ports import quantised_input
from thresher.compiler.streamline.steps import NotFinite, NotMonotone, find_steps
from thresher.compiler.streamline.values import (
    Codes,
    Const,
    Deferred,
    Lazy,
    Raw,
    Unknown,
    Value,
)

__all__ = ["Context", "Integers", "scaled"]

_TABULATE = 1 << 16


@dataclass(frozen=True)
class Integers:
    """The value scale * tensor.

    :param scale: float64, scalar or of the tensor's rank, broadcasts to its shape.
    """

    tensor: Tensor | Codes
    scale: np.ndarray


def scaled(tensor: Tensor | Codes, scale: np.ndarray) -> Lazy:
    """The pending value scale * tensor."""
    if np.all(scale == 1.0):
        return Lazy(tensor)
    scale = scale.reshape((1,) * (len(tensor.shape) - scale.ndim) + scale.shape)
    return Lazy(tensor, Apply("Scale", (Leaf(), Constant(scale))))


@dataclass(eq=False)
class Context:
    """A scope: the top graph or a loop body.

    :param builder: makes this scope's integer nodes.
    :param parent: the scope outside, None at the top.
    :param steps: of the loop, 0 at the top.
    :param inputs: the model's inputs (shared by all scopes).
    :param ports: input ports made so far (shared by all scopes).
    """

    builder: Builder
    inputs: Mapping[str, GraphInput]
    ports: dict[tuple[object, ...], InputPort]
    parent: "Context | None" = None
    steps: int = 0
    env: dict[str, Value] = field(default_factory=dict)
    scans: dict[str, ScanInput] = field(default_factory=dict)
    node: Node | None = None
    loop: str = ""
    closings: list[Closing] = field(default_factory=list)

    def child(self, steps: int, *, scratch: bool) -> "Context":
        """A loop body inside this scope; names made in a scratch body are not used up."""
        builder = Builder() if scratch else self.builder.child()
        inner = Context(builder, self.inputs, self.ports, self, steps)
        inner.loop = self.node.name if self.node else ""
        if not scratch:
            inner.closings = self.closings
        return inner

    @contextmanager
    def at(self, node: Node) -> Iterator[None]:
        """Errors raised inside name this node."""
        before, self.node = self.node, node
        yield
        self.node = before

    def error(self, rule: str, remedy: str) -> ModelError:
        """The error of this rule at the present node."""
        node = self.node
        name, op = (node.name, node.op) if node else ("graph", "Graph")
        return ModelError(name, op, rule, remedy)

    @property
    def hint(self) -> str:
        """A name for the tensor that the present node makes."""
        return self.node.outputs[0] if self.node and self.node.outputs else "t"

    def lookup(self, name: str) -> Value:
        """The value of a name here or outside; what comes from outside is repeated every step."""
        if name in self.env:
            return self.env[name]
        if self.parent is None:
            raise self.error(f"tensor '{name}' is not defined", "check the model with onnx.checker")
        value = self.parent.lookup(name)
        if isinstance(value, Lazy):
            value = self._captured(value)
        self.env[name] = value
        return value

    def _captured(self, value: Lazy) -> Lazy:
        tensor = undeferred(self, value)
        if isinstance(tensor, Codes):
            return value
        if isinstance(tensor, Raw):
            if tensor.home is not None:
                raise self.error(
                    "a float input is captured through two loops", "quantise it outside the loops"
                )
            index = np.broadcast_to(tensor.index, (self.steps, *tensor.index.shape))
            return Lazy(Raw(tensor.source, index, self), value.expr)
        assert self.parent is not None
        flat = np.arange(tensor.size).reshape(tensor.shape)
        index = np.broadcast_to(flat, (self.steps, *tensor.shape))
        repeated = self.parent.builder.reorder(tensor, index, name=f"{tensor.name}_repeated")
        return Lazy(self.scan(repeated), value.expr)

    def scan(self, outer: Tensor) -> Tensor:
        """The tensor that step t sees of ``outer[t]``."""
        if outer.name not in self.scans:
            assert self.parent is not None
            inner = self.parent.builder.scan_input(self.builder, outer)
            self.scans[outer.name] = ScanInput(outer, inner)
        return self.scans[outer.name].inner

    def close(self, value: Lazy) -> Lazy:
        """The integer tensor that holds the values of an integer-valued expression."""
        tensor, expr = value.tensor, value.expr
        if isinstance(tensor, Codes):
            return Lazy(Codes(np.rint(ex.evaluate(expr, tensor.array)).astype(np.int64)))
        if isinstance(tensor, Raw):
            return Lazy(quantised_input(self, tensor, expr))
        if isinstance(tensor, Deferred):
            return Lazy(closed_before(self, tensor, expr))
        expr, tensor = self._absorb_offset(expr, tensor)
        try:
            function, channel = find_steps(expr, tensor.lo, tensor.hi, tensor.shape)
        except NotMonotone as e:
            raise self.error(
                f"the step from '{tensor.name}' in [{tensor.lo}, {tensor.hi}] is not known to be "
                f"monotone and too wide to tabulate ({e})",
                "quantise its input to fewer bits, or use a monotone activation",
            ) from e
        except NotFinite as e:
            raise self.error(
                f"its value is not finite for some integer in [{tensor.lo}, {tensor.hi}]",
                "check scales and constants for zero, NaN and infinity",
            ) from e
        after = self.builder.step(tensor, function, channel, name=self.hint)
        self._record(expr, tensor, after)
        return Lazy(after)

    def _record(self, expr: Expr, before: Tensor, after: Tensor) -> None:
        node = self.node
        if node is None or not isinstance(expr, Apply) or expr.op != node.op:
            return
        codes = Apply(expr.op, (Leaf(), *expr.args[1:]), expr.attrs)
        self.closings.append(
            Closing(
                node.name, node.op, node.inputs[0], before, expr.args[0], codes, after, self.loop
            )
        )

    def record_greatest(self, found: "Integers", index: Tensor, axis: int, last: bool) -> None:
        """Remember where the present node sought the greatest of `found`."""
        node, tensor = self.node, found.tensor
        assert node is not None
        assert isinstance(tensor, Tensor)
        expr = scaled(tensor, found.scale).expr
        self.closings.append(
            Closing(
                node.name,
                node.op,
                node.inputs[0],
                tensor,
                expr,
                None,
                index,
                self.loop,
                axis,
                last,
                1 if float(found.scale.reshape(())) > 0 else -1,
            )  # fmt: skip
        )

    def place(self, tensor: Tensor, raw: Raw) -> Tensor:
        """The integer tensor of a port, laid out as `raw` is, seen from this scope."""
        if raw.home is None:
            return self.builder.reorder(tensor, raw.index, name=tensor.name)
        assert self.parent is not None
        return self.scan(self.parent.builder.reorder(tensor, raw.index, name=tensor.name))

    def absorbed(self, value: Lazy) -> Lazy:
        """The same value, with a per-channel offset on the integer grid done in integers."""
        if not isinstance(value.tensor, Tensor):
            return value
        expr, tensor = self._absorb_offset(value.expr, value.tensor)
        return Lazy(tensor, expr)

    def _absorb_offset(self, expr: Expr, tensor: Tensor) -> tuple[Expr, Tensor]:
        """Turn a per-channel offset that is a multiple of a common scale into an integer addend."""
        if isinstance(expr, Apply):
            found = analysis.affine(expr)
            if found is None or not np.any(found[0]):
                if not all(isinstance(a, Constant) for a in expr.args[1:]):
                    return expr, tensor
                inner, total = self._absorb_offset(expr.args[0], tensor)
                return Apply(expr.op, (inner, *expr.args[1:]), expr.attrs), total
            codes = offset_codes(*found)
            if codes is not None and codes.size > 1:
                total = self.builder.binary("add", tensor, codes, name=tensor.name)
                return scaled(total, found[0]).expr, total
        return expr, tensor

    def integers(self, value: Value) -> Integers:
        """The value as scale * integers, closing what must be closed.

        :raises ModelError: where no such form exists.
        """
        if isinstance(value, Const):
            found = codes_of(value.array)
            if found is None:
                raise self.error("a constant operand is not on an integer grid", "quantise it")
            return Integers(Codes(found[0]), found[1])
        if isinstance(value, Unknown):
            raise self.error("a loop state is used before its scale is known", "quantise the state")
        tensor = value.tensor
        if isinstance(tensor, Raw | Deferred):
            return self._raw_integers(value, tensor.source)
        linear = analysis.linear_scale(value.expr)
        if linear is not None:
            return Integers(tensor, linear)
        offset = analysis.affine(value.expr)
        if offset is not None and np.all(offset[0]):
            codes = offset_codes(*offset)
            if codes is not None:
                return Integers(self._add(tensor, codes), offset[0])
        split = split_integer(value.expr)
        if split is not None:
            inner, rebuild = split
            closed = self.close(Lazy(tensor, inner))
            return self.integers(Lazy(closed.tensor, rebuild))
        return self._tabulated(value)

    def _add(self, tensor: Tensor | Codes, codes: np.ndarray) -> Tensor | Codes:
        if isinstance(tensor, Codes):
            return Codes(tensor.array + codes)
        codes = codes.reshape((1,) * (len(tensor.shape) - codes.ndim) + codes.shape)
        return self.builder.binary("add", tensor, codes, name=self.hint)

    def _raw_integers(self, value: Lazy, source: str) -> Integers:
        split = split_integer(value.expr)
        if split is None:
            raise self.error(
                f"input '{source}' reaches it as float; an operand must be quantised",
                "insert a quantiser (QuantIdentity, QuantizeLinear or Quant) in front of it",
            )
        inner, rebuild = split
        closed = self.close(Lazy(value.tensor, inner))
        return self.integers(Lazy(closed.tensor, rebuild))

    def _tabulated(self, value: Lazy) -> Integers:
        """A small interval: every value is computed, and must be a multiple of an inner scale."""
        tensor, expr = value.tensor, value.expr
        if isinstance(tensor, Codes):
            return self.integers(Const(ex.evaluate(expr, tensor.array)))
        assert isinstance(tensor, Tensor)
        if tensor.hi - tensor.lo < _TABULATE:
            for scale in inner_scales(expr):
                units = Apply("Round", (Apply("Div", (expr, Constant(scale))),))
                wide = np.arange(tensor.lo, tensor.hi + 1).reshape((-1,) + (1,) * len(tensor.shape))
                values = ex.evaluate(expr, wide)
                steps = np.rint(values.astype(np.float64) / scale)
                if (np.abs(values - steps * scale) <= ROUNDING_ERROR * np.abs(values)).all():
                    return Integers(self.close(Lazy(tensor, units)).tensor, scale)  # type: ignore
        raise self.error(
            f"operand '{tensor.name}' is not a scale times integers",
            "put a quantiser behind the last activation, bias or per-channel offset",
        )
