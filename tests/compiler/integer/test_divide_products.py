"""The common factor of a product is left to its steps; results stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.integer.passes.divide_products import divide_products
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.text import to_text
from zoo.integer_graphs import finish, random_function
from zoo.passcases import EQUAL, RISING, by_channel, capped, products, two_layers


@pytest.mark.parametrize("bias, rest", [(None, 0), ([6, 12, -6, 0], 0), ([5, 11, -1, -7], 5)])
@pytest.mark.parametrize("channel", [None, (0, 1, 2, 1)])
def test_steps_take_the_factor_of_a_product(bias, rest, channel):
    between = capped if channel is None else by_channel(*channel)
    graph = two_layers(6 * RISING, RISING.T, None if bias is None else np.array(bias), between)
    one, _ = products(divide_products, graph)
    np.testing.assert_array_equal(one.weights, RISING)
    if bias is not None:
        assert one.bias is not None
        assert (6 * one.bias + rest).tolist() == bias


def test_the_greatest_common_factor_of_weights_and_biases():
    one, _ = products(divide_products, two_layers(12 * RISING, RISING.T, np.array([1, 9, 5, 1])))
    np.testing.assert_array_equal(one.weights, 3 * RISING)


@pytest.mark.parametrize("value", [True, False])
def test_an_index_of_the_greatest_takes_the_factor(value):
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    y = b.matmul(x, 4 * RISING, np.array([3, -1, 7, 3]))
    outs = list(b.argmax(y, False, True)) if value else [b.argmax(y)]
    (one,) = products(divide_products, finish(b, [x], outs))
    np.testing.assert_array_equal(one.weights, RISING * (4 if value else 1))


def test_a_factor_stays_where_others_read_the_product():
    b = Builder()
    x = b.input((1, 3), -4, 4, name="x")
    outs: list[Tensor] = []
    for k in (2, 4, 8):
        y = b.matmul(x, k * RISING)
        outs += [capped(b, y), [y, b.binary("mul", y, y), b.matmul(y, RISING.T)][len(outs) // 2]]
    graph = finish(b, [x], outs)
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
    graph = finish(b, [x], [out, b.step(y, random_function(rng, y.lo, y.hi))])
    for one in products(divide_products, graph):
        assert one.out.hi - one.out.lo <= (y.hi - y.lo) // factor


def test_steps_that_a_factor_makes_alike_make_equal_channels():
    """Thresholds 1, 2, 3 and 2, 3, 4 on multiples of 4."""
    graph = two_layers(4 * EQUAL, RISING.T, None, by_channel(0, 1, 1, 0))
    assert [m.weights.shape for m in products(optimise, graph)] == [(3, 3), (3, 3)]
    assert [
        m.weights.shape for m in products(lambda g: optimise(g, shrink=False), graph)
    ] == [(3, 4), (4, 3)]  # fmt: skip
