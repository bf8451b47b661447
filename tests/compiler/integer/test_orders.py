"""Turned axes: where they go, and that nothing else changes."""

import numpy as np
import pytest

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.frames import framed
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import (
    Block,
    GroupedMatMul,
    InputPort,
    IntegerGraph,
    Loop,
    OutputPort,
    Reorder,
    Tensor,
)
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.passes.orders import factors, is_turn, sorted_axes
from thresher.compiler.integer.passes.rewrite import walk
from thresher.rtl.stepfunction import StepFunction
from zoo.integer_graphs import random_codes, random_function

TO_PLANES, TO_PIXELS = (0, 3, 1, 2), (0, 2, 3, 1)


def indices(x: Tensor) -> np.ndarray:
    return np.arange(x.size).reshape(x.shape)


def turn(b: Builder, x: Tensor, order: tuple[int, ...]) -> Tensor:
    return b.reorder(x, indices(x).transpose(order))


def optimised(b: Builder, inputs: list[Tensor], outputs: list[Tensor]) -> IntegerGraph:
    """The graph, proven to be the same function; inputs stay as they are, for they are read so."""
    ports = tuple(InputPort(x, x.name, "int64", None) for x in inputs)
    outs = tuple(OutputPort(f"out{i}", y, "int64", None) for i, y in enumerate(outputs))
    before = IntegerGraph("orders", ports, Block(b.nodes), outs)
    after = optimise(before)
    check(after)
    codes = random_codes(before, np.random.default_rng(0), 8)
    wanted, found = Golden(before).run(codes), Golden(after).run(codes)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, name)
    return after


def reorders(graph: IntegerGraph) -> list[Reorder]:
    return [n for n in walk(graph.block) if isinstance(n, Reorder)]


def sums(b: Builder, rng: np.random.Generator, name: str = "x") -> tuple[Tensor, Tensor]:
    """(input, what a pointwise product makes of it), (1, 4, 3, 2)."""
    x = b.input((1, 4, 3, 2), -8, 7, name=name)
    return x, b.matmul(x, rng.integers(-3, 4, (2, 2)))


def test_steps_and_constants_keep_their_channels(rng):
    b = Builder()
    x, y = sums(b, rng)
    planes = turn(b, y, TO_PLANES)
    total = b.binary("add", planes, rng.integers(-9, 9, (1, 2, 4, 1)))
    function = random_function(rng, total.lo, total.hi, 6, (-20, 20), monotone=True)
    codes = b.step(total, function, rng.permutation(6).reshape(1, 2, 1, 3))
    after = optimised(b, [x], [turn(b, codes, TO_PIXELS)])
    assert reorders(after) == []


def test_a_slice_of_planes_is_a_slice_of_pixels(rng):
    b = Builder()
    x, y = sums(b, rng)
    planes = b.reorder(y, indices(y).transpose(TO_PLANES)[:, 1:, 1:, ::2])
    function = random_function(rng, planes.lo, planes.hi, 2, (-20, 20))
    codes = b.step(planes, function, np.array([0, 1]))
    after = optimised(b, [x], [turn(b, codes, TO_PIXELS)])
    (left,) = reorders(after)
    assert (np.diff(left.index.reshape(-1)) > 0).all()


@pytest.mark.parametrize("op", ["add", "sub", "mul"])
def test_pairs_and_joined_tensors(op, rng):
    b = Builder()
    (x, y), (u, v) = sums(b, rng), sums(b, rng, "u")
    both = b.binary(op, turn(b, y, TO_PLANES), turn(b, v, TO_PLANES))
    joined = b.concat([both, turn(b, v, TO_PLANES)], 1)
    after = optimised(b, [x, u], [turn(b, joined, TO_PIXELS)])
    assert reorders(after) == []


