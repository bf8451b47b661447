"""Closing expressions: against the definition, at every integer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.compiler.expr import Apply, Constant, Expr, Leaf, evaluate
from thresher.compiler.streamline import steps
from thresher.compiler.streamline.steps import NotFinite, NotMonotone, find_steps


def quantised(inner: Expr, scale: float, lo: int = -32, hi: int = 31) -> Expr:
    return Apply("Quantize", (inner, Constant(np.array([scale], np.float32))), {"lo": lo, "hi": hi})


def scaled(scale: object) -> Expr:
    return Apply("Scale", (Leaf(), Constant(np.asarray(scale, np.float64))))


def naive(expr: Expr, lo: int, hi: int) -> np.ndarray:
    """The value at each integer, one by one."""
    return np.stack([evaluate(expr, np.array([a])) for a in range(lo, hi + 1)], axis=-1)


@given(
    st.sampled_from(["Identity", "Sigmoid", "Tanh", "Relu", "Neg"]),
    st.floats(1e-4, 0.5),
    st.floats(0.003, 0.5),
    st.booleans(),
)
def test_tabulated_equals_bisected_equals_the_definition(op, scale, step, unsigned):
    expr = quantised(Apply(op, (scaled([scale]),)), step, *((0, 63) if unsigned else (-32, 31)))
    lo, hi = -700, 650
    want = naive(expr, lo, hi)
    function, channel = find_steps(expr, lo, hi, (5,))
    assert channel is None
    assert np.array_equal(function(np.arange(lo, hi + 1)), want[0])
    bisected = steps._monotone_steps(expr, lo, hi, 1)
    assert np.array_equal(bisected(np.arange(lo, hi + 1)), want[0])


@pytest.mark.parametrize("wide", [False, True])
def test_channels_may_rise_and_fall(wide, monkeypatch):
    if wide:
        monkeypatch.setattr(steps, "_DENSE", 0)
    steps._CACHE.clear()
    scale = np.array([[0.02, -0.013, 0.05]], np.float32)
    offset = np.array([[0.1, 0.0, -3.0]], np.float32)
    affine = Apply("Add", (Apply("Mul", (Leaf(), Constant(scale))), Constant(offset)))
    step = Constant(np.array([[0.125]], np.float32))
    expr = Apply("Quantize", (affine, step), {"lo": -8, "hi": 7})
    function, channel = find_steps(expr, -200, 180, (4, 3))
    steps._CACHE.clear()
    assert channel is not None
    assert channel.shape == (1, 3)
    values = np.arange(-200, 181)
    for c in range(3):
        want = evaluate(expr, values[:, None])[:, c]
        assert np.array_equal(function(values, np.array(c)), want)


def test_ties_round_half_to_even():
    function, _ = find_steps(quantised(scaled([0.5]), 1.0), -9, 9, ())
    assert function(np.arange(-3, 4)).tolist() == [-2, -1, 0, 0, 0, 1, 2]


def test_a_wide_parabola_is_refused():
    square = Apply("Mul", (scaled([0.1]), scaled([0.1])))
    with pytest.raises(NotMonotone):
        find_steps(quantised(square, 1.0), -(1 << 21), 1 << 21, ())


def test_a_narrow_parabola_is_tabulated():
    square = Apply("Mul", (scaled([0.25]), scaled([0.25])))
    expr = quantised(square, 1.0)
    function, _ = find_steps(expr, -100, 100, ())
    assert np.array_equal(function(np.arange(-100, 101)), naive(expr, -100, 100)[0])


def test_nan_is_refused():
    with pytest.raises(NotFinite):
        find_steps(quantised(Apply("Sqrt", (Leaf(),)), 1.0), -4, 4, ())
