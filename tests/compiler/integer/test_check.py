"""The checker accepts what the builder makes and names what is broken."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import IllegalGraphError, check
from thresher.compiler.integer.ir import (
    Block,
    InputPort,
    IntegerGraph,
    Loop,
    Node,
    OutputPort,
    Tensor,
)
from thresher.rtl.stepfunction import StepFunction
from zoo.integer_graphs import random_graph


@pytest.mark.parametrize("seed", range(20))
def test_accepts_random_graphs(seed):
    check(random_graph(seed, loops=2))


def small() -> IntegerGraph:
    """x -> matmul -> add -> loop(step of scan and state) -> argmax."""
    b = Builder()
    x = b.input((3, 1, 2), -4, 3, name="x")
    product = b.matmul(x, np.array([[1, 2], [3, 4]]), np.array([1, 2]), name="product")
    total = b.binary("add", product, np.array([1, 2]), name="total")
    body = b.child()
    inner = b.scan_input(body, total, name="inner")
    state = body.input((1, 2), -1, 1, name="state")
    both = body.binary("add", inner, state, name="both")
    sign = StepFunction(both.lo, both.hi, np.array([[0], [1]]), np.array([[-1, 1]]))
    update = body.step(both, sign, np.array([0, 1]), name="update")
    zero = np.zeros((1, 2), int)
    loop = b.loop(
        3, body, [(total, inner)], [(zero, state, update, "end")], [(update, "all")], name="loop"
    )
    flat = b.reshape(loop.outputs[1], (1, 6), name="flat")
    back = b.reorder(flat, np.arange(6)[None, ::-1], name="back")
    joined = b.concat([back, flat], 1, name="joined")
    best = b.argmax(joined, name="best")
    outputs = (
        OutputPort("best", best, "int64", None),
        OutputPort("end", loop.outputs[0], "", None),
    )
    return IntegerGraph("small", (InputPort(x, "x", "int64", None),), Block(b.nodes), outputs)


def changed(name: str, change: Callable[[Node], Node]) -> IntegerGraph:
    """`small` with one node exchanged, in whatever block it is."""

    def block(old: Block) -> Block:
        nodes = []
        for node in old:
            if isinstance(node, Loop):
                node = replace(node, body=block(node.body))
            hit = (node.name if isinstance(node, Loop) else node.outputs[0].name) == name
            nodes.append(change(node) if hit else node)
        return Block(tuple(nodes))

    graph = small()
    return replace(graph, block=block(graph.block))


def out(**change: object) -> Callable[[Node], Node]:
    return lambda n: replace(n, out=replace(n.out, **change))  # type: ignore[union-attr, arg-type]


def field(**change: object) -> Callable[[Node], Node]:
    return lambda n: replace(n, **change)  # type: ignore[arg-type]


def state(**change: object) -> Callable[[Node], Node]:
    return lambda n: replace(n, states=(replace(n.states[0], **change),))  # type: ignore


STRAY = Tensor("stray", (3, 1, 2), 0, 0)


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("product", out(lo=0), r"MatMul 'product': interval \[0, 20\] of 'product' must hold"),
        ("product", out(shape=(3, 2)), r"MatMul 'product': shape must be \(3, 1, 2\)"),
        ("product", out(name="x"), "name 'x' is taken"),
        ("product", field(x=STRAY), "'stray' is not defined before its use"),
        ("product", field(weights=np.ones((3, 2), int)), r"x must be \(..., 3\)"),
        ("product", field(weights=np.ones((2, 2))), "weights must be int64"),
        ("product", field(bias=np.ones(3, int)), r"bias must be \(2,\)"),
        ("product", out(hi=1 << 62), r"interval \[.*\] of 'product'"),
        ("product", out(hi=np.int64(99)), "must be ints"),
        ("product", field(weights=np.full((2, 2), 1 << 60)), "accumulator of"),
        ("total", field(op="mul", shift_x=1), "shift 1 of mul"),
        ("total", field(op="div"), "op 'div'"),
        ("total", field(shift_y=1), "shift of a constant must be 0"),
        ("total", field(y=np.ones(2, int)), r"constant \(2,\) must broadcast"),
        ("total", field(x=np.ones((1, 1, 1), int)), "one operand must be a tensor"),
        ("both", out(hi=0), "Binary 'both': interval"),
        ("update", field(channel=None), "2 channels need their places"),
        ("update", field(channel=np.array([[0, 2]])), "channel out of range"),
        ("update", field(channel=np.array([0, 1])), r"channel \(2,\) must broadcast"),
        (
            "update",
            field(function=StepFunction(0, 3, np.array([[1]]), np.array([[0, 1]]))),
            r"function on \[0, 3\] must cover x",
        ),
        ("loop", field(steps=4), r"'total' must be \(4, 1, 2\)"),
        ("loop", field(steps=0), "steps must be at least 1"),
        ("loop", field(name="x"), "name 'x' is taken"),
        ("loop", state(initial=np.full((1, 2), 2)), r"'state' must hold \[2, 2\]"),
        ("loop", state(initial=np.zeros(2, int)), "initial of 'state'"),
        ("loop", state(update=STRAY), "Loop 'loop': 'stray' is not defined"),
        ("loop", state(final=Tensor("end", (1, 2), 0, 1)), r"of 'end' must hold \[-1, 1\]"),
        ("loop", field(scans=()), "Binary 'both': 'inner' is not defined"),
        ("loop", field(scan_outputs=()), "'all' is not defined before its use"),
        ("flat", out(shape=(7,)), "must have one size"),
        ("back", field(index=np.array([[6]])), "index out of range"),
        ("joined", field(axis=2), "axis 2"),
        ("joined", out(shape=(1, 6)), r"shape must be \(1, 12\)"),
        ("best", out(hi=2), r"must hold \[0, 11\]"),
    ],
)
def test_names_the_broken_node_and_rule(name, change, words):
    with pytest.raises(IllegalGraphError, match=words):
        check(changed(name, change))


def test_order_counts():
    graph = small()
    turned = Block(tuple(reversed(graph.block.nodes)))
    with pytest.raises(IllegalGraphError, match="not defined before its use"):
        check(replace(graph, block=turned))


def test_ports_are_checked():
    graph = small()
    port = graph.inputs[0]
    other = replace(port, tensor=replace(port.tensor, name="other"), dtype="int8")
    with pytest.raises(IllegalGraphError, match="ports of one source differ"):
        check(replace(graph, inputs=(port, other)))
    with pytest.raises(IllegalGraphError, match="output names must be unique"):
        check(replace(graph, outputs=(graph.outputs[0], graph.outputs[0])))
    with pytest.raises(IllegalGraphError, match="output 'best': 'stray' is not defined"):
        check(replace(graph, outputs=(replace(graph.outputs[0], tensor=STRAY),)))
