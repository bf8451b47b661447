"""Equal, constant and dead elements leave, and so do dead bits; results stay."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import (
    Block,
    InputPort,
    IntegerGraph,
    MatMul,
    OutputPort,
    Step,
    Tensor,
)
from thresher.compiler.integer.onnx_export import to_onnx
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.divide_products import divide_products
from thresher.compiler.integer.passes.driver import Pass, optimise
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.passes.shrink_rows import shrink_rows
from thresher.compiler.integer.text import to_text
from thresher.compiler.schedule import schedule
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.targets import ScheduleOptions
from thresher.gen.compiled import compile_model
from thresher.gen.options import CompileOptions
from thresher.rtl.stepfunction import StepFunction
from thresher.sim.amaranth import AmaranthEngine
from zoo.builder import Builder as ModelBuilder
from zoo.feedforward import Layers
from zoo.integer_graphs import random_codes, random_function
from zoo.rtl import verified
from zoo.run import run_qonnx

Elementwise = Callable[[Builder, Tensor], Tensor]


def graph_of(b: Builder, inputs: list[Tensor], outputs: list[Tensor]) -> IntegerGraph:
    ports = tuple(InputPort(x, x.name, "int64", None) for x in inputs)
    outs = tuple(OutputPort(f"out{i}", x, "int64", None) for i, x in enumerate(outputs))
    return IntegerGraph("graph", ports, Block(b.nodes), outs)


def same(before: IntegerGraph, after: IntegerGraph) -> None:
    check(after)
    codes = random_codes(before, np.random.default_rng(0), 40)
    wanted, found = Golden(before).run(codes), Golden(after).run(codes)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, name)


def applied(run: Pass, graph: IntegerGraph) -> list[MatMul]:
    """The MatMuls of the pass's result, which is proven to be the same function."""
    check(graph)
    after = dead_code(run(graph))
    same(graph, after)
    return [n for n in walk(after.block) if isinstance(n, MatMul)]


def sizes(run: Pass, graph: IntegerGraph) -> list[tuple[int, ...]]:
    return [m.weights.shape for m in applied(run, graph)]


RISING = np.array([[1, 2, -1, 3], [2, -3, 1, 1], [-1, 1, 3, 2]])
"""Weights (3, 4) with neither equal nor zero columns."""


def cap(lo: int, hi: int) -> StepFunction:
    """0 to 5 from 0 on."""
    return StepFunction(lo, hi, np.arange(1, 6)[None], np.arange(6)[None])


def capped(b: Builder, x: Tensor) -> Tensor:
    return b.step(x, cap(x.lo, x.hi))


def two_layers(
    first: np.ndarray, second: np.ndarray, bias: np.ndarray | None = None,
    between: Elementwise = capped, outer: tuple[int, ...] = (1,),
) -> IntegerGraph:  # fmt: skip
    """x (*outer, K) -> MatMul -> what stands between -> MatMul -> output."""
    b = Builder()
    x = b.input((*outer, len(first)), -4, 4, name="x")
    y = between(b, b.matmul(x, first, bias, name="y"))
    return graph_of(b, [x], [b.matmul(y, second, np.arange(second.shape[1]))])


def test_nothing_leaves_where_all_channels_differ():
    graph = two_layers(RISING, RISING.T)
    assert shrink_rows(graph) is graph


def test_equal_channels_are_computed_once():
    first = RISING[:, [0, 1, 0, 2, 0]]
    second = np.arange(1, 11).reshape(5, 2)
    one, two = applied(shrink_rows, two_layers(first, second, np.array([1, 2, 1, 3, 1])))
    np.testing.assert_array_equal(one.weights, RISING[:, :3])
    assert one.bias is not None
    assert one.bias.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(two.weights, [[15, 18], [3, 4], [7, 8]])


EQUAL = RISING[:, [0, 1, 0, 2]]
TABLE = np.array([[1, 2, 3], [2, 3, 4], [1, 2, 3]])


