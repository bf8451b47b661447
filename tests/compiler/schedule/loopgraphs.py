"""Small integer graphs with loops, one function per structure."""

import numpy as np
from graphparts import Rng, quantise, table, weights

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import IntegerGraph, Tensor
from zoo.integer_graphs import finish

__all__ = [
    "bidirectional", "delay", "gates", "last_only", "lstm", "nested", "one_step", "rnn", "rnn_last",
    "stacked",
]  # fmt: skip


def rnn(rng: Rng, initial: str = "zero", final: bool = False, steps: int = 5) -> IntegerGraph:
    """h = step(x U + h W)."""
    b = Builder()
    x = b.input((steps, 1, 4), -8, 7, name="x")
    inputs = [x]
    start: Tensor | np.ndarray = np.zeros((1, 6), dtype=np.int64)
    if initial == "constant":
        start = rng.integers(-8, 8, (1, 6))
    elif initial == "input":
        start = b.input((1, 6), -3, 3, name="h0")
        inputs.append(start)
    projected = b.matmul(x, weights(rng, 4, 6))
    body = b.child()
    u = b.scan_input(body, projected)
    h = body.input((1, 6), -8, 7, name="h")
    new = quantise(body, rng, body.binary("add", u, body.matmul(h, weights(rng, 6, 6))), -8, 7)
    made = b.loop(
        steps, body, [(projected, u)], [(start, h, new, "h_last" if final else None)],
        [(new, "hs")],
    )  # fmt: skip
    outputs = [s.outer for s in made.scan_outputs]
    if final:
        outputs = [t for t in made.outputs]
    return finish(b, inputs, outputs)


def rnn_last(rng: Rng) -> IntegerGraph:
    """Only the final state, into a classifier."""
    b = Builder()
    x = b.input((1, 5, 4), -8, 7, name="x")
    outer = b.reshape(x, (5, 1, 4))
    body = b.child()
    u = b.scan_input(body, outer)
    h = body.input((1, 4), -8, 7, name="h")
    both = body.concat([u, h], 1)
    new = quantise(body, rng, body.matmul(both, weights(rng, 8, 4)), -4, 3, True)
    made = b.loop(5, body, [(outer, u)], [(np.zeros((1, 4), dtype=np.int64), h, new, "last")], [])
    return finish(b, [x], [b.argmax(b.matmul(made.outputs[0], weights(rng, 4, 3)))])


def lstm_body(
    b: Builder, rng: Rng, outer: Tensor, hidden: int, steps: int, final: bool
) -> list[Tensor]:
    """An LSTM; gives the hidden states, and the two final states where asked."""
    gates = b.matmul(outer, weights(rng, outer.shape[-1], 4 * hidden))
    body = b.child()
    u = b.scan_input(body, gates)
    h = body.input((1, hidden), -8, 7, name="h")
    c = body.input((1, hidden), -32, 31, name="c")
    acc = body.binary("add", u, body.matmul(h, weights(rng, hidden, 4 * hidden)))
    acc = quantise(body, rng, acc, -8, 7, True)
    parts = [
        body.reorder(acc, np.arange(k * hidden, (k + 1) * hidden).reshape(1, hidden))
        for k in range(4)
    ]
    i, f, o = (table(body, rng, parts[k], 0, 7) for k in (0, 1, 3))
    g = table(body, rng, parts[2], -8, 7)
    kept = quantise(body, rng, body.binary("mul", f, c), -16, 15)
    added = quantise(body, rng, body.binary("mul", i, g), -16, 15)
    new_c = body.binary("add", kept, added)
    new_h = quantise(body, rng, body.binary("mul", o, table(body, rng, new_c, -8, 7)), -8, 7)
    zero = np.zeros((1, hidden), dtype=np.int64)
    states = [
        (zero, h, new_h, "h_n" if final else None),
        (zero, c, new_c, "c_n" if final else None),
    ]
    made = b.loop(steps, body, [(gates, u)], states, [(new_h, "hs")])
    return [made.scan_outputs[0].outer, *made.outputs[: 2 * final]]


def lstm(rng: Rng) -> IntegerGraph:
    """Two states, four gates, all outputs."""
    b = Builder()
    x = b.input((4, 1, 3), -8, 7, name="x")
    return finish(b, [x], lstm_body(b, rng, x, 4, 4, final=True))


