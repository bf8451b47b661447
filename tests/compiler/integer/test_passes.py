"""Every pass keeps every result; and what the small ones are for."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.ir import IntegerGraph, Loop
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.driver import PASSES, optimise
from thresher.compiler.integer.passes.merge_matmuls import merge_matmuls
from thresher.compiler.integer.passes.rewrite import Rewriter
from thresher.compiler.integer.passes.sink_reshapes import sink_reshapes
from thresher.compiler.integer.text import to_text
from thresher.rtl.stepfunction import StepFunction
from zoo.image_graphs import random_image_graph
from zoo.integer_graphs import finish, random_graph
from zoo.passcases import applied, kinds, same


def copy(graph: IntegerGraph) -> IntegerGraph:
    """No change but what the builder does by itself."""
    return Rewriter(graph).run()


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
    after = applied(lambda g: g, finish(b, [x, unread], [loop.outputs[0]]))
    assert [p.tensor.name for p in after.inputs] == ["x"]
    (left,) = after.block.nodes
    assert isinstance(left, Loop)
    assert [len(left.scans), len(left.states), len(left.scan_outputs)] == [1, 2, 0]
    assert len(left.body.nodes) == 2


def test_dead_argmax_value():
    b = Builder()
    x = b.input((1, 3), 0, 3, name="x")
    index, _ = b.argmax(x, False, True)
    (left,) = applied(lambda g: g, finish(b, [x], [index])).block.nodes
    assert len(left.outputs) == 1


def test_merge_matmuls(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    outs = [
        b.matmul(x, rng.integers(-3, 4, (3, n)), rng.integers(-9, 9, n) if n > 1 else None)
        for n in (2, 1, 4)
    ]
    after = applied(merge_matmuls, finish(b, [x], outs))
    assert kinds(after) == {"MatMul": 1, "Reorder": 3}
    for old, new in zip(outs, after.outputs, strict=True):
        assert (new.tensor.lo, new.tensor.hi) == (old.lo, old.hi)


def test_sink_reshapes(rng):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 3), -8, 7, name="y")
    flat_x, flat_y = b.reshape(x, (3, 2)), b.reshape(y, (3, 2))
    total = b.binary("sub", b.binary("mul", flat_x, rng.integers(-3, 4, (3, 1))), flat_y, 1)
    function = StepFunction(total.lo, total.hi, np.array([[0], [3]]), np.array([[0, 1]]))
    out = b.step(total, function, np.array([[0, 1]]))
    after = applied(sink_reshapes, finish(b, [x, y], [out]))
    assert [type(n).__name__ for n in after.block] == ["Binary", "Binary", "Step", "Reshape"]
