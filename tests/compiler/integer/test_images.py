"""Nodes of images: what the builder makes of them, what the checker refuses, how they are shown."""

from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import IllegalGraphError, check
from thresher.compiler.integer.ir import (
    Block,
    GroupedMatMul,
    InputPort,
    IntegerGraph,
    Node,
    OutputPort,
    Reduce,
    Repeat,
    Reshape,
    Tensor,
    Window,
)
from thresher.compiler.integer.text import to_text
from thresher.rtl.windowplan import places


def graph_of(b: Builder, x: Tensor, y: Tensor) -> IntegerGraph:
    port = InputPort(x, "x", "int64", None, order=(0, 2, 3, 1))
    return IntegerGraph("g", (port,), Block(b.nodes), (OutputPort("y", y, "int64", None, (1, 0)),))


def small() -> IntegerGraph:
    b = Builder()
    x = b.input((1, 3, 4, 2), 2, 7, name="x")
    seen = b.window(x, (2, 3), strides=(1, 2), pads=(1, 0, 0, 1), groups=2, fill=-1, name="seen")
    sums = b.grouped_matmul(seen, np.ones((2, 6, 1), int), np.array([1, 2]), name="sums")
    wide = b.repeat(sums, 2, 1, name="wide")
    rows = b.reshape(wide, (1, 12, 2), name="rows")
    return graph_of(b, x, b.reduce("max", rows, name="top"))


def test_listing() -> None:
    assert to_text(small()) == dedent("""\
        graph g
            input %x: uint3[1,3,4,2] in [2, 7] = as it is of x = 'x' int64, its axes as 0, 2, 3, 1
            %seen: int4[1,3,2,12] in [-1, 7] = window(%x; 2 x 3; stride 1, 2; pads 1, 0, 0, 1; fill -1; 2 groups)
            %sums: uint6[1,3,2,2] in [1, 44] = matmul(%seen; 2 groups of 6 x 1, bias, weights in [1, 1])
            %wide: uint6[1,6,2,2] in [1, 44] = repeat(%sums; rows 2, columns 1)
            %rows: uint6[1,12,2] in [1, 44] = reshape(%wide)
            %top: uint6[1,2] in [1, 44] = max(%rows; over 12)
            output 'y' int64 = %top, its axes as 1, 0
        """)  # noqa: E501


def test_places() -> None:
    """Two pixels set apart by two, one place before them and two behind."""
    found = places(2, 3, 1, 1, (1, 2), 2)
    assert found.tolist() == [[-1, 0, -1], [0, -1, 1], [-1, 1, -1], [1, -1, -1]]
    assert places(5, 2, 2, 3, (0, 0), 1).tolist() == [[0, 3]]
    assert places(2, 3, 1, 1, (0, 0), 1).shape == (0, 3)


def test_what_sees_single_pixels_is_no_window() -> None:
    b = Builder()
    x = b.input((1, 3, 3, 2), 0, 3)
    assert b.window(x, (1, 1), dilations=(2, 3), groups=2) is x
    assert b.repeat(x, 1, 1) is x
    assert b.reduce("max", b.reshape(x, (9, 1, 2))).shape == (9, 2)
    assert [type(n) for n in b.nodes] == [Reshape, Reshape]
    assert b.window(x, (2, 2)) is b.window(x, (2, 2), fill=5)  # nothing is filled


def test_pads_join() -> None:
    b = Builder()
    x = b.input((1, 3, 3, 2), 0, 3)
    padded = b.window(x, (1, 1), pads=(1, 0, 0, 2), fill=3)
    joined = b.producer(b.window(padded, (2, 2), pads=(0, 1, 1, 0), fill=3))
    assert isinstance(joined, Window)
    assert (joined.x, joined.pads, joined.fill) == (x, (1, 1, 1, 2), 3)
    plain = b.producer(b.window(padded, (2, 2)))
    assert isinstance(plain, Window)
    assert (plain.x, plain.pads, plain.fill) == (x, (1, 0, 0, 2), 3)
    for other in (
        b.window(padded, (2, 2), pads=(0, 1, 1, 0), fill=2),
        b.window(padded, (2, 2), upsample=(2, 1), fill=3),
    ):
        kept = b.producer(other)
        assert isinstance(kept, Window)
        assert kept.x is padded


