"""The golden interpreter against the definition of each node, one sample at a time."""

import numpy as np
import pytest

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Block,
    Concat,
    GroupedMatMul,
    InputPort,
    IntegerGraph,
    Loop,
    MatMul,
    Node,
    OutputPort,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    Step,
    Tensor,
    Window,
)
from thresher.rtl.stepfunction import StepFunction
from zoo.image_graphs import random_image_graph
from zoo.integer_graphs import finish, random_codes, random_function, random_graph

Values = dict[str, np.ndarray]


def naive(block: Block, values: Values) -> None:
    """Python's own integers, by the words of ir.py."""
    for node in block:
        if isinstance(node, Loop):
            naive_loop(node, values)
        else:
            for x, value in zip(node.outputs, naive_node(node, values), strict=True):
                values[x.name] = np.asarray(value, dtype=object).reshape(x.shape)


def naive_loop(node: Loop, values: Values) -> None:
    states = [
        values[s.initial.name] if isinstance(s.initial, Tensor) else s.initial.astype(object)
        for s in node.states
    ]
    taken: list[list[np.ndarray]] = [[] for _ in node.scan_outputs]
    for t in range(node.steps):
        inside = {s.inner.name: values[s.outer.name][t] for s in node.scans}
        inside |= {s.inner.name: v for s, v in zip(node.states, states, strict=True)}
        naive(node.body, inside)
        states = [inside[s.update.name] for s in node.states]
        for row, out in zip(taken, node.scan_outputs, strict=True):
            row.append(inside[out.inner.name])
    for s, v in zip(node.states, states, strict=True):
        if s.final is not None:
            values[s.final.name] = v
    for row, out in zip(taken, node.scan_outputs, strict=True):
        values[out.outer.name] = np.stack(row)


def naive_node(node: Node, values: Values) -> list[object]:
    def side(x: Tensor | np.ndarray, shift: int) -> np.ndarray:
        return values[x.name] * 2**shift if isinstance(x, Tensor) else x.astype(object)

    match node:
        case MatMul(x, weights, bias):
            product = values[x.name] @ weights.astype(object)
            return [product if bias is None else product + bias]
        case Binary(op, x, y, shift_x, shift_y):
            a, b = side(x, shift_x), side(y, shift_y)
            return [a + b if op == "add" else a - b if op == "sub" else a * b]
        case Step(x, f, channel):
            c = np.broadcast_to(0 if channel is None else channel, x.shape).reshape(-1)
            flat = [int(v) for v in values[x.name].reshape(-1)]
            rows = [f.values[k if len(f.values) > 1 else 0] for k in c]
            counts = [sum(t <= a for t in f.thresholds[k]) for a, k in zip(flat, c, strict=True)]
            return [[int(r[n]) for r, n in zip(rows, counts, strict=True)]]
        case Reshape(x):
            return [values[x.name]]
        case Reorder(x, index):
            return [values[x.name].reshape(-1)[index]]
        case Concat(xs, axis):
            return [np.concatenate([values[x.name] for x in xs], axis)]
        case ArgMax(x, last, out, value):
            rows = values[x.name].reshape(-1, x.shape[-1]).tolist()
            sign, k = -1 if last else 1, out.shape[-1]
            best = [sorted(range(len(r)), key=lambda i: (-r[i], sign * i))[:k] for r in rows]
            taken = [[r[i] for i in b] for r, b in zip(rows, best, strict=True)]
            return [best] if value is None else [best, taken]
        case Window() | GroupedMatMul() | Reduce() | Repeat():
            return [naive_image(node, values[node.x.name])]
    raise TypeError(node)


def naive_image(node: Window | GroupedMatMul | Reduce | Repeat, x: np.ndarray) -> object:
    match node:
        case Reduce(op, _, out):
            rows = x.reshape(-1, *x.shape[-2:])
            picked = [[max(c) if op == "max" else sum(c) for c in r.T] for r in rows]
            return np.array(picked, dtype=object).reshape(out.shape)
        case Repeat(_, rows, columns):
            index = np.indices(node.out.shape)
            index[-3] //= rows
            index[-2] //= columns
            return x[tuple(index)]
        case GroupedMatMul(_, weights, bias):
            groups, k, n = weights.shape
            parts = [x[..., g * k : (g + 1) * k] @ weights[g].astype(object) for g in range(groups)]
            return np.concatenate(parts, axis=-1) + (0 if bias is None else bias)
    images = x.reshape(-1, *x.shape[-3:])
    return np.array([naive_window(node, image) for image in images], dtype=object)


