"""Random legal integer graphs, loops included, inputs for them, and graphs of given ports."""

from collections.abc import Sequence

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort, Tensor
from thresher.rtl.stepfunction import StepFunction

__all__ = ["finish", "random_codes", "random_function", "random_graph"]

_WIDE = 1 << 16


def finish(b: Builder, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> IntegerGraph:
    """The graph with these ports."""
    return IntegerGraph(
        "graph",
        tuple(InputPort(x, x.name, "int64", None) for x in inputs),
        Block(b.nodes),
        tuple(OutputPort(f"out{k}", t, "int64", None) for k, t in enumerate(outputs)),
    )


def random_codes(
    graph: IntegerGraph, rng: np.random.Generator, count: int
) -> dict[str, np.ndarray]:
    """`count` samples for every input port, extremes included, by tensor name."""
    codes = {}
    for port in graph.inputs:
        x = port.tensor
        array = rng.integers(x.lo, x.hi + 1, (count, *x.shape))
        array[0], array[-1] = x.lo, x.hi
        codes[x.name] = array
    return codes


def random_function(
    rng: np.random.Generator,
    lo: int,
    hi: int,
    channels: int = 1,
    out: tuple[int, int] = (-8, 7),
    monotone: bool | None = None,
) -> StepFunction:
    """A step function on [lo, hi] with at most 20 thresholds a channel and values in `out`."""
    count = int(rng.integers(0, 21))
    thresholds = np.sort(rng.integers(lo, hi + 2, (channels, count)), axis=1)
    values = rng.integers(out[0], out[1] + 1, (channels, count + 1))
    if rng.random() < 0.6 if monotone is None else monotone:
        values = np.sort(values, axis=1)
        if rng.random() < 0.3:
            values = values[:, ::-1]
    return StepFunction(lo, hi, thresholds, values)


class _Grower:
    """Adds random nodes to a builder."""

    def __init__(self, rng: np.random.Generator, builder: Builder, pool: Sequence[Tensor]) -> None:
        self.rng, self.builder, self.pool = rng, builder, list(pool)

    def pick(self) -> Tensor:
        return self.pool[int(self.rng.integers(len(self.pool)))]

    def grow(self, count: int) -> None:
        ops = [self.matmul, self.add_constant, self.pair, self.step, self.move, self.join]
        for _ in range(count):
            x = self.pick()
            out = ops[int(self.rng.integers(len(ops)))](x)
            if out.hi - out.lo > _WIDE:
                out = self.step(out)
            self.pool.append(out)

    def matmul(self, x: Tensor) -> Tensor:
        rng, k = self.rng, x.shape[-1]
        outs = []
        for _ in range(int(rng.integers(1, 4))):
            n = int(rng.integers(1, 5))
            bias = rng.integers(-9, 10, n) if rng.random() < 0.5 else None
            outs.append(self.builder.matmul(x, rng.integers(-3, 4, (k, n)), bias))
        self.pool.extend(outs[1:])
        return outs[0]

    def add_constant(self, x: Tensor) -> Tensor:
        rng = self.rng
        shape = [d if rng.random() < 0.5 else 1 for d in x.shape]
        op = ["add", "sub", "mul"][int(rng.integers(3))]
        c = rng.integers(-5, 6, shape)
        shift = 0 if op == "mul" else int(rng.integers(0, 3))
        if rng.random() < 0.3:
            return self.builder.binary(op, c, x, shift_y=shift)
        return self.builder.binary(op, x, c, shift_x=shift)

    def pair(self, x: Tensor) -> Tensor:
        rng = self.rng
        same = [y for y in self.pool if y.shape == x.shape]
        y = same[int(rng.integers(len(same)))]
        op = ["add", "sub", "mul"][int(rng.integers(3))]
        shifts = (0, 0) if op == "mul" else (int(rng.integers(0, 3)), int(rng.integers(0, 3)))
        return self.builder.binary(op, x, y, *shifts)

    def step(self, x: Tensor) -> Tensor:
        rng = self.rng
        channel, channels = None, 1
        if rng.random() < 0.4:
            channels = int(rng.integers(2, 5))
            shape = [d if rng.random() < 0.5 else 1 for d in x.shape]
            channel = rng.integers(0, channels, shape)
        return self.builder.step(x, random_function(rng, x.lo, x.hi, channels), channel)

    def move(self, x: Tensor) -> Tensor:
        rng, index = self.rng, np.arange(x.size).reshape(x.shape)
        match int(rng.integers(5)):
            case 0:
                return self.builder.reshape(x, (1, x.size))
            case 1:
                return self.builder.reorder(x, index[..., ::-1])
            case 2:
                return self.builder.reorder(x, index[..., : int(rng.integers(1, x.shape[-1] + 1))])
            case 3:
                return self.builder.reorder(x, rng.integers(0, x.size, (1, 5)))
        return self.builder.reorder(x, np.swapaxes(index, 0, -1))

    def join(self, x: Tensor) -> Tensor:
        rng = self.rng
        if rng.random() < 0.3:
            last, k = bool(rng.integers(2)), int(rng.integers(1, x.shape[-1] + 1))
            k = 1 if last else k
            if rng.random() < 0.5:
                return self.builder.argmax(x, last, k=k)
            return self.builder.argmax(x, last, True, k)[int(rng.integers(2))]
        same = [y for y in self.pool if y.shape[:-1] == x.shape[:-1]]
        if sum(y.shape[-1] for y in same[:3]) > 12:
            return self.step(x)
        return self.builder.concat([x, *same[:2]], -1)

    def loop(self, nested: bool) -> None:
        rng, outer, steps = self.rng, self.builder, int(self.rng.integers(1, 5))
        body = outer.child()
        scans = []
        for _ in range(int(rng.integers(1, 3))):
            x = self.pick()
            if rng.random() < 0.7:
                last = x.shape[-1]
                index = rng.integers(0, x.size, (steps, 1, last))
                x = outer.reorder(x, index)
            else:
                x = outer.expand(x, (steps, *x.shape))
            scans.append((x, outer.scan_input(body, x)))
        states = []
        for _ in range(int(rng.integers(0, 3))):
            shape = (1, int(rng.integers(1, 4)))
            fitting = [t for t in self.pool if t.shape == shape and t.lo >= -8 and t.hi <= 7]
            constant = rng.integers(-8, 8, shape)
            states.append((fitting[0] if fitting else constant, body.input(shape, -8, 7)))
        inside = _Grower(rng, body, [i for _, i in scans] + [s for _, s in states])
        inside.grow(int(rng.integers(2, 8)))
        if nested and rng.random() < 0.3:
            inside.loop(False)
        made = []
        for initial, inner in states:
            x = inside.pick()
            index = rng.integers(0, x.size, inner.shape)
            update = body.reorder(x, index)
            if update.lo < -8 or update.hi > 7:
                update = body.step(update, random_function(rng, x.lo, x.hi))
            made.append((initial, inner, update, "final" if rng.random() < 0.6 else None))
        taken = [(inside.pick(), "taken") for _ in range(int(rng.integers(1, 4)))]
        node = outer.loop(steps, body, scans, made, taken)
        self.pool.extend(node.outputs)


def random_graph(seed: int, loops: int = 1, nodes: int = 6) -> IntegerGraph:
    """A legal graph with up to three inputs, `loops` loops and some three times `nodes` nodes."""
    rng = np.random.default_rng(seed)
    builder = Builder()
    ports = []
    for i in range(int(rng.integers(1, 4))):
        shape = [(1, 3), (1, 4), (2, 3), (3, 1, 2)][int(rng.integers(4))]
        lo, hi = [(-8, 7), (0, 15), (-100, 120), (-1, 1)][int(rng.integers(4))]
        x = builder.input(shape, lo, hi, name=f"x{i}")
        ports.append(InputPort(x, f"in{i}", "int64", None))
    grower = _Grower(rng, builder, [p.tensor for p in ports])
    grower.grow(nodes)
    for _ in range(loops):
        grower.loop(True)
        grower.grow(nodes // 2)
    wanted = [grower.pool[-1], *(grower.pick() for _ in range(int(rng.integers(1, 4))))]
    outputs = tuple(OutputPort(f"out{i}", t, "int64", None) for i, t in enumerate(wanted))
    return IntegerGraph("random", tuple(ports), Block(builder.nodes), outputs)
