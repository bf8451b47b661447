"""Which kernels a graph becomes."""

from collections import Counter

import numpy as np
import pytest
from graphparts import weights
from graphs import GRAPHS

from thresher.compiler.errors import ModelError
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import (
    Binary,
    Block,
    InputPort,
    IntegerGraph,
    Loop,
    LoopState,
    OutputPort,
    Reshape,
    Tensor,
)
from thresher.compiler.schedule.assemble import Netlist, assemble, lower
from thresher.rtl import loopstate
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fanout import core
from thresher.rtl.reorder import Reorder
from thresher.rtl.route import Select, Split
from zoo.integer_graphs import finish


def serial(graph: IntegerGraph) -> Netlist:
    lowered = lower(graph)
    return assemble(lowered, {n: next(r.foldings) for n, r in lowered.requests.items()})


def kinds(graph: IntegerGraph) -> Counter[str]:
    return Counter(type(core(kernel)).__name__ for kernel in serial(graph).kernels.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlp", {"MVAU": 2, "Step": 1, "Argmax": 1}),
        ("mlp_rows", {"MVAU": 1, "Step": 1}),
        ("residual", {"Fork": 1, "MVAU": 2, "Step": 2, "Elementwise": 1}),
        ("split_concat", {"MVAU": 1, "Step": 1, "Split": 1, "Sink": 1, "Fork": 1, "Concat": 1}),
        ("transpose", {"Fork": 1, "Reorder": 1, "Step": 1, "Select": 1}),
        ("rnn", {"MVAU": 2, "Elementwise": 1, "LoopState": 1}),
        ("rnn_last", {"MVAU": 2, "Concat": 1, "Step": 1, "LoopState": 1, "Argmax": 1}),
        ("one_step", {"Elementwise": 2, "Inject": 1}),
        ("last_only", {"MVAU": 1, "Select": 1}),
        ("wires", {"MVAU": 1, "Fork": 2, "Sink": 1}),
    ],
)
def test_kernels(name: str, expected: dict[str, int], rng: np.random.Generator) -> None:
    found = kinds(GRAPHS[name](rng))
    del found["WidthConverter"]
    assert found == expected


def test_gates_of_one_matmul_are_split_once(rng: np.random.Generator) -> None:
    kernels = [core(k) for k in serial(GRAPHS["lstm"](rng)).kernels.values()]
    (split,) = (k for k in kernels if isinstance(k, Split))
    assert split.segments == (4, 4, 4, 4)
    assert sum(isinstance(k, Elementwise) for k in kernels) == 5
    states = [k for k in kernels if isinstance(k, loopstate.LoopState)]
    assert [s.final for s in states] == [True, True]
    assert all(s.steps == 4 and s.initial == 0 for s in states)


def test_overlapping_parts_are_selected_each(rng: np.random.Generator) -> None:
    b = Builder()
    x = b.input((1, 8), -8, 7, name="x")
    parts = [b.reorder(x, np.arange(k, k + 4).reshape(1, 4)) for k in (0, 2)]
    found = kinds(finish(b, [x], parts))
    assert found == {"Fork": 1, "Select": 2}


def test_a_part_of_every_row_is_selected_in_the_row() -> None:
    b = Builder()
    x = b.input((5, 8), -8, 7, name="x")
    part = b.reorder(x, np.arange(40).reshape(5, 8)[:, 4:])
    lowered = lower(finish(b, [x], [part]))
    (request,) = lowered.requests.values()
    assert request.allowed == {"lanes": (1, 2, 4)}
    kernel = request.kernel({"lanes": 4})
    assert isinstance(kernel, Select)
    assert kernel.keep == (False, True)


def test_a_reversal_moves_whole_beats() -> None:
    b = Builder()
    x = b.input((5, 1, 6), -8, 7, name="x")
    back = b.reorder(x, np.arange(30).reshape(5, 1, 6)[::-1])
    (request,) = lower(finish(b, [x], [back])).requests.values()
    assert request.allowed == {"lanes": (1, 2, 3, 6)}
    kernel = request.kernel({"lanes": 6})
    assert isinstance(kernel, Reorder)
    assert kernel.index == (4, 3, 2, 1, 0)


def test_constants_take_their_shortest_period() -> None:
    b = Builder()
    x = b.input((3, 4), -8, 7, name="x")
    y = b.binary("add", x, np.tile([1, 2], 6).reshape(3, 4))
    (request,) = lower(finish(b, [x], [y])).requests.values()
    for lanes, constants in ((1, 2), (2, 2), (4, 4)):
        kernel = request.kernel({"lanes": lanes})
        assert isinstance(kernel, Elementwise)
        assert kernel.constant is not None
        assert len(kernel.constant) == constants


def test_dead_nodes_cost_nothing(rng: np.random.Generator) -> None:
    b = Builder()
    x = b.input((1, 4), -8, 7, name="x")
    b.matmul(x, weights(rng, 4, 4))
    assert kinds(finish(b, [x], [b.binary("add", x, 1)])) == {"Elementwise": 1}


def test_names_are_identifiers_and_unique() -> None:
    b = Builder()
    tensors = [b.input((2,), 0, 1, name=n) for n in ("/a.b:0", "_x", "clk", "a b 0", "3", "é")]
    lowered = lower(finish(b, tensors, tensors))
    names = [*lowered.inputs, *lowered.outputs]
    assert names[:6] == ["a_b_0", "x", "clk_2", "a_b_0_2", "t_3", "t"]
    assert len({n.lower() for n in names}) == 12
    assert all(n.isidentifier() and n.isascii() and "__" not in n for n in names)


@pytest.mark.parametrize("name", ["clk", "rst", "reset", "design"])
def test_no_port_is_called_what_a_top_or_a_shell_calls_something_else(name: str) -> None:
    b = Builder()
    x = b.input((2,), 0, 1, name=name)
    assert list(lower(finish(b, [x], [x])).inputs) == [f"{name}_2"]


def test_ports_of_one_source_are_named_by_tensor() -> None:
    x, y = Tensor("p", (2,), 0, 1), Tensor("q", (2,), 0, 1)
    graph = IntegerGraph(
        "g",
        (InputPort(x, "x", "int64", None), InputPort(y, "x", "int64", None)),
        Block(()),
        (OutputPort("y", x, "int64", None), OutputPort("z", y, "int64", None)),
    )
    assert list(lower(graph).inputs) == ["p", "q"]


def test_a_tensor_of_another_block_is_refused() -> None:
    x, h, y = Tensor("x", (2,), 0, 1), Tensor("h", (2,), 0, 2), Tensor("y", (2,), 0, 2)
    body = Block((Binary("add", h, Tensor("lost", (2,), 0, 1), 0, 0, y),))
    loop = Loop(2, (), (LoopState(x, h, y, Tensor("f", (2,), 0, 2)),), body, (), "loop")
    graph = IntegerGraph("g", (InputPort(x, "x", "int64", None),), Block((loop,)), ())
    with pytest.raises(ModelError, match="Binary 'lost': a node must read tensors of its own"):
        lower(graph)


def test_an_unknown_output_is_refused() -> None:
    x, y = Tensor("x", (2,), 0, 1), Tensor("y", (2,), 0, 1)
    graph = IntegerGraph(
        "g",
        (InputPort(x, "x", "int64", None),),
        Block((Reshape(y, Tensor("z", (2,), 0, 1)),)),
        (),
    )
    with pytest.raises(ModelError, match="Reshape 'y'"):
        lower(graph)
