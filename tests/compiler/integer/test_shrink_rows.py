"""Equal, constant and dead channels leave; results stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.ir import IntegerGraph, Step, Tensor
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.passes.shrink_rows import shrink_rows
from thresher.compiler.integer.text import to_text
from thresher.rtl.stepfunction import StepFunction
from zoo.integer_graphs import finish, random_function
from zoo.passcases import EQUAL, RISING, by_channel, cap, capped, products, same, sizes, two_layers


def test_nothing_leaves_where_all_channels_differ():
    graph = two_layers(RISING, RISING.T)
    assert shrink_rows(graph) is graph


def test_equal_channels_are_computed_once():
    first = RISING[:, [0, 1, 0, 2, 0]]
    second = np.arange(1, 11).reshape(5, 2)
    one, two = products(shrink_rows, two_layers(first, second, np.array([1, 2, 1, 3, 1])))
    np.testing.assert_array_equal(one.weights, RISING[:, :3])
    assert one.bias is not None
    assert one.bias.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(two.weights, [[15, 18], [3, 4], [7, 8]])


@pytest.mark.parametrize("constant, left", [([3, 4, 3, 5], 3), ([3, 4, 2, 5], 4), ([7], 3)])
@pytest.mark.parametrize("op", ["add", "sub", "mul"])
def test_constants_tell_channels_apart(op, constant, left):
    graph = two_layers(EQUAL, RISING.T, None, lambda b, x: b.binary(op, x, np.array(constant)))
    assert sizes(shrink_rows, graph)[0] == (3, left)


@pytest.mark.parametrize("channel, left", [((0, 1, 1, 0), 4), ((0, 1, 0, 1), 3), ((0, 1, 2, 0), 3)])
def test_functions_tell_channels_apart(channel, left):
    """Not their numbers: those of 0 and 2 are equal."""
    assert sizes(shrink_rows, two_layers(EQUAL, RISING.T, None, by_channel(*channel)))[0][1] == left


def test_biases_tell_channels_apart():
    graph = two_layers(EQUAL, RISING.T, np.array([0, 0, 1, 0]))
    assert sizes(shrink_rows, graph) == [(3, 4), (4, 3)]


def test_constant_channels_join_the_bias():
    """One of no weights; one that its bias keeps above the last threshold; one below the first."""
    first = RISING.copy()
    first[:, 0] = 0
    bias = np.array([3, 0, 90, -90])
    one, two = products(shrink_rows, two_layers(first, RISING.T, bias))
    np.testing.assert_array_equal(one.weights, RISING[:, 1:2])
    assert two.bias is not None
    assert two.bias.tolist() == (np.arange(3) + 3 * RISING.T[0] + 5 * RISING.T[2]).tolist()


def test_what_differs_between_positions_is_not_constant():
    first = RISING.copy()
    first[:, 0] = 0
    constant = np.array([[1], [2]])
    graph = two_layers(
        first, RISING.T, None, lambda b, x: b.binary("add", x, constant), outer=(2,)
    )  # fmt: skip
    assert sizes(shrink_rows, graph) == [(3, 4), (4, 3)]


def test_dead_channels_leave():
    second = RISING.T.copy()
    second[[0, 3]] = 0
    assert sizes(shrink_rows, two_layers(RISING, second)) == [(3, 2), (2, 3)]


def test_every_reader_must_do_without():
    """Dead for one and needed by the other: stays; dead for one and known to the other: leaves."""
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    y = b.matmul(x, RISING, np.array([0, 0, 0, -90]))
    second = RISING.T.copy()
    second[[0, 3]] = 0
    graph = finish(b, [x], [b.matmul(y, second), b.matmul(capped(b, y), RISING.T)])
    assert sizes(shrink_rows, graph) == [(3, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize("dead", [True, False])
def test_one_channel_stays(dead):
    first, second = (RISING, RISING.T * 0) if dead else (RISING * 0, RISING.T)
    graph = two_layers(first, second, np.array([1, 2, 3, 4]))
    assert sizes(shrink_rows, graph) == [(3, 1), (1, 3)]


def test_sums_of_products_shrink_on_both_sides():
    """A residual: makers, readers and ties of one group; the sum of equal channels is equal."""
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    skip = capped(b, b.matmul(x, EQUAL))
    deep = b.matmul(skip, np.array([[1, 2, 1, 0], [3, 1, 3, 1], [2, 2, 2, 1], [0, 1, 0, 2]]))
    total = capped(b, b.binary("sub", deep, skip, 0, 1))
    out = b.matmul(total, RISING.T)
    assert sizes(shrink_rows, finish(b, [x], [out])) == [(3, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize("shape, left", [((1, 2, 4), 3), ((1, 8), 4)])
def test_reshapes_that_keep_the_last_axis(shape, left):
    b = Builder()
    x = b.input((2, 3), -4, 4, name="x")
    y = b.reshape(capped(b, b.matmul(x, EQUAL)), shape)
    out = b.matmul(y, np.arange(1, 3 * shape[-1] + 1).reshape(-1, 3))
    assert sizes(shrink_rows, finish(b, [x], [out]))[0] == (3, left)


def outside(kind: str) -> IntegerGraph:
    """Equal and dead channels of a tensor that something beside a MatMul reads or makes."""
    b = Builder()
    x = b.input((2, 1, 3), -4, 4, name="x")
    y = capped(b, b.matmul(x, EQUAL))
    outs = [b.matmul(y, RISING.T * [[1], [0], [1], [1]])]
    index = np.arange(8).reshape(2, 1, 4)
    match kind:
        case "output":
            outs.append(y)
        case "concat":
            outs.append(b.matmul(b.concat([y, x], -1), np.ones((7, 1), int)))
        case "reorder":
            outs.append(b.matmul(b.reorder(y, index[..., ::-1]), RISING.T))
        case "argmax":
            outs.append(b.argmax(y))
        case "input":
            outs = [b.matmul(x, np.array([[1], [0], [0]]))]
        case "scan input":
            body = b.child()
            inner = b.scan_input(body, y)
            outs += b.loop(2, body, [(y, inner)], [], [(body.matmul(inner, RISING.T), "z")]).outputs
        case "initial":
            body = b.child()
            scan, first = b.scan_input(body, x), b.reshape(y, (2, 1, 4))
            state = body.input((2, 1, 4), 0, 5)
            outs += b.loop(2, body, [(x, scan)], [(first, state, state, "end")], []).outputs
    return dead_code(finish(b, [x], outs))


@pytest.mark.parametrize(
    "kind", ["output", "concat", "reorder", "argmax", "input", "scan input", "initial"]
)
def test_what_others_read_stays(kind):
    graph = outside(kind)
    assert to_text(shrink_rows(graph)) == to_text(graph)


@pytest.mark.parametrize("kind", ["", "state", "scan output"])
def test_inside_loops(kind):
    """Equal channels leave a body, unless they are a state or a scan output."""
    b = Builder()
    x = b.input((2, 1, 3), -4, 4, name="x")
    body = b.child()
    inner, h = b.scan_input(body, x), body.input((1, 3), 0, 5)
    hidden = capped(body, body.binary("add", body.matmul(inner, EQUAL), body.matmul(h, EQUAL)))
    update = capped(body, body.matmul(hidden, RISING.T))
    states: list[tuple[Tensor | np.ndarray, Tensor, Tensor, str | None]]
    states = [(np.zeros((1, 3), int), h, update, "end")]
    if kind == "state":
        states.append((np.zeros((1, 4), int), body.input((1, 4), 0, 5), hidden, "other"))
    outs = [(hidden, "all")] if kind == "scan output" else []
    loop = b.loop(2, body, [(x, inner)], states, outs)
    n = 4 if kind else 3
    graph = finish(b, [x], list(loop.outputs))
    assert sizes(shrink_rows, graph) == [(3, n), (3, n), (n, 3)]


def test_dead_chains_of_any_length():
    """Thirty layers: from the last to the first, in one go."""
    b = Builder()
    x = y = b.input((1, 2), 0, 3, name="x")
    for _ in range(30):
        y = b.step(b.matmul(y, np.array([[2, 1], [1, 2]])), cap(0, 15))
    for run in (shrink_rows, optimise):
        out = b.matmul(y, np.array([[1], [0]]))
        shapes = sizes(run, finish(b, [x], [out]))
        assert shapes[-2:] == [(2, 1), (1, 1)]
        assert len(shapes) == 31
    chain = Builder()
    x = y = chain.input((1, 2), 0, 3, name="x")
    for _ in range(30):
        y = chain.step(chain.matmul(y, np.diag([2, 1]) + [[0, 0], [1, 0]]), cap(0, 20))
    out = chain.matmul(y, np.array([[0], [1]]))
    graph = finish(chain, [x], [out])
    assert sizes(shrink_rows, graph) == [(2, 1)] + [(1, 1)] * 30
    check(optimise(graph))


@given(st.integers(0, 10_000))
@settings(max_examples=80)
def test_random_networks_with_planted_channels(seed):
    """As many are left as were not planted, or fewer; every result is kept."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = y = b.input([(1, 4), (2, 1, 4)][seed % 2], -4, 5, name="x")
    most = []
    for _ in range(int(rng.integers(1, 4))):
        n, copies = int(rng.integers(2, 5)), int(rng.integers(0, 3))
        source = np.concatenate([np.arange(n), rng.integers(0, n, copies)])
        weights = rng.integers(-3, 4, (y.shape[-1], n))[:, source]
        bias, channel = rng.integers(-9, 9, n)[source], rng.integers(0, 2, n)[source]
        z = b.matmul(y, weights, bias)
        if rng.random() < 0.5:
            z = b.binary("mul", z, rng.integers(1, 4, n)[source])
        z = b.step(z, random_function(rng, z.lo, z.hi, 2), channel)
        y = b.binary("add", z, y) if z.shape == y.shape and rng.random() < 0.5 else z
        most.append((n, copies))
    last = rng.integers(-3, 4, (y.shape[-1], 3)) * rng.integers(0, 2, (y.shape[-1], 1))
    graph = finish(b, [x], [b.matmul(y, last)])
    before = sum(m.weights.size for m in products(lambda g: g, graph))
    after = sum(m.weights.size for m in products(shrink_rows, graph))
    assert after <= before
    last_n, last_copies = most[-1]
    if last_copies and y is z:
        assert products(shrink_rows, graph)[-1].weights.shape[0] <= last_n
    products(optimise, graph)


def test_steps_are_shared_by_what_is_left():
    """Of a product's two steps both shrink."""
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    y = b.matmul(x, EQUAL)
    low = b.step(y, cap(y.lo, y.hi))
    high = b.step(y, StepFunction(y.lo, y.hi, np.array([[4, 8]]), np.array([[0, 1, 2]])))
    graph = finish(b, [x], [b.matmul(low, RISING.T), b.matmul(high, RISING.T)])
    after = dead_code(shrink_rows(graph))
    same(graph, after, samples=40)
    assert [n.out.shape for n in after.block if isinstance(n, Step)] == [(1, 3), (1, 3)]
