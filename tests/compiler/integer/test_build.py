"""The builder: names, sharing, normal forms, intervals, refusals."""

import numpy as np
import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Binary, Reorder, Reshape, Step
from thresher.rtl.stepfunction import StepFunction


def clip(lo: int, hi: int, top: int) -> StepFunction:
    return StepFunction.from_table(lo, np.clip(np.arange(lo, hi + 1), -top, top)[None])


def test_names_are_unique_over_children():
    b = Builder()
    child = b.child()
    names = [b.fresh("a"), child.fresh("a"), b.fresh("a_1"), child.fresh("a"), b.fresh("b")]
    assert names[0] == "a"
    assert len(set(names)) == len(names)


def test_equal_nodes_are_one():
    b = Builder()
    x, y = b.input((1, 3), -4, 3), b.input((1, 3), -4, 3)
    w = np.arange(6).reshape(3, 2)
    assert b.matmul(x, w, np.zeros(2, int)) is b.matmul(x, w.copy(), name="other")
    assert b.matmul(x, w) is not b.matmul(y, w)
    assert b.binary("add", x, y, 0, 1) is b.binary("add", y, x, 1, 0)
    assert b.binary("sub", x, y) is not b.binary("sub", y, x)
    assert b.step(x, clip(-4, 3, 2)) is b.step(x, clip(-9, 9, 2))
    assert b.argmax(x, False, True)[0] is b.argmax(x)
    assert len(b.nodes) == 7


def test_nothing_is_made_for_nothing():
    b = Builder()
    x = b.input((2, 3), -4, 3)
    index = np.arange(6).reshape(2, 3)
    assert b.step(x, clip(-9, 9, 9)) is x
    assert b.binary("add", x, 0) is x
    assert b.binary("mul", np.ones((1, 3), int), x) is x
    assert b.reorder(x, index) is x
    assert b.reshape(b.reshape(x, (6,)), (2, 3)) is x
    assert b.reorder(b.reorder(x, index[::-1]), index[::-1]) is x
    assert b.concat([x], 0) is x
    assert [type(n) for n in b.nodes] == [Reshape, Reorder]


def test_operands_are_expanded_and_constants_shifted():
    b = Builder()
    x, y = b.input((2, 3), 0, 3), b.input((3,), 0, 1)
    out = b.binary("add", x, y, 0, 2)
    node = b.producer(out)
    assert isinstance(node, Binary)
    assert [t.shape for t in node.inputs] == [(2, 3), (2, 3)]
    assert (out.lo, out.hi) == (0, 7)
    scaled = b.producer(b.binary("sub", x, np.array([5, 5, 5]), 0, 2))
    assert isinstance(scaled, Binary)
    assert np.asarray(scaled.y).tolist() == [[20]]
    assert scaled.shift_y == 0


def test_steps_are_minimal_and_channels_dropped():
    b = Builder()
    x = b.input((1, 4), -4, 3)
    two = StepFunction(-9, 9, np.array([[-8, 0, 7], [-8, 0, 8]]), np.array([[0, 1, 2, 3]]))
    node = b.producer(b.step(x, two, np.array([[0, 1, 0, 1]])))
    assert isinstance(node, Step)
    assert node.channel is None
    assert np.array_equal(node.function.thresholds, [[0]])
    used = StepFunction(-4, 3, np.array([[0], [1], [2]]), np.array([[0, 1]]))
    node = b.producer(b.step(x, used, np.array([0, 2, 2, 0])))
    assert isinstance(node, Step)
    assert node.channel is not None
    assert np.array_equal(node.function.thresholds, [[0], [2]])
    assert np.array_equal(node.channel, [[0, 1, 1, 0]])


def test_a_slice_of_a_merged_matmul_keeps_its_own_interval():
    b = Builder()
    x = b.input((1, 2), -1, 1)
    whole = b.matmul(x, np.array([[1, 100], [1, 100]]))
    assert (whole.lo, whole.hi) == (-200, 200)
    part = b.reorder(whole, np.array([[0]]))
    assert (part.lo, part.hi) == (-2, 2)


def test_equal_operands_are_one_tensor_to_the_interval():
    b = Builder()
    x = b.input((1,), -3, 2)
    assert b.binary("sub", x, x).hi == 0
    square = b.binary("mul", x, x)
    assert (square.lo, square.hi) == (0, 9)


def test_loops_hold_their_states():
    b = Builder()
    body = b.child()
    x = b.input((4, 1, 2), 0, 3, name="x")
    inner = b.scan_input(body, x)
    state = body.input((1, 2), 0, 5)
    total = body.binary("add", inner, state)
    zero = np.zeros((1, 2), int)
    with pytest.raises(ValueError, match=r"must hold its update, not \[0, 5\] for \[0, 8\]"):
        b.loop(4, body, [(x, inner)], [(zero, state, total, None)], [])
    update = body.step(total, clip(0, 8, 5))
    with pytest.raises(ValueError, match="must hold its initial"):
        b.loop(4, body, [(x, inner)], [(zero - 1, state, update, None)], [])
    loop = b.loop(4, body, [(x, inner)], [(zero, state, update, "end")], [(update, "all")])
    assert [t.shape for t in loop.outputs] == [(1, 2), (4, 1, 2)]
    assert {t.hi for t in loop.outputs} == {5}


def test_wide_accumulators_are_refused():
    b = Builder()
    x = b.input((1, 4), -(1 << 59), 1 << 59)
    with pytest.raises(ModelError, match="MatMul 'big': the accumulator must fit 62 bits, not 63"):
        b.matmul(x, np.ones((4, 1), int), name="big")
    with pytest.raises(ModelError, match="must fit 62 bits"):
        b.binary("mul", x, 4)
    with pytest.raises(ModelError, match="must fit 62 bits"):
        b.binary("add", x, 1 << 40, 0, 30)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda b, x: b.matmul(x, np.ones((2, 2), int)), "weights must be"),
        (lambda b, x: b.matmul(x, np.ones((3, 2), int), np.ones(3, int)), "bias must be"),
        (lambda b, x: b.binary("add", 1, 2), "x or y must be a tensor"),
        (lambda b, x: b.binary("mul", x, x, 1), "shifts of mul"),
        (lambda b, x: b.binary("div", x, x), "op must be"),
        (lambda b, x: b.step(x, clip(-3, 3, 1)), r"function must cover \[-4, 3\]"),
        (lambda b, x: b.reshape(x, (4,)), "shape must have 3 elements"),
        (lambda b, x: b.reorder(x, np.array([3])), "index must be in"),
        (lambda b, x: b.concat([x, b.reshape(x, (3, 1))], 0), "shapes must agree"),
        (lambda b, x: b.input((1,), 1, 0), "interval must not be empty"),
    ],
)
def test_misuse_is_refused(make, words):
    b = Builder()
    with pytest.raises(ValueError, match=words):
        make(b, b.input((1, 3), -4, 3))


def test_floats_are_refused():
    b = Builder()
    with pytest.raises(TypeError, match="constants must be integers, not float64"):
        b.binary("add", b.input((1,), 0, 1), np.array([0.5]))
