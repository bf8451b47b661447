"""Constant addends go into the biases of products."""

import numpy as np
import pytest

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.passes.push_bias import push_bias
from zoo.integer_graphs import finish
from zoo.passcases import applied, kinds


def test_push_bias_into_a_matmul(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    row, every = rng.integers(-9, 9, (1, 4)), rng.integers(-9, 9, (2, 1))
    outs = []
    for op, turned, c in [("add", 0, row), ("add", 1, row), ("sub", 0, row), ("sub", 1, row)]:
        y = b.matmul(x, rng.integers(-3, 4, (3, 4)), rng.integers(-9, 9, 4))
        outs.append(b.binary(op, c, y) if turned else b.binary(op, y, c))
    assert kinds(applied(push_bias, finish(b, [x], outs))) == {"MatMul": 4}
    y = b.matmul(x, rng.integers(-3, 4, (3, 4)))
    keeps = [b.binary("add", y, every), b.binary("add", y, row, 1)]
    assert kinds(applied(push_bias, finish(b, [x], keeps))) == {"MatMul": 1, "Binary": 2}
    assert kinds(applied(push_bias, finish(b, [x], [b.binary("add", y, row), y]))) == {
        "MatMul": 1,
        "Binary": 1,
    }


@pytest.mark.parametrize("op", ["add", "sub"])
@pytest.mark.parametrize("first, shift", [(True, 0), (False, 0), (True, 2), (False, 1)])
def test_push_bias_through_a_sum(rng, op, first, shift):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 4), -8, 7, name="y")
    product = b.matmul(x, rng.integers(-3, 4, (3, 4)))
    if first:
        total = b.binary(op, product, y, 0, shift)
    else:
        total = b.binary(op, y, product, shift, 0)
    out = b.binary("sub", total, rng.integers(-9, 9, 4))
    assert kinds(applied(push_bias, finish(b, [x, y], [out]))) == {"MatMul": 1, "Binary": 1}


def test_push_bias_not_through_a_shift(rng):
    b = Builder()
    x, y = b.input((2, 3), -8, 7, name="x"), b.input((2, 4), -8, 7, name="y")
    weights = rng.integers(-3, 4, (3, 4))
    outs = [
        b.binary("add", b.binary("add", b.matmul(x, weights), y, 1), 5),
        b.binary("add", b.binary("sub", y, b.matmul(x, weights + 1), 0, 1), 5),
        b.binary("add", b.binary("add", b.matmul(x, weights + 2), y), 5, 1),
    ]
    assert kinds(applied(push_bias, finish(b, [x, y], outs))) == {"MatMul": 3, "Binary": 6}


def test_push_bias_from_before_a_matmul(rng):
    b = Builder()
    x = b.input((2, 3), -8, 7, name="x")
    weights = rng.integers(-3, 4, (3, 4))
    outs = [
        b.matmul(b.binary("add", x, np.array([1, 2, 3])), weights, np.array([1, 2, 3, 4])),
        b.matmul(b.binary("sub", x, 5), weights + 1),
        b.matmul(b.reshape(b.binary("add", 4, x), (1, 2, 3)), weights - 1),
    ]
    after = applied(push_bias, finish(b, [x], outs))
    assert kinds(after) == {"MatMul": 3, "Reshape": 1}
    keeps = [
        b.matmul(b.binary("sub", 5, x), weights),
        b.matmul(b.binary("add", x, 5, 1), weights),
        b.matmul(b.reshape(b.binary("add", x, np.array([1, 2, 3])), (3, 2)), weights[:2]),
    ]
    assert kinds(applied(push_bias, finish(b, [x], keeps)))["Binary"] == 3