def by_channel(*channel: int) -> Elementwise:
    def between(b: Builder, x: Tensor) -> Tensor:
        function = StepFunction(x.lo, x.hi, TABLE, np.arange(4)[None])
        return b.step(x, function, np.array(channel))

    return between


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
    one, two = applied(shrink_rows, two_layers(first, RISING.T, bias))
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
    graph = graph_of(b, [x], [b.matmul(y, second), b.matmul(capped(b, y), RISING.T)])
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
    assert sizes(shrink_rows, graph_of(b, [x], [out])) == [(3, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize("shape, left", [((1, 2, 4), 3), ((1, 8), 4)])
def test_reshapes_that_keep_the_last_axis(shape, left):
    b = Builder()
    x = b.input((2, 3), -4, 4, name="x")
    y = b.reshape(capped(b, b.matmul(x, EQUAL)), shape)
    out = b.matmul(y, np.arange(1, 3 * shape[-1] + 1).reshape(-1, 3))
    assert sizes(shrink_rows, graph_of(b, [x], [out]))[0] == (3, left)


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
    return dead_code(graph_of(b, [x], outs))


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
    graph = graph_of(b, [x], list(loop.outputs))
    assert sizes(shrink_rows, graph) == [(3, n), (3, n), (n, 3)]


def test_dead_chains_of_any_length():
    """Thirty layers: from the last to the first, in one go."""
    b = Builder()
    x = y = b.input((1, 2), 0, 3, name="x")
    for _ in range(30):
        y = b.step(b.matmul(y, np.array([[2, 1], [1, 2]])), cap(0, 15))
    for run in (shrink_rows, optimise):
        out = b.matmul(y, np.array([[1], [0]]))
        shapes = sizes(run, graph_of(b, [x], [out]))
        assert shapes[-2:] == [(2, 1), (1, 1)]
        assert len(shapes) == 31
    chain = Builder()
    x = y = chain.input((1, 2), 0, 3, name="x")
    for _ in range(30):
        y = chain.step(chain.matmul(y, np.diag([2, 1]) + [[0, 0], [1, 0]]), cap(0, 20))
    out = chain.matmul(y, np.array([[0], [1]]))
    graph = graph_of(chain, [x], [out])
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
    graph = graph_of(b, [x], [b.matmul(y, last)])
    before = sum(m.weights.size for m in applied(lambda g: g, graph))
    after = sum(m.weights.size for m in applied(shrink_rows, graph))
    assert after <= before
    last_n, last_copies = most[-1]
    if last_copies and y is z:
        assert applied(shrink_rows, graph)[-1].weights.shape[0] <= last_n
    applied(optimise, graph)


@pytest.mark.parametrize("bias, rest", [(None, 0), ([6, 12, -6, 0], 0), ([5, 11, -1, -7], 5)])
@pytest.mark.parametrize("channel", [None, (0, 1, 2, 1)])
def test_steps_take_the_factor_of_a_product(bias, rest, channel):
    between = capped if channel is None else by_channel(*channel)
    graph = two_layers(6 * RISING, RISING.T, None if bias is None else np.array(bias), between)
    one, _ = applied(divide_products, graph)
    np.testing.assert_array_equal(one.weights, RISING)
    if bias is not None:
        assert one.bias is not None
        assert (6 * one.bias + rest).tolist() == bias


def test_the_greatest_common_factor_of_weights_and_biases():
    one, _ = applied(divide_products, two_layers(12 * RISING, RISING.T, np.array([1, 9, 5, 1])))
    np.testing.assert_array_equal(one.weights, 3 * RISING)


@pytest.mark.parametrize("value", [True, False])
def test_an_index_of_the_greatest_takes_the_factor(value):
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    y = b.matmul(x, 4 * RISING, np.array([3, -1, 7, 3]))
    outs = list(b.argmax(y, False, True)) if value else [b.argmax(y)]
    (one,) = applied(divide_products, graph_of(b, [x], outs))
    np.testing.assert_array_equal(one.weights, RISING * (4 if value else 1))


def test_a_factor_stays_where_others_read_the_product():
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    outs: list[Tensor] = []
    for k in (2, 4, 8):
        y = b.matmul(x, k * RISING)
        outs += [capped(b, y), [y, b.binary("mul", y, y), b.matmul(y, RISING.T)][len(outs) // 2]]
    graph = graph_of(b, [x], outs)
    assert to_text(divide_products(graph)) == to_text(graph)
    no_factor = two_layers(RISING * 0, RISING.T)
    assert to_text(divide_products(no_factor)) == to_text(no_factor)


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_random_factors(seed):
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    factor = int(rng.integers(2, 17))
    bias = factor * rng.integers(-9, 9, 4) + int(rng.integers(-9, 9))
    y = b.matmul(x, factor * rng.integers(-3, 4, (3, 4)), bias)
    out = b.step(y, random_function(rng, y.lo, y.hi, 3), rng.integers(0, 3, 4))
    graph = graph_of(b, [x], [out, b.step(y, random_function(rng, y.lo, y.hi))])
    for one in applied(divide_products, graph):
        assert one.out.hi - one.out.lo <= (y.hi - y.lo) // factor


def test_steps_that_a_factor_makes_alike_make_equal_channels():
    """Thresholds 1, 2, 3 and 2, 3, 4 on multiples of 4."""
    graph = two_layers(4 * EQUAL, RISING.T, None, by_channel(0, 1, 1, 0))
    assert [m.weights.shape for m in applied(optimise, graph)] == [(3, 3), (3, 3)]
    assert [
        m.weights.shape for m in applied(lambda g: optimise(g, shrink=False), graph)
    ] == [(3, 4), (4, 3)]  # fmt: skip


class Planted(ModelBuilder):
    """In the layer of 8, neurons 1 and 5 are equal and 2 has no weights; 6 and 7 are not read."""

    def weight(
        self, codes: np.ndarray, scale: float | np.ndarray, bits: int, form: str = "int8",
        axis: int = -1,
    ) -> str:  # fmt: skip
        codes = codes.copy()
        if codes.shape == (6, 8):
            codes[:, 5], codes[:, 2] = codes[:, 1], 0
        else:
            codes[[6, 7]] = 0
        return super().weight(codes, scale, bits, form, axis)


def model() -> onnx.ModelProto:
    """Two layers; neuron 3 of the first is never active."""
    b = Planted()
    net = Layers(b, 4, True, 3, "int8")
    first, hidden = net.quantiser(1.0), net.quantiser(4.0, signed=False)
    x = b.quant(b.input("x", [1, 6]), first)
    offset = b.const([0, 0, 0, -16, 0, 0, 0, 0], hint="b")
    y = b.quant(b.op("Relu", b.op("Add", net.linear(x, first, 6, 8), offset)), hidden)
    b.output(net.linear(y, hidden, 8, 3), [1, 3], "logits")
    return b.model("planted")


def test_a_model_with_planted_neurons_in_hardware(tmp_path):
    """Three of eight neurons are left; the design is smaller, and is the model file to the bit."""
    onnx.save(model(), tmp_path / "planted.onnx")
    options = CompileOptions(target_fps=1e6, clock_mhz=100)
    made = compile_model(tmp_path / "planted.onnx", options)
    products = [n for n in made.streamlined.graph.block if isinstance(n, MatMul)]
    assert [m.weights.shape for m in products] == [(6, 3), (3, 3)]
    whole = optimise(made.streamlined.source, shrink=False)
    design = schedule(whole, ScheduleOptions(target_fps=1e6, clock_mhz=100))
    small, large = estimate(made.design), estimate(design)
    assert small.lut < large.lut
    assert small.ff < large.ff
    outcome = verified(made, AmaranthEngine(), 4, seed=0)
    assert outcome.passed, outcome
    assert outcome.equality.differing == 0


def test_text_and_onnx_of_a_shrunk_graph(tmp_path):
    onnx.save(model(), tmp_path / "planted.onnx")
    graph = compile_model(tmp_path / "planted.onnx").streamlined.graph
    assert to_text(graph).count("matmul") >= 2
    codes = random_codes(graph, np.random.default_rng(1), 8)
    exported = to_onnx(graph)
    onnx.checker.check_model(exported)
    feeds = {name: array.astype(np.float32) for name, array in codes.items()}
    found, wanted = run_qonnx(exported, feeds), Golden(graph).run(codes)
    for out in graph.outputs:
        np.testing.assert_array_equal(found[out.name], wanted[out.name])


def test_a_folding_may_be_of_the_whole_form(tmp_path):
    """Eight neurons have divisors that three do not; a fold of neither is refused."""
    onnx.save(model(), tmp_path / "planted.onnx")
    design = compile_model(tmp_path / "planted.onnx").design
    first = next(n for n in design.graph.block if isinstance(n, MatMul))
    name = next(k for k, origin in design.origins.items() if origin == first.out.name)
    for pe, columns in ((4, 8), (3, 3)):
        options = CompileOptions(folding={name: {"pe": pe, "simd": 1}})
        graph = compile_model(tmp_path / "planted.onnx", options).design.graph
        first = next(n for n in graph.block if isinstance(n, MatMul))
        assert first.weights.shape[1] == columns
    options = CompileOptions(folding={name: {"pe": 5, "simd": 1}})
    with pytest.raises(ThresherError, match="divide what it folds, not 5; choose from 1, 3"):
        compile_model(tmp_path / "planted.onnx", options)


def test_steps_are_shared_by_what_is_left():
    """Of a product's two steps both shrink."""
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    y = b.matmul(x, EQUAL)
    low = b.step(y, cap(y.lo, y.hi))
    high = b.step(y, StepFunction(y.lo, y.hi, np.array([[4, 8]]), np.array([[0, 1, 2]])))
    graph = graph_of(b, [x], [b.matmul(low, RISING.T), b.matmul(high, RISING.T)])
    after = dead_code(shrink_rows(graph))
    same(graph, after)
    assert [n.out.shape for n in after.block if isinstance(n, Step)] == [(1, 3), (1, 3)]
