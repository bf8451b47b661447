"""A block under construction: unique names, known bounds, equal nodes made once."""

from collections.abc import Callable, Sequence
from typing import Self

from thresher.compiler.integer import intervals
from thresher.compiler.integer.intervals import Bounds
from thresher.compiler.integer.ir import Node, Tensor

__all__ = ["Key", "Scope"]

Key = tuple[object, ...]


class Scope:
    """The nodes of one block so far, in topological order.

    :param parent: the scope of the enclosing block, whose names are shared.
    """

    def __init__(self, parent: "Scope | None" = None) -> None:
        self._used: dict[str, int] = {} if parent is None else parent._used
        self._nodes: list[Node] = []
        self._made: dict[Key, Node] = {}
        self._producer: dict[str, Node] = {}
        self._bounds: dict[str, Bounds] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes so far."""
        return tuple(self._nodes)

    def child(self) -> Self:
        """A builder for a loop's body; names are shared, nodes are not."""
        return type(self)(self)

    def fresh(self, hint: str) -> str:
        """A name nobody has: `hint`, or `hint` and a number."""
        count = self._used.get(hint, 0)
        name = hint if not count else f"{hint}_{count}"
        while count and name in self._used:
            count += 1
            name = f"{hint}_{count}"
        self._used[hint] = count + 1
        if name != hint:
            self._used[name] = 1
        return name

    def producer(self, x: Tensor) -> Node | None:
        """The node of this block that makes `x`; None for inputs."""
        return self._producer.get(x.name)

    def bounds(self, x: Tensor) -> Bounds:
        """Elementwise bounds of a tensor of this block."""
        return self._bounds.get(x.name) or intervals.of_tensor(x)

    def input(
        self,
        shape: Sequence[int],
        lo: int,
        hi: int,
        *,
        name: str | None = None,
        bounds: Bounds | None = None,
    ) -> Tensor:
        """A tensor that comes from outside the block.

        :param bounds: elementwise bounds within [lo, hi], where they are known.
        """
        if lo > hi:
            raise ValueError(f"interval must not be empty, not [{lo}, {hi}]")
        tensor = Tensor(self.fresh(name or "input"), tuple(map(int, shape)), int(lo), int(hi))
        if bounds is not None:
            self._bounds[tensor.name] = bounds
        return tensor

    def _tensor(self, hint: str, shape: tuple[int, ...], bounds: Bounds) -> Tensor:
        tensor = Tensor(self.fresh(hint), shape, bounds.lo, bounds.hi)
        self._bounds[tensor.name] = bounds
        return tensor

    def _register(self, node: Node, key: Key | None) -> None:
        self._nodes.append(node)
        if key is not None:
            self._made[key] = node
        for out in node.outputs:
            self._producer[out.name] = node

    def _add(
        self, key: Key, hint: str, shape: tuple[int, ...], bounds: Bounds,
        make: Callable[[Tensor], Node],
    ) -> Tensor:  # fmt: skip
        if key not in self._made:
            self._register(make(self._tensor(hint, shape, bounds)), key)
        return self._made[key].outputs[0]
