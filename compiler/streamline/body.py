"""The body of a Scan as the streamliner walks it: slices in, next states and outputs back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from thresher.compiler.expr import constants, map_constants
from thresher.compiler.graph import Graph, Node
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.context import Context, Integers, scaled
from thresher.compiler.streamline.deferred import undeferred
from thresher.compiler.streamline.forms import power_of_two
from thresher.compiler.streamline.layout import move
from thresher.compiler.streamline.values import (
    Const,
    Lazy,
    Raw,
    Unknown,
    Value,
    shape_of,
    to_const,
)

__all__ = ["Body", "Interval", "State", "Walk"]

Walk = Callable[[Context, Graph], None]
Interval = tuple[int, int]


@dataclass(frozen=True)
class State:
    """A state whose scale is known.

    :param initial: int64 codes, an outer tensor, or the raw model input that the host converts.
    """

    shape: tuple[int, ...]
    scale: np.ndarray
    initial: Tensor | np.ndarray | Raw


class Body:
    """One Scan node in its context."""

    def __init__(self, context: Context, node: Node, walk: Walk) -> None:
        body, count = node.attrs["body"], node.attrs["num_scan_inputs"]
        assert isinstance(body, Graph)
        assert isinstance(count, int)
        self.context, self.node, self.walk, self.body = context, node, walk, body
        operands = [context.lookup(n) for n in node.inputs]
        self.count = len(operands) - count
        self.initial = operands[: self.count]
        self.scanned = [self._forward(k, v) for k, v in enumerate(operands[self.count :])]
        lengths = {shape_of(v)[0] for v in self.scanned}
        if len(lengths) != 1:
            raise context.error(
                f"its scan inputs must have one length, not {sorted(lengths)}", "check the model"
            )
        (self.steps,) = lengths

    def _forward(self, k: int, value: Value) -> Value:
        """The scan input with the scanned axis first and in forward order."""
        axis = self.ints("scan_input_axes")[k]
        value = move(self.context, value, lambda a: np.moveaxis(a, axis, 0))
        if self.ints("scan_input_directions")[k]:
            value = move(self.context, value, lambda a: a[::-1])
        return value

    def ints(self, name: str) -> tuple[int, ...]:
        values = self.node.attrs[name]
        assert isinstance(values, tuple)
        return values

    def walk_body(self, inner: Context, states: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        """Walk the body: (next states, scan outputs)."""
        slices = [self._slice(inner, v) for v in self.scanned]
        ports = [p.name for p in self.body.inputs]
        inner.env.update(zip(ports, [*states, *slices], strict=True))
        self.walk(inner, self.body)
        outputs = [inner.lookup(n) for n in self.body.outputs]
        return outputs[: self.count], outputs[self.count :]

    def _slice(self, inner: Context, value: Value) -> Value:
        """What one step sees of a scan input."""
        if isinstance(value, Unknown):
            return Unknown(value.shape[1:])
        constant = to_const(value)
        if constant is not None:
            if (constant.array == constant.array[:1]).all():
                return Const(constant.array[0])
            raise self.context.error(
                "a scan input is a constant that changes from step to step",
                "make it a model input",
            )
        assert isinstance(value, Lazy)
        if any(c.ndim and c.shape[0] > 1 for c in constants(value.expr)):
            integers = self.context.integers(value)
            if integers.scale.ndim and integers.scale.shape[0] > 1:
                raise self.context.error(
                    "the scale of a scan input changes from step to step", "share its quantiser"
                )
            assert isinstance(integers.tensor, Tensor)
            value = scaled(integers.tensor, integers.scale)
            assert isinstance(value, Lazy)
        expr = map_constants(value.expr, lambda c: c[0] if c.ndim else c)
        tensor = undeferred(self.context, value)
        if isinstance(tensor, Raw):
            if tensor.home is not None:
                raise self.context.error(
                    "a float input is scanned by a nested loop", "quantise it outside the loops"
                )
            return Lazy(Raw(tensor.source, tensor.index, inner), expr)
        assert isinstance(tensor, Tensor)
        return Lazy(inner.scan(tensor), expr)

    def aligned(self, context: Context, integers: Integers, scale: np.ndarray, what: str) -> Tensor:
        """The integers at another scale, which must be finer by a power of two at most."""
        shift = power_of_two(np.asarray(integers.scale / scale))
        if shift is None or shift.min() != shift.max() or shift.min() < 0:
            raise self.context.error(
                f"the {what} has scale {float(np.min(integers.scale)):.9g}, the state "
                f"{float(np.min(scale)):.9g}",
                "share one quantiser between the initial value and the end of the body",
            )
        assert isinstance(integers.tensor, Tensor)
        factor = np.array(1 << int(shift.flat[0]))
        return context.builder.binary("mul", integers.tensor, factor, name=context.hint)

    def inner_states(
        self, inner: Context, states: list[State], now: list[Interval]
    ) -> list[Tensor]:
        return [
            inner.builder.input(s.shape, lo, hi, name=p.name)
            for s, (lo, hi), p in zip(states, now, self.body.inputs, strict=False)
        ]

    def updates(
        self, inner: Context, states: list[State], tensors: list[Tensor]
    ) -> tuple[list[Tensor], list[Value]]:
        values: list[Value] = [scaled(t, s.scale) for t, s in zip(tensors, states, strict=True)]
        updates, outputs = self.walk_body(inner, values)
        found = []
        for k, (state, update) in enumerate(zip(states, updates, strict=True)):
            name = self.body.inputs[k].name
            if to_const(update) is not None:
                raise self.context.error(
                    f"state '{name}' is a constant after the first step", "drop the state"
                )
            with inner.at(self.node):
                integers = inner.integers(update)
                found.append(
                    self.aligned(inner, integers, state.scale, f"update of state '{name}'")
                )
            if found[-1].shape != state.shape:
                raise self.context.error(
                    f"state '{name}' starts with shape {state.shape} and goes on with "
                    f"{found[-1].shape}",
                    "check the initial value",
                )
        return found, outputs