def test_a_sum_with_the_input_turns_the_input(rng):
    b = Builder()
    x = b.input((1, 2, 4, 3), -8, 7, name="x")
    y = b.matmul(turn(b, x, TO_PIXELS), rng.integers(-3, 4, (2, 2)))
    total = b.binary("sub", x, turn(b, y, TO_PLANES))
    after = optimised(b, [x], [total])
    assert reorders(after) == []
    assert after.inputs[0].order == after.outputs[0].order == TO_PIXELS
    assert after.inputs[0].shape == (1, 2, 4, 3)


def test_what_only_drops_elements_turns_the_input_too(rng):
    """Elementwise nodes in front, slices behind; another reader that wants another order."""
    b = Builder()
    x = b.input((1, 2, 4, 3), -8, 7, name="x")
    y = b.step(x, random_function(rng, -8, 7))
    part = b.reorder(y, indices(y).transpose(TO_PIXELS)[:, 1:])
    after = optimised(b, [x], [b.matmul(part, np.eye(2, dtype=int) * 3)])
    assert after.inputs[0].order == TO_PIXELS
    assert all((np.diff(n.index.reshape(-1)) > 0).all() for n in reorders(after))
    rows = b.matmul(b.reshape(x, (8, 3)), np.ones((3, 1), int))
    after = optimised(b, [x], [b.matmul(part, np.eye(2, dtype=int) * 3), rows])
    assert after.inputs[0].order is None


def test_a_turn_from_edge_to_edge_is_done_once(rng):
    b = Builder()
    x = b.input((1, 2, 3), -8, 7, name="x")
    after = optimised(b, [x], [turn(b, b.step(x, random_function(rng, -8, 7)), (0, 2, 1))])
    assert reorders(after) == []
    assert (after.inputs[0].order, after.outputs[0].order) == ((0, 2, 1), None)


def test_rows_of_weights_are_turned(rng):
    b = Builder()
    x, y = sums(b, rng)
    flat = b.reorder(y, indices(y).transpose(TO_PLANES).reshape(1, -1))
    after = optimised(b, [x], [b.matmul(flat, rng.integers(-3, 4, (24, 5)))])
    assert reorders(after) == []


def test_elements_that_are_repeated_are_no_turn(rng):
    b = Builder()
    x = b.input((1, 3), -8, 7, name="x")
    after = optimised(b, [x], [b.matmul(b.reorder(x, np.array([[0, 0, 1]])), np.eye(3, dtype=int))])
    assert len(reorders(after)) == 1


def test_two_inputs_of_a_loop_leave_the_turn_where_it_is(rng):
    """A sum of what is turned and what is not, both from outside: either may be turned, not both
    in turns."""
    b = Builder()
    x = b.input((2, 1, 3, 2, 2), -8, 7, name="x")
    body = b.child()
    now, state = b.scan_input(body, x), body.input((1, 2, 2, 3), -8, 7)
    total = body.binary("sub", now, turn(body, state, TO_PLANES))
    pixels = body.matmul(turn(body, total, TO_PIXELS), rng.integers(-2, 3, (3, 3)))
    update = body.step(pixels, random_function(rng, pixels.lo, pixels.hi))
    start = np.zeros((1, 2, 2, 3), int)
    made = b.loop(2, body, [(x, now)], [(start, state, update, "end")], [(total, "all")])
    optimised(b, [x], list(made.outputs))


@pytest.mark.parametrize("op", ["max", "sum"])
def test_reductions_read_elements_as_they_stand(op, rng):
    b = Builder()
    x, y = sums(b, rng)
    planes = b.reorder(y, indices(y).transpose(TO_PLANES).reshape(2, 12, 1))
    pixels = b.reorder(y, indices(y).reshape(12, 2).T[None])  # (1, 2, 12): channels reduced
    after = optimised(b, [x], [b.reduce(op, planes), b.reduce(op, pixels)])
    assert reorders(after) == []


