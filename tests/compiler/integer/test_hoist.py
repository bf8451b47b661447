"""What no state needs leaves a loop."""

from collections import Counter

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, Loop, MatMul, Step, Tensor
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.passes.hoist import hoist
from zoo.integer_graphs import finish, random_function
from zoo.passcases import applied, kinds


def recurrence(b: Builder, x: Tensor, rng: np.random.Generator) -> Loop:
    """x_t -> MatMul, Step by channel, slice; with an invariant y; and a state."""
    body = b.child()
    y = b.input((1, 4), -3, 3, name="y")
    again = b.expand(y, (x.shape[0], 1, 4))
    inner, fixed = b.scan_input(body, x), b.scan_input(body, again)
    state = body.input((1, 2), -8, 7)
    product = body.matmul(inner, rng.integers(-3, 4, (3, 4)))
    squared = body.binary("mul", fixed, fixed)
    total = body.binary("add", body.binary("add", product, squared), np.array([[1, 2, 3, 4]]))
    step = body.step(total, random_function(rng, total.lo, total.hi, 4), np.arange(4)[None])
    left = body.reorder(step, np.array([[0, 1]]))
    right = body.reorder(step, np.array([[2, 3]]))
    summed = body.binary("add", body.binary("mul", left, state), right)
    update = body.step(summed, random_function(rng, summed.lo, summed.hi))
    return b.loop(
        x.shape[0], body, [(x, inner), (again, fixed)],
        [
            (np.zeros((1, 2), int), state, update, "end"),
            (np.zeros((1, 4), int), body.input((1, 4), -8, 7), step, "last"),
        ],
        [(update, "all"), (step, "steps"), (right, "rights")],
    )  # fmt: skip


def test_hoist(rng):
    """What depends on no state leaves; slices stay and share a scan input."""
    b = Builder()
    x = b.input((5, 1, 3), -8, 7, name="x")
    loop = recurrence(b, x, rng)
    y = b.nodes[0].inputs[0]
    after = applied(hoist, finish(b, [x, y], list(loop.outputs)))
    (left,) = (n for n in after.block if isinstance(n, Loop))
    inside = Counter(type(n).__name__ for n in left.body)
    assert inside == {"Reorder": 1, "Binary": 2, "Step": 1}
    assert [s.inner.shape for s in left.scans] == [(1, 4), (1, 2)]
    outside = [n for n in after.block if n is not left]
    squares = [n for n in outside if isinstance(n, Binary) and n.op == "mul"]
    assert [n.out.shape for n in squares] == [(1, 4)]  # the invariant product, once
    assert {type(n) for n in outside} >= {MatMul, Step}


def test_a_loop_without_recurrence_disappears(rng):
    b = Builder()
    body = b.child()
    x = b.input((4, 1, 3), -8, 7, name="x")
    inner = b.scan_input(body, x)
    out = body.matmul(inner, rng.integers(-3, 4, (3, 2)))
    delayed = body.input((1, 2), -999, 999)
    loop = b.loop(4, body, [(x, inner)], [(np.zeros((1, 2), int), delayed, out, "end")], [
        (body.argmax(out), "best")
    ])  # fmt: skip
    after = applied(hoist, finish(b, [x], list(loop.outputs)))
    assert kinds(after) == {"MatMul": 1, "ArgMax": 1, "Reorder": 1}


def test_gates_become_one_product_a_side(rng):
    """Four gates on x and h, each with its bias: two MatMuls, one of them ahead of the loop."""
    b = Builder()
    body = b.child()
    x = b.input((4, 1, 3), -8, 7, name="x")
    inner, h = b.scan_input(body, x), body.input((1, 2), -8, 7)
    gates = []
    for _ in range(4):
        both = body.binary(
            "add", body.matmul(inner, rng.integers(-3, 4, (3, 2))),
            body.matmul(h, rng.integers(-3, 4, (2, 2))),
        )  # fmt: skip
        gate = body.binary("add", both, rng.integers(-5, 5, (1, 2)))
        clipped = body.step(gate, random_function(rng, gate.lo, gate.hi))
        gates.append(body.step(clipped, random_function(rng, -8, 7)))
    total = body.binary(
        "add", body.binary("mul", gates[0], gates[1]), body.binary("mul", gates[2], gates[3])
    )  # fmt: skip
    update = body.step(total, random_function(rng, total.lo, total.hi))
    loop = b.loop(4, body, [(x, inner)], [(np.zeros((1, 2), int), h, update, "end")], [])
    after = applied(optimise, finish(b, [x], list(loop.outputs)))
    first, left = after.block.nodes
    assert isinstance(first, MatMul)
    assert isinstance(left, Loop)
    assert first.weights.shape == (3, 8)
    assert first.bias is not None
    assert len(left.scans) == 1
    inside = Counter(type(n).__name__ for n in left.body)
    assert inside == {"MatMul": 1, "Reorder": 8, "Binary": 7, "Step": 5}
