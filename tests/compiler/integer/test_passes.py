"""Passes keep every result, and do what they are for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import (
    Binary,
    Block,
    InputPort,
    IntegerGraph,
    Loop,
    MatMul,
    OutputPort,
    Step,
    Tensor,
)
from thresher.compiler.integer.passes.compose_steps import compose_steps
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.driver import PASSES, Pass, optimise
from thresher.compiler.integer.passes.hoist import hoist
from thresher.compiler.integer.passes.merge_matmuls import merge_matmuls
from thresher.compiler.integer.passes.push_bias import push_bias
from thresher.compiler.integer.passes.rewrite import Rewriter, walk
from thresher.compiler.integer.passes.sink_reshapes import sink_reshapes
from thresher.compiler.integer.text import to_text
from thresher.rtl.stepfunction import StepFunction
from zoo.image_graphs import random_image_graph
from zoo.integer_graphs import random_codes, random_function, random_graph


def copy(graph: IntegerGraph) -> IntegerGraph:
    """No change but what the builder does by itself."""
    return Rewriter(graph).run()


def graph_of(b: Builder, inputs: list[Tensor], outputs: list[Tensor]) -> IntegerGraph:
    ports = tuple(InputPort(x, x.name, "int64", None) for x in inputs)
    outs = tuple(OutputPort(f"out{i}", x, "int64", None) for i, x in enumerate(outputs))
    return IntegerGraph("graph", ports, Block(b.nodes), outs)


def same(before: IntegerGraph, after: IntegerGraph, seed: int = 0) -> None:
    check(after)
    codes = random_codes(before, np.random.default_rng(seed), 5)
    wanted = Golden(before).run(codes)
    left = {p.tensor.name for p in after.inputs}
    found = Golden(after).run({name: a for name, a in codes.items() if name in left})
    for name, value in wanted.items():
        shown = np.broadcast_to(found[name], value.shape)  # a graph without inputs left has N = 1
        np.testing.assert_array_equal(shown, value, name)


def applied(run: Pass, graph: IntegerGraph) -> IntegerGraph:
    """The pass's result without dead nodes, proven to be the same function."""
    check(graph)
    after = dead_code(run(graph))
    same(graph, after)
    return after


def kinds(graph: IntegerGraph) -> Counter[str]:
    return Counter(type(n).__name__ for n in walk(graph.block))


@pytest.mark.parametrize("run", [copy, dead_code, *PASSES, optimise], ids=lambda f: f.__name__)
@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=60)
def test_passes_keep_every_result_on_images(run, seed, loop):
    graph = random_image_graph(seed, loop)
    check(graph)
    same(graph, run(graph), seed)


@pytest.mark.parametrize("run", [copy, dead_code, *PASSES, optimise], ids=lambda f: f.__name__)
@given(st.integers(0, 10_000), st.integers(0, 2))
@example(8192, 0)  # composed channels that all come out equal
@settings(max_examples=60)
def test_passes_keep_every_result(run, seed, loops):
    graph = random_graph(seed, loops)
    check(graph)
    same(graph, run(graph), seed)


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_optimising_again_changes_nothing(seed):
    once = optimise(random_graph(seed, 1))
    assert to_text(optimise(once)) == to_text(once)


def test_copying_shares_equal_nodes_and_keeps_names():
    graph = random_graph(7, 1)
    assert to_text(copy(graph)) == to_text(graph)


def test_dead_code():
    """A dead node, a dead state with a dead scan, an unread final, an unread port."""
    b = Builder()
    x, unread = b.input((3, 1), 0, 3, name="x"), b.input((1,), 0, 1, name="unread")
    b.matmul(x, np.ones((1, 9), int))
    body = b.child()
    inner, other = b.scan_input(body, x), b.scan_input(body, b.binary("mul", x, 2))
    live, dead, behind = (body.input((1,), 0, 9) for _ in range(3))
    cap = StepFunction(0, 99, np.array([[5]]), np.array([[0, 5]]))
    needed = body.step(body.binary("add", live, behind), cap)
    loop = b.loop(
        3, body, [(x, inner), (x, other)],
        [
            (np.zeros(1, int), live, needed, "end"),
            (np.zeros(1, int), dead, body.step(body.binary("add", dead, other), cap), "no"),
            (np.zeros(1, int), behind, inner, None),
        ],
        [(needed, "all")],
    )  # fmt: skip
    after = applied(lambda g: g, graph_of(b, [x, unread], [loop.outputs[0]]))
    assert [p.tensor.name for p in after.inputs] == ["x"]
    (left,) = after.block.nodes
    assert isinstance(left, Loop)
    assert [len(left.scans), len(left.states), len(left.scan_outputs)] == [1, 2, 0]
    assert len(left.body.nodes) == 2


