"""Tensors that are known take no products, sums or windows."""

import numpy as np
import pytest

from thresher.compiler.importer import import_model
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Step, Tensor
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.passes.known_values import known_values
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.streamline import streamline
from thresher.rtl.stepfunction import StepFunction
from zoo import load
from zoo.integer_graphs import finish
from zoo.passcases import applied, kinds


def saturated(b: Builder, x: Tensor) -> Tensor:
    """Codes 1 and 2 in turn, whatever x is."""
    flat = np.zeros((2, 0), np.int64)
    return b.step(x, StepFunction(x.lo, x.hi, flat, np.array([[1], [2]])), np.arange(4) % 2)


@pytest.mark.parametrize("columns", [2, 3, 6])
def test_products_of_known_values_are_not_computed(rng: np.random.Generator, columns: int) -> None:
    b = Builder()
    x = b.input((2, 4), -8, 7, name="x")
    y = b.matmul(saturated(b, x), rng.integers(-3, 4, (4, columns)), rng.integers(-9, 9, columns))
    z = b.grouped_matmul(saturated(b, x), rng.integers(-3, 4, (2, 2, columns)))
    after = applied(known_values, finish(b, [x], [y, z]))
    assert kinds(after).keys() <= {"Step", "Reorder"}
    assert all(n.function.thresholds.size == 0 for n in walk(after.block) if isinstance(n, Step))


@pytest.mark.parametrize("op", ["add", "sub", "mul"])
@pytest.mark.parametrize("first", [True, False])
def test_known_operands_become_constants(op: str, first: bool) -> None:
    b = Builder()
    x = b.input((2, 4), -8, 7, name="x")
    shift = 0 if op == "mul" else 2
    one, other = (saturated(b, x), x) if first else (x, saturated(b, x))
    y = b.binary(op, one, other, shift, 0)
    assert kinds(applied(known_values, finish(b, [x], [y]))) == {"Binary": 1}
    both = b.binary(
        op, saturated(b, x), b.reorder(saturated(b, x), np.arange(8)[::-1].reshape(2, 4))
    )
    assert kinds(applied(known_values, finish(b, [x], [both]))) == {"Step": 1}


def test_what_others_read_is_stated() -> None:
    b = Builder()
    x = b.input((2, 4), -8, 7, name="x")
    y = b.concat([x, b.matmul(saturated(b, x), np.eye(4, dtype=np.int64))], 1)
    after = applied(known_values, finish(b, [x], [y]))
    assert kinds(after) == {"Concat": 1, "Step": 1}
    assert kinds(optimise(after)) == kinds(after)


def test_a_network_that_ends_in_saturation() -> None:
    """Its grouped products see zeros, whatever the input is."""
    graph = streamline(import_model(load("saturated").model))
    assert kinds(graph.source)["GroupedMatMul"] == 2
    assert kinds(graph.graph)["GroupedMatMul"] == 0


def test_a_loop_goes_on_reading_what_is_known() -> None:
    b = Builder()
    x = b.input((3, 1, 4), -8, 7, name="x")
    known = saturated(b, x)
    body = b.child()
    now, state = b.scan_input(body, known), body.input((1, 4), -8, 7)
    total = body.binary("add", now, state)
    cap = StepFunction.from_table(total.lo, np.clip(np.arange(total.lo, total.hi + 1), -8, 7)[None])
    states = [(np.zeros((1, 4), int), state, body.step(total, cap), None)]
    loop = b.loop(3, body, [(known, now)], states, [(total, "all")])
    after = optimise(finish(b, [x], [loop.outputs[0]]))
    assert [p.tensor.name for p in after.inputs] == ["x"]
    assert kinds(after) == {"Step": 2, "Loop": 1, "Binary": 1}