def test_bounds_are_those_of_each_channel_and_of_pads_where_there_are_any() -> None:
    b = Builder()
    x = b.input((1, 3, 3, 1), 2, 3)
    both = b.concat([x, b.binary("mul", x, 10)], 3)
    seen = b.bounds(b.window(both, (2, 1), pads=(1, 0, 0, 0), fill=0))
    assert seen.low.reshape(-1).tolist() == [0, 0, 2, 20]
    assert seen.high.reshape(-1).tolist() == [3, 30, 3, 30]
    sums = b.grouped_matmul(both, np.array([[[1]], [[-1]]]))
    assert b.bounds(sums).low.reshape(-1).tolist() == [2, -30]
    total = b.reduce("sum", b.reshape(both, (9, 2)))
    assert b.bounds(total).high.tolist() == [27, 270]


def test_sums_that_no_accumulator_holds_are_refused() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 2), -(1 << 59), 1 << 59)
    with pytest.raises(ModelError, match="Reduce 'all': the accumulator must fit 62 bits"):
        b.reduce("sum", b.reshape(x, (16, 2)), name="all")
    with pytest.raises(ModelError, match="GroupedMatMul 'g': the accumulator must fit 62 bits"):
        b.grouped_matmul(x, np.full((2, 1, 1), 9), name="g")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda b, x: b.window(x, (0, 1)), "must be positive"),
        (lambda b, x: b.window(x, (4, 1)), r"kernel \(4, 1\) must fit"),
        (lambda b, x: b.window(x, (1, 1), groups=2), "C a multiple of 2"),
        (lambda b, x: b.window(x, (1, 1), pads=(0, -1, 0, 0)), "must be positive"),
        (lambda b, x: b.grouped_matmul(x, np.ones((2, 2, 1), int)), r"weights must be \(G, K, N\)"),
        (
            lambda b, x: b.grouped_matmul(x, np.ones((3, 1, 1), int), np.ones(2, int)),
            r"bias must be \(3,\)",
        ),
        (lambda b, x: b.reduce("min", x), "op must be 'max' or 'sum'"),
        (lambda b, x: b.repeat(x, 0, 1), "0 x 1 times"),
    ],
)
def test_builder_refuses(make, words):
    b = Builder()
    with pytest.raises(ValueError, match=words):
        make(b, b.input((1, 3, 3, 3), 0, 1))


def changed(graph: IntegerGraph, kind: type, **how: object) -> IntegerGraph:
    def change(node: Node) -> Node:
        return replace(node, **how) if isinstance(node, kind) else node  # type: ignore[arg-type]

    return replace(graph, block=Block(tuple(map(change, graph.block))))


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [
        (Window, {"strides": (1, 1)}, "Window 'seen': shape must be"),
        (Window, {"fill": -2}, "must hold"),
        (Window, {"kernel": (9, 9)}, "must fit"),
        (Window, {"groups": 3}, "groups 3"),
        (Window, {"pads": (1, 0, 0, -1)}, "pads"),
        (Window, {"dilations": (0, 1)}, "must be positive"),
        (GroupedMatMul, {"weights": np.ones((3, 6, 1), int)}, r"x must be \(..., 18\)"),
        (GroupedMatMul, {"weights": np.ones((2, 6, 1))}, "weights must be int64"),
        (GroupedMatMul, {"weights": np.full((2, 6, 1), 2)}, "must hold"),
        (GroupedMatMul, {"bias": np.array([1])}, "bias"),
        (Repeat, {"rows": 3}, "shape must be"),
        (Repeat, {"columns": 0}, "times"),
        (Reduce, {"op": "sum"}, "must hold"),
        (Reduce, {"op": "mean"}, "mean of"),
    ],
)
def test_checker_names_what_is_wrong(kind, how, words):
    check(small())
    with pytest.raises(IllegalGraphError, match=words):
        check(changed(small(), kind, **how))


def test_ports_have_all_axes_of_their_tensors() -> None:
    graph = small()
    for wrong in ((0, 1, 2), (0, 1, 1, 2)):
        port = replace(graph.inputs[0], order=wrong)
        with pytest.raises(IllegalGraphError, match=r"input 'x': order \(0, 1,"):
            check(replace(graph, inputs=(port,)))