@pytest.mark.parametrize("tensor", [False, True])
def test_a_loop_holds_its_state_as_it_is_made(tensor, rng):
    b = Builder()
    x = b.input((3, 1, 4, 3, 2), -8, 7, name="x")
    body = b.child()
    now = b.scan_input(body, x)
    state = body.input((1, 2, 4, 3), -8, 7)
    pixels = body.binary("add", now, turn(body, state, TO_PIXELS))
    ends = StepFunction(pixels.lo, pixels.hi, np.arange(-7, 8)[None], np.arange(-8, 8)[None])
    update = turn(body, body.step(pixels, ends), TO_PLANES)
    start = rng.integers(-8, 8, (1, 2, 4, 3))
    given = b.input((1, 2, 4, 3), -8, 7, name="given") if tensor else start
    made = b.loop(3, body, [(x, now)], [(given, state, update, "end")], [(update, "all")])
    inputs = [x, given] if isinstance(given, Tensor) else [x]
    after = optimised(b, inputs, list(made.outputs))
    (loop,) = [n for n in after.block if isinstance(n, Loop)]
    assert loop.states[0].inner.shape == (1, 4, 3, 2)
    assert not [n for n in loop.body if isinstance(n, Reorder)]
    assert after.outputs[0].order == TO_PIXELS
    assert after.outputs[1].order == (1, 0, 3, 4, 2)


def test_biases_of_groups_add_up(rng):
    b = Builder()
    x = b.input((1, 3, 3, 4), -8, 7, name="x")
    y = b.grouped_matmul(x, rng.integers(-3, 4, (2, 2, 3)), rng.integers(1, 9, 6))
    after = optimised(b, [x], [b.binary("sub", y, rng.integers(1, 9, 6))])
    (node,) = after.block
    assert isinstance(node, GroupedMatMul)


def test_samples_stand_before_what_is_reduced():
    """The loop wishes its steps first, which are the channels of a Reduce."""
    b = Builder()
    x = b.input((3, 4), -8, 7, name="x")
    y = b.reduce("max", x)
    body = b.child()
    now, state = b.scan_input(body, y), body.input((), -8, 7)
    total = body.binary("add", now, state)
    keep = StepFunction(total.lo, total.hi, np.array([[0]]), np.array([[-8, 7]]))
    start = np.zeros((), int)
    states = [(start, state, body.step(total, keep), "end")]
    loop = b.loop(4, body, [(y, now)], states, [])
    ports = (InputPort(x, "x", "int64", None),)
    outs = (OutputPort("y", loop.outputs[0], "int64", None),)
    graph = IntegerGraph("g", ports, Block(b.nodes), outs)
    check(framed(graph, 2).graph)


def test_factors():
    index = np.arange(24).reshape(2, 3, 4)
    assert factors(index) == [(24, 1)]
    assert factors(index.transpose(2, 0, 1)) == [(4, 1), (6, 4)]
    assert factors(index.transpose(2, 1, 0).reshape(1, -1)) == [(4, 1), (3, 4), (2, 12)]
    assert factors(np.array([0, 1, 3, 2])) is None
    assert factors(np.array([5])) == []


def test_turns():
    x = Tensor("x", (2, 3, 4), 0, 1)

    def node(index: np.ndarray) -> Reorder:
        return Reorder(x, index, Tensor("y", index.shape, 0, 1))

    index = np.arange(24).reshape(2, 3, 4)
    assert is_turn(node(index.transpose(2, 0, 1).reshape(-1)))
    assert not is_turn(node(index[::-1]))
    assert not is_turn(node(index.transpose(2, 0, 1)[1:]))
    assert sorted_axes(index) is None
    assert sorted_axes(index.transpose(2, 0, 1)[1:]) == (1, 2, 0)
    assert sorted_axes(index[None, :, ::2].transpose(0, 3, 2, 1)) == (0, 3, 2, 1)
    assert sorted_axes(index[:, ::-1].transpose(1, 0, 2)) is None
