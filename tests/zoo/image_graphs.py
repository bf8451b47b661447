"""Random legal integer graphs of images: windows, products, reductions, turned axes, loops."""

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort, Tensor
from zoo.integer_graphs import random_function

__all__ = ["random_image_graph"]

_WIDE = 1 << 12
_MOST = 400  # elements of a tensor


class _Images:
    """Adds random nodes; tensors of `pool` are (..., H, W, C)."""

    def __init__(self, rng: np.random.Generator, builder: Builder, pool: list[Tensor]) -> None:
        self.rng, self.b, self.pool = rng, builder, pool

    def some(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pair(self, low: int, high: int) -> tuple[int, int]:
        return self.some(low, high), self.some(low, high)

    def divisor(self, n: int) -> int:
        return int(self.rng.choice([d for d in range(1, n + 1) if n % d == 0]))

    def grow(self, count: int) -> None:
        ops = [
            self.window, self.window, self.matmul, self.grouped, self.reduce, self.repeat,
            self.step, self.add, self.turn, self.cut, self.join,
        ]  # fmt: skip
        while count:
            made = ops[self.some(0, len(ops) - 1)](self.pool[self.some(0, len(self.pool) - 1)])
            if made.size > _MOST:
                continue
            if made.hi - made.lo > _WIDE:
                made = self.step(made)
            self.pool.append(made)
            count -= 1

    def window(self, x: Tensor) -> Tensor:
        size = x.shape[-3:-1]
        kernel = (self.some(1, min(3, size[0])), self.some(1, min(3, size[1])))
        pads = (*self.pair(0, 2), *self.pair(0, 2)) if self.some(0, 1) else (0, 0, 0, 0)
        dilations = self.pair(1, 2) if min(pads) > 0 else (1, 1)
        return self.b.window(
            x, kernel, strides=self.pair(1, 2), dilations=dilations, pads=pads,
            upsample=self.pair(1, 2) if self.some(0, 2) == 0 else (1, 1),
            groups=self.divisor(x.shape[-1]), fill=self.some(-9, 9),
        )  # fmt: skip

    def matmul(self, x: Tensor) -> Tensor:
        weights = self.rng.integers(-3, 4, (x.shape[-1], self.some(1, 4)))
        return self.b.matmul(x, weights, self.bias(weights.shape[1]))

    def bias(self, width: int) -> np.ndarray | None:
        return self.rng.integers(-9, 10, width) if self.some(0, 1) else None

    def grouped(self, x: Tensor) -> Tensor:
        groups = self.divisor(x.shape[-1])
        weights = self.rng.integers(-3, 4, (groups, x.shape[-1] // groups, self.some(1, 2)))
        return self.b.grouped_matmul(x, weights, self.bias(groups * weights.shape[2]))

    def reduce(self, x: Tensor) -> Tensor:
        *lead, height, width, channels = x.shape
        op = "max" if self.some(0, 1) else "sum"
        shape = [(height, 1, width, channels), (height, width, 1, self.divisor(channels))]
        picked = shape[self.some(0, 1)]
        rows = (*lead, *picked[:-1], x.size // int(np.prod(lead)) // int(np.prod(picked)))
        return self.b.reduce(op, self.b.reshape(x, (*rows, picked[-1])))  # type: ignore[arg-type]

    def repeat(self, x: Tensor) -> Tensor:
        return self.b.repeat(x, self.some(1, 3), self.some(1, 2))

    def step(self, x: Tensor) -> Tensor:
        channels, channel = 1, None
        if self.some(0, 1):
            channels = x.shape[-1]
            channel = np.arange(channels)
        return self.b.step(x, random_function(self.rng, x.lo, x.hi, channels), channel)

    def add(self, x: Tensor) -> Tensor:
        same = [x, *(y for y in self.pool if y.shape == x.shape)]
        if self.some(0, 1):
            return self.b.binary("add", x, self.rng.integers(-5, 6, x.shape[-1:]), self.some(0, 1))
        return self.b.binary("sub", x, same[self.some(0, len(same) - 1)], 0, self.some(0, 1))

    def turn(self, x: Tensor) -> Tensor:
        """A turned image, as it is or with something elementwise behind it."""
        order = (*range(len(x.shape) - 3), *(len(x.shape) - 3 + self.rng.permutation(3)))
        made = self.b.reorder(x, np.arange(x.size).reshape(x.shape).transpose(order))
        return [lambda y: y, self.step, self.add][self.some(0, 2)](made)

    def cut(self, x: Tensor) -> Tensor:
        """A slice of a turned image."""
        axis = len(x.shape) - self.some(1, 3)
        index = np.moveaxis(np.arange(x.size).reshape(x.shape), -1, -3)
        first = self.some(0, index.shape[axis] - 1)
        return self.b.reorder(x, np.take(index, range(first, index.shape[axis]), axis))

    def join(self, x: Tensor) -> Tensor:
        axis = len(x.shape) - self.some(1, 3)

        def rest(y: Tensor) -> tuple[int, ...]:
            return y.shape[:axis] + y.shape[axis + 1 :]

        same = [y for y in self.pool if len(y.shape) == len(x.shape) and rest(y) == rest(x)]
        return self.b.concat([x, same[self.some(0, len(same) - 1)]], axis)

    def loop(self) -> None:
        """Steps over the rows of one image, or over a few images; the state is an image too."""
        b, x = self.b, self.pool[self.some(0, len(self.pool) - 1)]
        steps = self.some(2, 3)
        index = self.rng.integers(0, x.size, (steps, 1, 3, 2, 2))
        outer = b.reorder(x, index)
        body = b.child()
        now, state = b.scan_input(body, outer), body.input((1, 2, 2, 3), -8, 7)
        inside = _Images(self.rng, body, [now, state])
        inside.grow(self.some(3, 8))
        last = inside.pool[-1]
        update = body.reorder(last, self.rng.integers(0, last.size, (1, 3, 2, 2)))
        if self.some(0, 1):
            update = body.reorder(update, np.arange(12).reshape(1, 3, 2, 2).transpose(0, 2, 3, 1))
        else:
            update = body.reshape(update, (1, 2, 2, 3))
        update = body.step(update, random_function(self.rng, update.lo, update.hi))
        turned = np.arange(12).reshape(1, 2, 2, 3).transpose(0, 3, 1, 2)
        outputs = [(inside.pool[-1], "taken"), (body.reorder(update, turned), "turned")]
        start = self.rng.integers(-8, 8, (1, 2, 2, 3))
        made = b.loop(steps, body, [(outer, now)], [(start, state, update, "final")], outputs)
        self.pool += [t for t in made.outputs if len(t.shape) >= 3]


def random_image_graph(seed: int, loop: bool = False, nodes: int = 8) -> IntegerGraph:
    """A legal graph of images with one or two inputs, and with `loop` a loop over some."""
    rng = np.random.default_rng(seed)
    builder = Builder()
    ports = []
    for i in range(int(rng.integers(1, 3))):
        shape = [(1, 4, 3, 2), (1, 1, 6, 3), (2, 3, 3, 1), (5, 4, 2), (1, 3, 4, 4)][rng.integers(5)]
        lo, hi = [(-8, 7), (0, 15), (3, 9)][rng.integers(3)]
        x = builder.input(shape, lo, hi, name=f"x{i}")
        ports.append(InputPort(x, f"in{i}", "int64", None))
    made = _Images(rng, builder, [p.tensor for p in ports])
    made.grow(nodes)
    if loop:
        made.loop()
        made.grow(3)
    wanted = [made.pool[-1], made.pool[int(rng.integers(len(made.pool)))], made.pool[-2]]
    outputs = tuple(OutputPort(f"out{i}", t, "int64", None) for i, t in enumerate(wanted))
    return IntegerGraph("images", tuple(ports), Block(builder.nodes), outputs)
