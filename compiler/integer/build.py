"""The one way to make nodes of an integer graph: names, intervals, normal forms and sharing."""

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np

from thresher.compiler.integer import intervals
from thresher.compiler.integer.arrays import compact, digest, ints, ranked
from thresher.compiler.integer.build_images import ImageBuilder
from thresher.compiler.integer.intervals import ACCUMULATOR_BITS, Bounds
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Block,
    Concat,
    Loop,
    LoopState,
    MatMul,
    Reorder,
    Reshape,
    ScanInput,
    ScanOutput,
    Step,
    Tensor,
)
from thresher.compiler.integer.overflow import fit, too_wide
from thresher.compiler.integer.steps import is_identity, narrowed
from thresher.rtl.stepfunction import StepFunction

__all__ = ["Builder"]


class Builder(ImageBuilder):
    """Collects the nodes of one block in topological order.

    Every method returns the tensor that holds the result: a new node's output, or a tensor that
    exists already where an equal node does or where nothing is left to do. `name` is a hint; names
    are made unique over the builder and all its children.

    :param parent: the builder of the enclosing block, whose names are shared.
    """

    def matmul(
        self, x: Tensor, weights: np.ndarray, bias: np.ndarray | None = None, *,
        name: str | None = None,
    ) -> Tensor:  # fmt: skip
        """``x @ weights + bias``: x (..., K), weights (K, N), bias (N,) -> (..., N).

        :raises ModelError: the accumulator would need more than 62 bits.
        """
        weights = ints(weights)
        if weights.ndim != 2 or not x.shape or x.shape[-1] != weights.shape[0]:
            raise ValueError(f"weights must be ({x.shape[-1:]}, N), not {weights.shape}")
        if bias is not None:
            bias = ints(bias).reshape(-1)
            if bias.shape != weights.shape[1:]:
                raise ValueError(f"bias must be {weights.shape[1:]}, not {bias.shape}")
            bias = bias if bias.any() else None
        hint = name or "matmul"
        bounds = fit(hint, "MatMul", lambda: intervals.of_matmul(self.bounds(x), weights, bias))
        key = ("matmul", x.name, digest(weights), digest(bias))
        shape = x.shape[:-1] + weights.shape[1:]
        return self._add(key, hint, shape, bounds, lambda t: MatMul(x, weights, bias, t))

    def binary(
        self, op: str, x: Tensor | np.ndarray | int, y: Tensor | np.ndarray | int,
        shift_x: int = 0, shift_y: int = 0, *, name: str | None = None,
    ) -> Tensor:  # fmt: skip
        """``(x << shift_x) op (y << shift_y)`` with broadcasting; op is "add", "sub" or "mul".

        Tensors are expanded to the shape of the result; shifts of constants are carried out.

        :raises ModelError: the result would need more than 62 bits.
        """
        a = x if isinstance(x, Tensor) else ints(x)
        b = y if isinstance(y, Tensor) else ints(y)
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            raise ValueError("x or y must be a tensor, not two constants")
        if min(shift_x, shift_y) < 0 or (op == "mul" and (shift_x or shift_y)):
            raise ValueError(f"shifts of {op} must fit, not {shift_x} and {shift_y}")
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, shift_x = self._operand(a, shape, shift_x)
        b, shift_y = self._operand(b, shape, shift_y)
        neutral = _neutral(op, a, b, shift_x, shift_y)
        if neutral is not None:
            return neutral
        hint = name or op
        ba, bb = self._bounds_of(a), self._bounds_of(b)
        same = isinstance(a, Tensor) and isinstance(b, Tensor) and a == b
        bounds = fit(hint, op, lambda: intervals.of_binary(op, ba, bb, shift_x, shift_y, same))
        sides = [(_operand_key(a), shift_x), (_operand_key(b), shift_y)]
        key = ("binary", op, *(sides if op == "sub" else sorted(sides, key=repr)))
        return self._add(key, hint, shape, bounds, lambda t: Binary(op, a, b, shift_x, shift_y, t))

    def step(
        self, x: Tensor, function: StepFunction, channel: np.ndarray | None = None, *,
        name: str | None = None,
    ) -> Tensor:  # fmt: skip
        """``function(x)``, minimal on x's interval; x itself where that is the identity.

        :param channel: channel of each element, broadcasts to x's shape; None: all channel 0.
        """
        if not function.lo <= x.lo <= x.hi <= function.hi:
            raise ValueError(
                f"function must cover [{x.lo}, {x.hi}], not [{function.lo}, {function.hi}]"
            )
        if channel is not None:
            channel = compact(ranked(ints(channel), x.shape))
        function, channel = narrowed(function, channel, x.lo, x.hi)
        if is_identity(function):
            return x
        bounds = intervals.of_step(self.bounds(x), function, channel)
        key = ("step", x.name, function, digest(channel))
        return self._add(
            key, name or "step", x.shape, bounds, lambda t: Step(x, function, channel, t)
        )

    def reorder(self, x: Tensor, index: np.ndarray, *, name: str | None = None) -> Tensor:
        """``x.flat[index]``, of index's shape; looks through reshapes and reorders."""
        index = ints(index)
        if index.size and not 0 <= index.min() <= index.max() < x.size:
            raise ValueError(f"index must be in [0, {x.size}), not up to {index.max()}")
        x, index = self._traced(x, index)
        if index.size == x.size and (index.reshape(-1) == np.arange(x.size)).all():
            return self.reshape(x, index.shape, name=name)
        bounds = intervals.of_reorder(self.bounds(x), x.shape, index)
        key = ("reorder", x.name, digest(index))
        return self._add(
            key, name or "reorder", index.shape, bounds, lambda t: Reorder(x, index, t)
        )

    def in_order(self, x: Tensor, index: np.ndarray) -> bool:
        """Whether `reorder` would move nothing."""
        x, index = self._traced(x, index)
        return index.size == x.size and bool((index.reshape(-1) == np.arange(x.size)).all())

    def _traced(self, x: Tensor, index: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """What ``x.flat[index]`` is in a tensor that no Reshape or Reorder makes."""
        made = self.producer(x)
        while isinstance(made, Reshape | Reorder):
            if isinstance(made, Reorder):
                index = made.index.reshape(-1)[index]
            x = made.x
            made = self.producer(x)
        return x, index

    def expand(self, x: Tensor, shape: Sequence[int], *, name: str | None = None) -> Tensor:
        """`x` broadcast to `shape`, as NumPy does."""
        index = np.broadcast_to(np.arange(x.size).reshape(x.shape), tuple(shape))
        return self.reorder(x, index, name=name)

    def concat(self, xs: Sequence[Tensor], axis: int, *, name: str | None = None) -> Tensor:
        """The tensors one after the other along `axis`."""
        rank = len(xs[0].shape)
        axis = axis + rank if axis < 0 else axis
        rest = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs}
        if len(rest) > 1 or any(len(x.shape) != rank for x in xs) or not 0 <= axis < rank:
            raise ValueError(f"shapes must agree but for axis {axis}, not {[x.shape for x in xs]}")
        if len(xs) == 1:
            return xs[0]
        shapes = [x.shape for x in xs]
        bounds = intervals.of_concat([self.bounds(x) for x in xs], shapes, axis)
        total = sum(s[axis] for s in shapes)
        shape = shapes[0][:axis] + (total,) + shapes[0][axis + 1 :]
        key = ("concat", axis, *(x.name for x in xs))
        return self._add(key, name or "concat", shape, bounds, lambda t: Concat(tuple(xs), axis, t))

    @overload
    def argmax(
        self, x: Tensor, last: bool = ..., value: Literal[False] = ..., k: int = ..., *,
        name: str | None = ...,
    ) -> Tensor: ...  # fmt: skip

    @overload
    def argmax(
        self, x: Tensor, last: bool, value: Literal[True], k: int = ..., *,
        name: str | None = ...,
    ) -> tuple[Tensor, Tensor]: ...  # fmt: skip

    def argmax(
        self, x: Tensor, last: bool = False, value: bool = False, k: int = 1, *,
        name: str | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        """Indices of the k greatest elements along the last axis (..., k); with `value`, both."""
        if not 1 <= k <= x.shape[-1] or (last and k > 1):
            raise ValueError(f"k must be 1 or, of first elements, up to {x.shape[-1]}, not {k}")
        key = ("argmax", x.name, last, k)
        made = self._made.get((*key, True)) or self._made.get((*key, value))
        if not isinstance(made, ArgMax):
            index, greatest = intervals.of_argmax(self.bounds(x), x.shape[-1], k)
            shape = x.shape[:-1] + (k,)
            best = self._tensor(f"{name or 'argmax'}_value", shape, greatest) if value else None
            out = self._tensor(name or "argmax", shape, index)
            made = ArgMax(x, last, out, best)
            self._register(made, (*key, value))
        if not value:
            return made.out
        assert made.value is not None
        return made.out, made.value

    def loop(
        self,
        steps: int,
        body: "Builder",
        scans: Sequence[tuple[Tensor, Tensor]],
        states: Sequence[tuple[Tensor | np.ndarray, Tensor, Tensor, str | None]],
        outputs: Sequence[tuple[Tensor, str]],
        *,
        name: str | None = None,
    ) -> Loop:
        """A loop; its tensors outside are `states[i].final` and `scan_outputs[j].outer`.

        :param body: a child of this builder that holds the body.
        :param scans: (outer, inner) each.
        :param states: (initial, inner, update, name hint of final or None) each; the interval of
            `inner` must hold those of `initial` and `update`.
        :param outputs: (inner, name hint of outer) each.
        """
        made = []
        for initial, inner, update, final in states:
            start = initial if isinstance(initial, Tensor) else ints(initial)
            for what, b in (("initial", self._bounds_of(start)), ("update", body.bounds(update))):
                if b.lo < inner.lo or b.hi > inner.hi:
                    raise ValueError(
                        f"state {inner.name!r} must hold its {what}, "
                        f"not [{inner.lo}, {inner.hi}] for [{b.lo}, {b.hi}]"
                    )
            out = self._tensor(final, update.shape, body.bounds(update)) if final else None
            made.append(LoopState(start, inner, update, out))
        outers = []
        for inner, hint in outputs:
            bounds = intervals.stacked(body.bounds(inner))
            outers.append(ScanOutput(inner, self._tensor(hint, (steps, *inner.shape), bounds)))
        node = Loop(
            steps,
            tuple(ScanInput(outer, inner) for outer, inner in scans),
            tuple(made),
            Block(body.nodes),
            tuple(outers),
            self.fresh(name or "loop"),
        )
        self._register(node, None)
        return node

    def scan_input(self, body: "Builder", outer: Tensor, *, name: str | None = None) -> Tensor:
        """The tensor inside `body` that sees ``outer[t]`` at step t."""
        bounds = intervals.unstacked(self.bounds(outer))
        return body.input(
            outer.shape[1:], bounds.lo, bounds.hi, name=name or f"{outer.name}_t", bounds=bounds
        )

    def _bounds_of(self, x: Tensor | np.ndarray) -> Bounds:
        return self.bounds(x) if isinstance(x, Tensor) else intervals.of_constant(x)

    def _operand(
        self, x: Tensor | np.ndarray, shape: tuple[int, ...], shift: int
    ) -> tuple[Tensor | np.ndarray, int]:
        if isinstance(x, Tensor):
            return (x if x.shape == shape else self.expand(x, shape)), shift
        array = compact(ranked(x, shape))
        if array.size and int(np.abs(array).max()) << shift >= 1 << (ACCUMULATOR_BITS - 1):
            raise too_wide("constant", "Binary", f"{np.abs(array).max()} << {shift}")
        return array << shift, 0


def _operand_key(x: Tensor | np.ndarray) -> object:
    return x.name if isinstance(x, Tensor) else digest(x)


def _neutral(
    op: str, x: Tensor | np.ndarray, y: Tensor | np.ndarray, shift_x: int, shift_y: int
) -> Tensor | None:
    """The operand that the result equals: x + 0, 0 + x, x - 0, x * 1, 1 * x."""
    unit = 1 if op == "mul" else 0
    if isinstance(x, Tensor) and not isinstance(y, Tensor):
        return x if not shift_x and (y == unit).all() else None
    if isinstance(y, Tensor) and not isinstance(x, Tensor) and op != "sub":
        return y if not shift_y and (x == unit).all() else None
    return None