def naive_window(node: Window, image: np.ndarray) -> list[object]:
    """The wider image, element by element; then what each place sees of it."""
    height, width, channels = image.shape
    wide: dict[tuple[int, int], list[object]] = {
        (h * node.upsample[0], w * node.upsample[1]): list(image[h, w])
        for h in range(height) for w in range(width)
    }  # fmt: skip
    size = channels // node.groups
    found: list[object] = []
    for oh in range(node.out.shape[-3]):
        for ow in range(node.out.shape[-2]):
            for g in range(node.groups):
                for kh in range(node.kernel[0]):
                    for kw in range(node.kernel[1]):
                        h = oh * node.strides[0] + kh * node.dilations[0] - node.pads[0]
                        w = ow * node.strides[1] + kw * node.dilations[1] - node.pads[1]
                        pixel = wide.get((h, w), [node.fill] * channels)
                        found += pixel[g * size : (g + 1) * size]
    return found


def expected(graph: IntegerGraph, codes: Values) -> Values:
    samples = []
    for i in range(len(next(iter(codes.values())))):
        values = {name: array[i].astype(object) for name, array in codes.items()}
        naive(graph.block, values)
        samples.append([values[o.tensor.name] for o in graph.outputs])
    return {
        o.name: np.stack([s[k] for s in samples]).astype(np.int64)
        for k, o in enumerate(graph.outputs)
    }


def same(found: Values, wanted: Values) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == np.int64
        np.testing.assert_array_equal(found[name], value, name)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    graph = random_graph(seed, loops=seed % 3)
    codes = random_codes(graph, np.random.default_rng(seed), 3)
    golden = Golden(graph)
    same(golden.run(codes), expected(graph, codes))
    same(golden.run(codes), expected(graph, codes))  # memory is used again


@pytest.mark.parametrize("seed", range(60))
def test_random_images(seed):
    graph = random_image_graph(seed, loop=seed % 3 == 0)
    codes = random_codes(graph, np.random.default_rng(seed), 3)
    golden = Golden(graph)
    same(golden.run(codes), expected(graph, codes))
    same(golden.run(codes), expected(graph, codes))  # memory is used again


@pytest.mark.parametrize("top", [1 << 10, 1 << 22, 1 << 30, 1 << 50, 1 << 54])
def test_images_of_every_width(top, rng):
    """Values beyond 2^24 and 2^53, where a narrower type would round."""
    b = Builder()
    x = b.input((1, 3, 2, 2), -top, top - 1, name="x")
    seen = b.window(x, (2, 2), pads=(1, 0, 0, 1), groups=2, fill=-3)
    outs = [
        seen,
        b.grouped_matmul(seen, rng.integers(-3, 4, (2, 4, 1)), np.array([1, -1])),
        b.grouped_matmul(seen, rng.integers(-3, 4, (2, 4, 2))),
        b.reduce("sum", b.reshape(seen, (3, 2, 4, 2))),
        b.reduce("max", b.reshape(seen, (3, 2, 4, 2))),
        b.reduce("sum", b.reshape(seen, (24, 2))),
        b.repeat(x, 2, 1),
    ]
    graph = finish(b, [x], outs)
    codes = random_codes(graph, rng, 20)
    same(Golden(graph).run(codes), expected(graph, codes))


def test_ports_keep_the_axes_of_the_model(rng):
    """Codes on the host are the model's, whatever order the streams have."""
    b = Builder()
    x = b.input((1, 3, 4, 2), -8, 7, name="x")
    y = b.reduce("max", x)
    ports = (InputPort(x, "x", "int64", None, order=(0, 2, 3, 1)),)
    outs = (
        OutputPort("y", y, "int64", None, (0, 2, 1)),
        OutputPort("z", x, "int64", None),
        OutputPort("same", x, "int64", None, (0, 2, 3, 1)),
    )
    graph = IntegerGraph("graph", ports, Block(b.nodes), outs)
    assert ports[0].shape == (1, 2, 3, 4)
    codes = rng.integers(-8, 8, (5, 1, 2, 3, 4))
    found = Golden(graph).run({"x": codes})
    np.testing.assert_array_equal(found["y"], codes.max(axis=-1))  # (N, 1, C, H)
    np.testing.assert_array_equal(found["z"], codes.transpose(0, 1, 3, 4, 2))
    np.testing.assert_array_equal(found["same"], codes)
    model = Golden(graph).run_model({"x": codes})
    np.testing.assert_array_equal(model["y"], found["y"])


@pytest.mark.parametrize("top", [1 << 10, 1 << 22, 1 << 30, 1 << 50, 1 << 54])
def test_every_width(top, rng):
    """Values beyond 2^24 and 2^53, where a narrower type would round."""
    b = Builder()
    x = b.input((1, 3), -top, top - 1, name="x")
    y = b.matmul(x, np.array([[1, 3], [5, -7], [1, 1]]), np.array([1, -1]))
    z = b.binary("add", b.binary("sub", y, np.array([[1, 2]]), 1), y, 0, 1)
    w = b.binary("add", b.reorder(x, np.array([[2, 1, 0]])), x, 0, 2)
    s = b.step(y, random_function(rng, y.lo, y.hi, 2, (-top, top)), np.array([[0, 1]]))
    t = b.step(w, random_function(rng, w.lo, w.hi, 1, (-5, 5)))
    outs = [y, z, w, s, t, b.concat([x, s], 1), *b.argmax(w, True, True), b.reshape(x, (3,))]
    graph = finish(b, [x], outs)
    codes = random_codes(graph, rng, 50)
    same(Golden(graph).run(codes), expected(graph, codes))


