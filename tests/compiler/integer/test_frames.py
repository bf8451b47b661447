"""Several samples as one frame: the same function, sample by sample, and where samples stand."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import GRAPHS

from thresher.compiler.errors import ThresherError
from thresher.compiler.importer import import_model
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.frames import Framed, framed
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph, Loop, Reorder, Tensor
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.places import place_of
from thresher.compiler.streamline import streamline
from thresher.sim.packing import to_frames, to_samples
from zoo import load, names
from zoo.image_graphs import random_image_graph
from zoo.integer_graphs import finish
from zoo.rtl import streamlined

LOOPS = [
    name for name, make in GRAPHS.items()
    if any(isinstance(n, Loop) for n in walk(make(np.random.default_rng(0)).block))
]  # fmt: skip


def assert_same(graph: IntegerGraph, samples: int, rng: np.random.Generator) -> Framed:
    """The frame's graph is legal and gives what the samples give one by one."""
    frame = framed(graph, samples)
    check(frame.graph)

    def codes(x: Tensor) -> np.ndarray:
        return rng.integers(x.lo, x.hi, (2 * samples, *x.shape), endpoint=True)

    inputs = {p.tensor.name: codes(p.tensor) for p in graph.inputs}
    packed = {
        (name := p.tensor.name): to_frames(inputs[name], samples, frame.places[name]).reshape(
            2, *p.tensor.shape
        )
        for p in frame.graph.inputs
    }
    found, expected = Golden(frame.graph).run(packed), Golden(graph).run(inputs)
    for port in graph.outputs:
        place = frame.places[port.tensor.name]
        values = to_samples(found[port.name], port.tensor.shape, samples, place)
        np.testing.assert_array_equal(values, expected[port.name], err_msg=port.name)
    return frame


def reorders(frame: Framed) -> int:
    return sum(isinstance(node, Reorder) for node in walk(frame.graph.block))


@pytest.mark.parametrize("samples", [2, 5])
@pytest.mark.parametrize("name", LOOPS)
def test_every_structure(name: str, samples: int, rng: np.random.Generator) -> None:
    assert_same(GRAPHS[name](rng), samples, rng)


@pytest.mark.parametrize("name", [n for n in names() if n.startswith(("lstm", "gru", "stacked"))])
def test_models(name: str, rng: np.random.Generator) -> None:
    """No loop of the zoo needs a whole frame in a memory, but where it runs backwards."""
    graph = streamlined(name)
    before = sum(isinstance(node, Reorder) for node in walk(graph.block))
    assert reorders(assert_same(graph, 3, rng)) == before


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("seed", range(16))
def test_images(seed: int, samples: int, rng: np.random.Generator) -> None:
    assert_same(random_image_graph(seed, loop=True), samples, rng)


def test_orders_of_axes_are_the_hosts(rng: np.random.Generator) -> None:
    graph = streamline(import_model(load("conv_lstm_float_scales").model)).graph
    graph = replace(graph, inputs=(replace(graph.inputs[0], order=(0, 1, 2, 3)),))
    assert all(p.order is None for p in framed(graph, 2).graph.inputs)
    check(framed(graph, 2).graph)


def test_one_sample_is_the_graph_itself(rng: np.random.Generator) -> None:
    graph = GRAPHS["lstm"](rng)
    assert framed(graph, 1).graph is graph
    assert set(framed(graph, 1).places.values()) == {0}


def test_sequences_step_by_step_and_all_else_sample_by_sample(rng: np.random.Generator) -> None:
    places = assert_same(GRAPHS["rnn_input"](rng), 4, rng).places
    assert places == {"x": 1, "h0": 0, "h_last": 0, "hs": 1}
    # (1, 5, 4): the steps are the second axis
    assert assert_same(GRAPHS["rnn_last"](rng), 4, rng).places == {"x": 2, "argmax": 0}


def loop_over(b: Builder, x: Tensor) -> Tensor:
    """The rows of `x`, each one step late."""
    body = b.child()
    u = b.scan_input(body, x)
    s = body.input(u.shape, x.lo, x.hi, name=f"s_{x.name}")
    start = np.full(u.shape, x.lo, dtype=np.int64)
    made = b.loop(x.shape[0], body, [(x, u)], [(start, s, u, None)], [(s, f"ys_{x.name}")])
    return made.scan_outputs[0].outer


def test_what_stands_otherwise_is_moved(rng: np.random.Generator) -> None:
    """A layer over all steps takes samples one by one, so the frame is reordered before it."""
    b = Builder()
    x = b.input((3, 2), -4, 3, name="x")
    flat = b.reshape(loop_over(b, x), (1, 6))
    frame = assert_same(finish(b, [x], [b.matmul(flat, rng.integers(-3, 4, (6, 5)))]), 3, rng)
    assert reorders(frame) == 1
    assert frame.places["x"] == 1


def test_two_loops_along_different_axes(rng: np.random.Generator) -> None:
    """One input, read along rows and along columns: one of them needs its own order."""
    b = Builder()
    x = b.input((3, 2), -4, 3, name="x")
    columns = b.reorder(x, np.arange(6).reshape(3, 2).T)
    rows, others = loop_over(b, x), loop_over(b, columns)
    back = b.reorder(others, np.arange(6).reshape(2, 3).T)
    total = b.binary("add", rows, back)
    assert_same(finish(b, [x], [total, others]), 2, rng)


def test_operands_that_stand_differently(rng: np.random.Generator) -> None:
    """An input that the loop gives back, beside one that nothing but the sum reads."""
    b = Builder()
    x, y = b.input((3, 2), -4, 3, name="x"), b.input((3, 2), -4, 3, name="y")
    ys = loop_over(b, x)
    total = b.binary("sub", b.binary("add", y, np.array([[1], [2], [3]])), ys)
    index = b.argmax(total)
    assert_same(finish(b, [x, y], [total, index, b.concat([ys, y], 0)]), 4, rng)


def test_places() -> None:
    assert place_of((1, 5, 4), 5) == 2
    assert place_of((5, 1, 4), 5) == 1
    assert place_of((5, 4), 2) is None
    assert place_of((5, 4), 20) == 2


def test_refused(rng: np.random.Generator) -> None:
    with pytest.raises(
        ThresherError,
        match=r"^interleave: model 'graph' must have a recurrence \(a Scan\) for 2 sequences to "
        r"share, not none; leave --interleave away$",
    ):
        framed(GRAPHS["mlp"](rng), 2)
    with pytest.raises(ThresherError, match=r"^interleave must be at least 1, not 0$"):
        framed(GRAPHS["rnn"](rng), 0)
