"""Small integer graphs, one function per structure that the scheduler must know; all by name."""

from collections.abc import Callable

import numpy as np
from graphparts import Rng, quantise, weights
from loopgraphs import (
    bidirectional,
    delay,
    gates,
    last_only,
    lstm,
    nested,
    one_step,
    rnn,
    rnn_last,
    stacked,
)

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.passes.driver import optimise
from zoo.integer_graphs import finish

__all__ = ["GRAPHS", "mlp", "mlp_rows", "transpose"]


Maker = Callable[[Rng], IntegerGraph]


def mlp(rng: Rng) -> IntegerGraph:
    """Two layers, thresholds per channel, the greatest at the end."""
    b = Builder()
    x = b.input((1, 6), -8, 7, name="x")
    h = quantise(b, rng, b.matmul(x, weights(rng, 6, 8), rng.integers(-9, 9, 8)), 0, 7, True)
    y = b.matmul(h, weights(rng, 8, 4))
    return finish(b, [x], [b.argmax(y)])


def mlp_rows(rng: Rng) -> IntegerGraph:
    """A layer on each of several rows."""
    b = Builder()
    x = b.input((1, 3, 6), -8, 7, name="x")
    h = quantise(b, rng, b.matmul(x, weights(rng, 6, 4)), -4, 3, True)
    return finish(b, [x], [b.reshape(h, (1, 12))])


def residual(rng: Rng) -> IntegerGraph:
    """Paths of unequal length that meet."""
    b = Builder()
    x = b.input((1, 8), -8, 7, name="x")
    h = quantise(b, rng, b.matmul(x, weights(rng, 8, 8)), -8, 7)
    h = quantise(b, rng, b.matmul(h, weights(rng, 8, 8)), -8, 7)
    y = quantise(b, rng, b.binary("add", h, x, 1, 0), -8, 7)
    return finish(b, [x], [y])


def products(rng: Rng) -> IntegerGraph:
    """Elementwise with constants per channel, per tensor and with itself; two outputs."""
    b = Builder()
    x = b.input((1, 2, 6), -8, 7, name="x")
    y = b.binary("mul", x, rng.integers(-3, 4, (1, 1, 6)))
    z = b.binary("sub", 5, y)
    z = b.binary("mul", quantise(b, rng, z, -4, 3), quantise(b, rng, x, 0, 3))
    w = quantise(b, rng, b.binary("mul", x, x), 0, 3)
    return finish(b, [x], [z, b.binary("add", w, z, 2, 1)])


def split_concat(rng: Rng) -> IntegerGraph:
    """Parts of one tensor, some of it unused, put together in another order."""
    b = Builder()
    x = b.input((1, 6), -8, 7, name="x")
    y = quantise(b, rng, b.matmul(x, weights(rng, 6, 16)), -8, 7)
    parts = [b.reorder(y, np.arange(4 * k, 4 * k + 4).reshape(1, 4)) for k in (2, 0, 3)]
    return finish(b, [x], [b.concat([*parts, parts[0]], 1)])


def transpose(rng: Rng) -> IntegerGraph:
    """Orders that need a memory, and one that needs none."""
    b = Builder()
    x = b.input((1, 4, 6), -8, 7, name="x")
    index = np.arange(24).reshape(4, 6)
    rows = b.reorder(x, index[::-1][None])
    columns = quantise(b, rng, b.reorder(rows, index.T[None]), -4, 3)
    odd = b.reorder(x, index[1::2, ::2][None])
    return finish(b, [x], [columns, odd])


def broadcast(rng: Rng) -> IntegerGraph:
    """One row added to several."""
    b = Builder()
    x = b.input((1, 3, 4), -8, 7, name="x")
    y = b.input((1, 1, 4), -2, 1, name="y")
    return finish(b, [x, y], [b.binary("add", x, y)])


def wires(rng: Rng) -> IntegerGraph:
    """An input nobody reads, one that is an output, and one output twice."""
    b = Builder()
    x = b.input((1, 4), -8, 7, name="input")
    y = b.input((1, 4), 0, 3, name="y")
    z = b.input((1, 2), 0, 3, name="2 z")
    h = b.matmul(x, weights(rng, 4, 2))
    return finish(b, [x, y, z], [h, z, h])


GRAPHS: dict[str, Maker] = {
    "mlp": mlp,
    "mlp_rows": mlp_rows,
    "residual": residual,
    "products": products,
    "split_concat": split_concat,
    "transpose": transpose,
    "broadcast": broadcast,
    "wires": wires,
    "rnn": rnn,
    "rnn_constant": lambda rng: rnn(rng, "constant"),
    "rnn_input": lambda rng: rnn(rng, "input", final=True),
    "rnn_last": rnn_last,
    "lstm": lstm,
    "gates_hoisted": lambda rng: optimise(gates(rng)),
    "gates_joined": lambda rng: optimise(gates(rng), join=True),
    "stacked": stacked,
    "bidirectional": bidirectional,
    "delay": delay,
    "one_step": one_step,
    "last_only": last_only,
    "nested": nested,
}