def gates(rng: Rng) -> IntegerGraph:
    """A coupled-gate LSTM as a model has it: products gate by gate, inside the loop."""
    b = Builder()
    x = b.input((4, 1, 3), -8, 7, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    h = body.input((1, 4), -8, 7, name="h")
    c = body.input((1, 4), -32, 31, name="c")

    def gate(lo: int, hi: int) -> Tensor:
        given = body.matmul(u, weights(rng, 3, 4), rng.integers(-9, 9, 4))
        acc = body.binary("add", given, body.matmul(h, weights(rng, 4, 4)))
        return quantise(body, rng, acc, lo, hi)

    i, o, g = gate(0, 7), gate(0, 7), gate(-8, 7)
    kept = quantise(body, rng, body.binary("mul", body.binary("sub", 8, i), c), -16, 15)
    added = quantise(body, rng, body.binary("mul", i, g), -16, 15)
    new_c = body.binary("add", kept, added)
    new_h = quantise(body, rng, body.binary("mul", o, table(body, rng, new_c, -8, 7)), -8, 7)
    zero = np.zeros((1, 4), dtype=np.int64)
    states = [(zero, h, new_h, "h_n"), (zero, c, new_c, None)]
    made = b.loop(4, body, [(x, u)], states, [(new_h, "hs")])
    return finish(b, [x], list(made.outputs))


def stacked(rng: Rng) -> IntegerGraph:
    """One loop after the other, the last step of it to a layer."""
    b = Builder()
    x = b.input((4, 1, 3), -8, 7, name="x")
    (hs,) = lstm_body(b, rng, x, 4, 4, final=False)
    (hs,) = lstm_body(b, rng, hs, 2, 4, final=False)
    last = b.reorder(hs, np.arange(6, 8).reshape(1, 2))
    return finish(b, [x], [b.matmul(last, weights(rng, 2, 3))])


def bidirectional(rng: Rng) -> IntegerGraph:
    """A loop forwards, one backwards, joined step by step."""
    b = Builder()
    x = b.input((4, 1, 3), -8, 7, name="x")
    back = b.reorder(x, np.arange(12).reshape(4, 1, 3)[::-1])
    (one,) = lstm_body(b, rng, x, 2, 4, final=False)
    (two,) = lstm_body(b, rng, back, 2, 4, final=False)
    two = b.reorder(two, np.arange(8).reshape(4, 1, 2)[::-1])
    return finish(b, [x], [b.concat([one, two], 2)])


def delay(rng: Rng) -> IntegerGraph:
    """States whose update is a scan input, and another state."""
    b = Builder()
    x = b.input((5, 2), -8, 7, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    first = body.input((2,), -8, 7, name="first")
    second = body.input((2,), -8, 7, name="second")
    y = body.binary("add", u, second)
    zero = np.zeros(2, dtype=np.int64)
    states = [(zero, first, u, None), (zero + 3, second, first, "second_n")]
    made = b.loop(5, body, [(x, u)], states, [(y, "ys")])
    return finish(b, [x], list(made.outputs))


def one_step(rng: Rng) -> IntegerGraph:
    """Loops of one step: with a constant state, and with a given one."""
    b = Builder()
    x = b.input((1, 1, 4), -8, 7, name="x")
    h0 = b.input((1, 4), -8, 7, name="h0")
    body = b.child()
    u = b.scan_input(body, x)
    h = body.input((1, 4), -8, 7, name="h")
    c = body.input((1, 4), -8, 7, name="c")
    new = quantise(body, rng, body.binary("add", u, h), -8, 7)
    new_c = quantise(body, rng, body.binary("add", c, new), -8, 7)
    states: list[tuple[Tensor | np.ndarray, Tensor, Tensor, str | None]] = [
        (h0, h, new, "h_n"),
        (np.arange(4)[None], c, new_c, "c_n"),
    ]
    made = b.loop(1, body, [(x, u)], states, [])
    return finish(b, [x, h0], list(made.outputs))


def last_only(rng: Rng) -> IntegerGraph:
    """A state that the body never reads: what counts is the last step."""
    b = Builder()
    x = b.input((4, 1, 3), -8, 7, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    s = body.input((1, 2), -128, 127, name="s")
    y = body.matmul(u, weights(rng, 3, 2, 3))
    made = b.loop(4, body, [(x, u)], [(np.zeros((1, 2), dtype=np.int64), s, y, "s_n")], [])
    return finish(b, [x], list(made.outputs))


def nested(rng: Rng) -> IntegerGraph:
    """A loop in a loop: the inner one's state starts from the outer one's."""
    b = Builder()
    x = b.input((3, 4, 2), -4, 3, name="x")
    outer = b.child()
    row = b.scan_input(outer, x)
    h = outer.input((2,), -8, 7, name="h")
    inner = outer.child()
    u = outer.scan_input(inner, row)
    g = inner.input((2,), -8, 7, name="g")
    new = quantise(inner, rng, inner.binary("add", u, g), -8, 7)
    made_inner = outer.loop(4, inner, [(row, u)], [(h, g, new, "g_n")], [])
    zero = np.zeros(2, dtype=np.int64)
    made = b.loop(
        3, outer, [(x, row)], [(zero, h, made_inner.outputs[0], None)],
        [(made_inner.outputs[0], "hs")],
    )  # fmt: skip
    return finish(b, [x], list(made.outputs))
