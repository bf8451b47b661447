"""Bounds are what exhaustive search finds."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.compiler.integer import intervals
from thresher.compiler.integer.intervals import Bounds
from zoo.integer_graphs import random_function

ENDS = st.tuples(st.integers(-5, 5), st.integers(-5, 5)).map(sorted)
OPS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def bounds(ends: list[list[int]]) -> Bounds:
    array = np.array(ends, dtype=np.int64)
    return Bounds(array[:, 0], array[:, 1])


def extremes(found: Bounds, shape: tuple[int, ...]) -> np.ndarray:
    whole = found.broadcast(shape)
    return np.stack([whole.low, whole.high])


@given(st.lists(ENDS, min_size=2, max_size=3), st.integers(0, 99))
def test_matmul_is_tight(ends, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, (len(ends), 2))
    bias = rng.integers(-9, 9, 2)
    every = np.array(list(itertools.product(*(range(a, b + 1) for a, b in ends))))
    results = every @ weights + bias
    found = extremes(intervals.of_matmul(bounds(ends), weights, bias), (2,))
    assert np.array_equal(found, [results.min(axis=0), results.max(axis=0)])


@given(ENDS, ENDS, st.sampled_from(sorted(OPS)), st.integers(0, 2), st.booleans())
def test_binary_is_tight(a, b, op, shift, same):
    shift_x, shift_y = (0, 0) if op == "mul" else (shift, 1)
    xs, ys = np.arange(a[0], a[1] + 1), np.arange(b[0], b[1] + 1)
    if same:
        results = OPS[op](xs << shift_x, xs << shift_y)
        found = intervals.of_binary(op, bounds([a]), bounds([a]), shift_x, shift_y, True)
    else:
        results = OPS[op]((xs << shift_x)[:, None], (ys << shift_y)[None])
        found = intervals.of_binary(op, bounds([a]), bounds([b]), shift_x, shift_y, False)
    assert (found.lo, found.hi) == (results.min(), results.max())


@given(st.lists(ENDS, min_size=4, max_size=4), st.integers(0, 99))
def test_step_is_tight_element_by_element(ends, seed):
    rng = np.random.default_rng(seed)
    function = random_function(rng, -5, 5, channels=3).minimal()
    channel = rng.integers(0, function.channels, 4)
    found = extremes(intervals.of_step(bounds(ends), function, channel), (4,))
    for i, (lo, hi) in enumerate(ends):
        reached = function(np.arange(lo, hi + 1), channel[i])
        assert list(found[:, i]) == [reached.min(), reached.max()]


def test_moves_keep_each_element_with_its_bounds():
    x = bounds([[0, 1], [2, 3], [4, 5], [6, 7]])
    moved = intervals.of_reorder(x, (4,), np.array([[3, 0]]))
    assert extremes(moved, (1, 2)).tolist() == [[[6, 0]], [[7, 1]]]
    joined = intervals.of_concat([moved, moved], [(1, 2), (1, 2)], 0)
    assert joined.low.shape == (1, 2)  # the same along axis 0
    stack = intervals.unstacked(intervals.of_reshape(x, (4,), (2, 2)))
    assert extremes(stack, (2,)).tolist() == [[0, 2], [5, 7]]
    index, value = intervals.of_argmax(x, 4)
    assert (index.lo, index.hi, value.lo, value.hi) == (0, 3, 6, 7)
    _, values = intervals.of_argmax(x, 4, 3)
    assert extremes(values, (3,)).tolist() == [[6, 4, 2], [7, 5, 3]]


def test_sums_that_pass_62_bits_on_the_way_are_refused():
    x = bounds([[0, 1 << 60], [0, 1 << 60]])
    with pytest.raises(intervals.AccumulatorOverflow, match="63 bits"):
        intervals.of_matmul(x, np.array([[1], [1]]), None)
    assert intervals.of_matmul(bounds([[0, 1 << 60]]), np.array([[1]]), None).hi == 1 << 60