def test_many_channels_of_a_huge_interval(rng):
    b = Builder()
    x = b.input((1, 4), -(1 << 60), 1 << 60, name="x")
    y = b.step(x, random_function(rng, x.lo, x.hi, 4), np.arange(4)[None])
    graph = finish(b, [x], [y])
    codes = random_codes(graph, rng, 20)
    same(Golden(graph).run(codes), expected(graph, codes))


def test_states_that_change_places(rng):
    """Each state becomes the other; a shift register reads itself through a Reorder."""
    b, body = Builder(), None
    body = b.child()
    x = b.input((5, 1, 2), -3, 3, name="x")
    inner = b.scan_input(body, x)
    one, two, shift = (body.input((1, 2), -3, 3) for _ in range(3))
    turned = body.reorder(shift, np.array([[1, 0]]))
    start = np.array([[1, 2]])
    loop = b.loop(
        5, body, [(x, inner)],
        [(start, one, two, "a"), (-start, two, inner, "b"), (start, shift, turned, "c")],
        [(one, "ones"), (inner, "same")],
    )  # fmt: skip
    graph = finish(b, [x], list(loop.outputs))
    codes = random_codes(graph, rng, 4)
    same(Golden(graph).run(codes), expected(graph, codes))


def test_batches_of_any_size(monkeypatch):
    graph = random_graph(3)
    codes = random_codes(graph, np.random.default_rng(0), 11)
    whole = Golden(graph).run(codes)
    monkeypatch.setattr("thresher.compiler.integer.golden._CHUNK", 4 * Golden(graph)._elements)
    same(Golden(graph).run(codes), whole)
    none = Golden(graph).run({name: array[:0] for name, array in codes.items()})
    assert {name: a.shape for name, a in none.items()} == {
        o.name: (0, *o.tensor.shape) for o in graph.outputs
    }


def test_results_are_not_overwritten_by_the_next_run():
    b = Builder()
    x = b.input((2,), -(1 << 58), 1 << 58, name="x")
    graph = finish(b, [x], [x, b.binary("add", x, 1)])
    golden = Golden(graph)
    first = golden.run({"x": np.array([[1, 2]])})
    golden.run({"x": np.array([[3, 4]])})
    assert first["out0"].tolist() == [[1, 2]]
    assert first["out1"].tolist() == [[2, 3]]


def test_intermediates_of_loops_are_stacked():
    b = Builder()
    body = b.child()
    x = b.input((4, 1), 0, 3, name="x")
    inner = b.scan_input(body, x, name="inner")
    state = body.input((1,), 0, 3, name="state")
    total = body.binary("add", inner, state, name="total")
    cap = StepFunction.from_table(0, np.minimum(np.arange(7), 3)[None])
    update = body.step(total, cap, name="update")
    b.loop(4, body, [(x, inner)], [(np.zeros(1, int), state, update, "end")], [])
    graph = finish(b, [x], [b.nodes[0].outputs[0]])
    golden = Golden(graph)
    found = golden.intermediates({"x": np.array([[[1], [2], [3], [0]]])}, ["state", "total", "x"])
    assert found["state"].tolist() == [[[0], [1], [3], [3]]]
    assert found["total"].tolist() == [[[1], [3], [6], [3]]]
    assert found["x"].tolist() == [[[1], [2], [3], [0]]]
    with pytest.raises(KeyError, match="nowhere"):
        golden.intermediates({"x": np.zeros((1, 4, 1), int)}, ["nowhere"])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("gap", [1, 8, 100, 1 << 20, 1 << 40])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_every_kind_of_step(rng, channels, gap, count):
    """Tables, buckets and search; inputs next to each threshold and at the ends."""
    start = rng.integers(-50 * gap, 0, (channels, 1))
    gaps = gap + rng.integers(0, 2 * gap, (channels, count))
    thresholds = start + np.cumsum(gaps, axis=1)
    lo, hi = -(70 * gap) - 70_000, 40 * gap + 70_000
    thresholds[thresholds > hi] = hi + 1
    values = rng.integers(-300, 300, (channels, count + 1))
    function = StepFunction(lo, hi, thresholds, values)
    b = Builder()
    near = np.unique(np.clip(thresholds + np.arange(-1, 2).reshape(3, 1, 1), lo, hi))
    every = np.concatenate([near, rng.integers(lo, hi + 1, 100), [lo, hi]])
    x = b.input((channels, len(every)), lo, hi, name="x")
    channel = np.arange(channels)[:, None]
    graph = finish(b, [x], [b.step(x, function, channel if channels > 1 else None)])
    codes = {"x": np.broadcast_to(every, (1, *x.shape))}
    same(Golden(graph).run(codes), expected(graph, codes))