def test_dead_argmax_value():
    b = Builder()
    x = b.input((1, 3), 0, 3, name="x")
    index, _ = b.argmax(x, False, True)
    (left,) = applied(lambda g: g, graph_of(b, [x], [index])).block.nodes
    assert len(left.outputs) == 1


@pytest.mark.parametrize("inner_channels, outer_channels", [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_compose_steps(rng, inner_channels, outer_channels):
    b = Builder()
    x = b.input((3, 4), -50, 50, name="x")
    middle = b.step(x, random_function(rng, -50, 50, inner_channels), places(rng, inner_channels))
    out = b.step(
        middle, random_function(rng, -8, 7, outer_channels), places(rng, outer_channels, (3, 1))
    )
    assert kinds(applied(compose_steps, graph_of(b, [x], [out]))) == {"Step": 1}
    both = graph_of(b, [x], [out, middle])
    assert kinds(applied(compose_steps, both)) == {"Step": 2}


def places(
    rng: np.random.Generator, channels: int, shape: tuple[int, ...] = (1, 4)
) -> np.ndarray | None:
    return None if channels == 1 else rng.integers(0, channels, shape)


@pytest.mark.parametrize("op", ["add", "sub", "mul"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("constant", [-7, -1, 3])
@pytest.mark.parametrize("shift", [0, 2])
def test_compose_steps_with_a_constant(rng, op, turned, constant, shift):
    shift = 0 if op == "mul" else shift
    b = Builder()
    x = b.input((1, 200), -40, 40, name="x")
    moved = (
        b.binary(op, constant, x, 0, shift) if turned else b.binary(op, x, constant, shift)
    )  # fmt: skip
    channel = rng.integers(0, 3, (1, 200))
    out = b.step(moved, random_function(rng, moved.lo, moved.hi, 3), channel)
    assert kinds(applied(compose_steps, graph_of(b, [x], [out]))) == {"Step": 1}


def test_compose_steps_with_a_constant_that_makes_channels_equal():
    """Thresholds 1 and 2 are one on multiples of 4."""
    b = Builder()
    x = b.input((1, 2), -9, 9, name="x")
    moved = b.binary("mul", x, 4)
    function = StepFunction(moved.lo, moved.hi, np.array([[1], [2]]), np.array([[0, 1]]))
    out = b.step(moved, function, np.array([[0, 1]]))
    (step,) = applied(compose_steps, graph_of(b, [x], [out])).block.nodes
    assert isinstance(step, Step)
    assert step.channel is None


def test_merge_matmuls(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    outs = [
        b.matmul(x, rng.integers(-3, 4, (3, n)), rng.integers(-9, 9, n) if n > 1 else None)
        for n in (2, 1, 4)
    ]
    after = applied(merge_matmuls, graph_of(b, [x], outs))
    assert kinds(after) == {"MatMul": 1, "Reorder": 3}
    for old, new in zip(outs, after.outputs, strict=True):
        assert (new.tensor.lo, new.tensor.hi) == (old.lo, old.hi)


def test_push_bias_into_a_matmul(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    row, every = rng.integers(-9, 9, (1, 4)), rng.integers(-9, 9, (2, 1))
    outs = []
    for op, turned, c in [("add", 0, row), ("add", 1, row), ("sub", 0, row), ("sub", 1, row)]:
        y = b.matmul(x, rng.integers(-3, 4, (3, 4)), rng.integers(-9, 9, 4))
        outs.append(b.binary(op, c, y) if turned else b.binary(op, y, c))
    assert kinds(applied(push_bias, graph_of(b, [x], outs))) == {"MatMul": 4}
    y = b.matmul(x, rng.integers(-3, 4, (3, 4)))
    keeps = [b.binary("add", y, every), b.binary("add", y, row, 1)]
    assert kinds(applied(push_bias, graph_of(b, [x], keeps))) == {"MatMul": 1, "Binary": 2}
    assert kinds(applied(push_bias, graph_of(b, [x], [b.binary("add", y, row), y]))) == {
        "MatMul": 1,
        "Binary": 1,
    }


@pytest.mark.parametrize("op", ["add", "sub"])
@pytest.mark.parametrize("first, shift", [(True, 0), (False, 0), (True, 2), (False, 1)])
def test_push_bias_through_a_sum(rng, op, first, shift):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 4), -8, 7, name="y")
    product = b.matmul(x, rng.integers(-3, 4, (3, 4)))
    if first:
        total = b.binary(op, product, y, 0, shift)
    else:
        total = b.binary(op, y, product, shift, 0)
    out = b.binary("sub", total, rng.integers(-9, 9, 4))
    assert kinds(applied(push_bias, graph_of(b, [x, y], [out]))) == {"MatMul": 1, "Binary": 1}


def test_push_bias_not_through_a_shift(rng):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 4), -8, 7, name="y")
    weights = rng.integers(-3, 4, (3, 4))
    outs = [
        b.binary("add", b.binary("add", b.matmul(x, weights), y, 1), 5),
        b.binary("add", b.binary("sub", y, b.matmul(x, weights + 1), 0, 1), 5),
        b.binary("add", b.binary("add", b.matmul(x, weights + 2), y), 5, 1),
    ]
    assert kinds(applied(push_bias, graph_of(b, [x, y], outs))) == {"MatMul": 3, "Binary": 6}


def test_push_bias_from_before_a_matmul(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    weights = rng.integers(-3, 4, (3, 4))
    outs = [
        b.matmul(b.binary("add", x, np.array([1, 2, 3])), weights, np.array([1, 2, 3, 4])),
        b.matmul(b.binary("sub", x, 5), weights + 1),
        b.matmul(b.reshape(b.binary("add", 4, x), (1, 2, 3)), weights - 1),
    ]
    after = applied(push_bias, graph_of(b, [x], outs))
    assert kinds(after) == {"MatMul": 3, "Reshape": 1}
    keeps = [
        b.matmul(b.binary("sub", 5, x), weights),
        b.matmul(b.binary("add", x, 5, 1), weights),
        b.matmul(b.reshape(b.binary("add", x, np.array([1, 2, 3])), (3, 2)), weights[:2]),
    ]
    assert kinds(applied(push_bias, graph_of(b, [x], keeps)))["Binary"] == 3


def test_sink_reshapes(rng):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 3), -8, 7, name="y")
    flat_x, flat_y = b.reshape(x, (3, 2)), b.reshape(y, (3, 2))
    total = b.binary("sub", b.binary("mul", flat_x, rng.integers(-3, 4, (3, 1))), flat_y, 1)
    function = StepFunction(total.lo, total.hi, np.array([[0], [3]]), np.array([[0, 1]]))
    out = b.step(total, function, np.array([[0, 1]]))
    after = applied(sink_reshapes, graph_of(b, [x, y], [out]))
    assert [type(n).__name__ for n in after.block] == ["Binary", "Binary", "Step", "Reshape"]


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
    after = applied(hoist, graph_of(b, [x, y], list(loop.outputs)))
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
    after = applied(hoist, graph_of(b, [x], list(loop.outputs)))
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
    after = applied(optimise, graph_of(b, [x], list(loop.outputs)))
    first, left = after.block.nodes
    assert isinstance(first, MatMul)
    assert isinstance(left, Loop)
    assert first.weights.shape == (3, 8)
    assert first.bias is not None
    assert len(left.scans) == 1
    inside = Counter(type(n).__name__ for n in left.body)
    assert inside == {"MatMul": 1, "Reorder": 8, "Binary": 7, "Step": 5}
