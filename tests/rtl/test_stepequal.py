"""Small step functions: every form of them gives the same for every argument."""

import numpy as np
import pytest
from harness import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.multiplystep import MultiplyStep
from thresher.rtl.step import Step
from thresher.rtl.stepforms import FORMS
from thresher.rtl.stepfunction import StepFunction


@pytest.mark.parametrize("tie", [0, 1])
@pytest.mark.parametrize("shifts", [(1, 0), (3, 1), (5, 3, 4), (2, 2, 6)])
def test_channels_apart_by_powers_of_two(shifts: tuple[int, ...], tie: int) -> None:
    """Of every argument: small factors need no cut, and one offset may do for all channels."""
    lo, hi = -300, 291
    rows = [
        [min((k << s) + (1 << s >> 1) + tie, hi + 1) for k in range(31)] for s in shifts
    ]  # fmt: skip
    f = StepFunction(lo, hi, np.array(rows), np.arange(32)[None]).minimal()
    kernel = Step(function=f, lanes=1, form="affine")
    assert isinstance(kernel.pipeline, MultiplyStep)
    values = np.repeat(np.arange(lo, hi + 1)[:, None], len(shifts), axis=1)
    got = simulate(kernel, {"i": values}).outputs["o"]
    np.testing.assert_array_equal(got, kernel.compute(values)[0])


@pytest.mark.parametrize("form", ["auto", "comparators", "table", "search", "affine"])
@pytest.mark.parametrize("hi", [0, 2])
def test_constants_by_lane(form: str, hi: int) -> None:
    """No threshold, and channels that differ in sign."""
    f = StepFunction(0, hi, np.zeros((3, 0), np.int64), np.array([[-1], [1], [0]]))
    kernel = Step(function=f, lanes=3, form=form)
    got = simulate(kernel, {"i": np.zeros((4, 3), np.int64)}).outputs["o"]
    assert got.tolist() == [[-1, 1, 0]] * 4


@st.composite
def small_functions(draw: st.DrawFn) -> tuple[StepFunction, int]:
    """Of up to 30 arguments: rounded and clipped lines, or any steps; and a number of lanes."""
    lo, size, channels = (
        draw(st.integers(-20, 5)),
        draw(st.integers(1, 30)),
        draw(st.integers(1, 4)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    if draw(st.booleans()):
        slope, offset = rng.integers(0, 5, (channels, 1)), rng.integers(-20, 20, (channels, 1))
        lines = (slope * np.arange(lo, lo + size) + offset) >> int(rng.integers(0, 4))
        f = StepFunction.from_table(lo, np.clip(lines, -rng.integers(0, 9), rng.integers(1, 9)))
    else:
        steps = int(rng.integers(0, 6))
        thresholds = np.sort(rng.integers(lo - 1, lo + size + 1, (channels, steps)), axis=1)
        values = rng.integers(-6, 7, (channels, steps + 1))
        f = StepFunction(lo, lo + size - 1, thresholds, np.sort(values, axis=1)).minimal()
    lanes = [n for n in range(1, 5) if f.channels == 1 or f.channels % n == 0]
    return f, draw(st.sampled_from(lanes))


@given(small_functions())
@settings(max_examples=100)
def test_all_forms_are_one_function(drawn: tuple[StepFunction, int]) -> None:
    f, lanes = drawn
    made = 0
    for form in FORMS[2:]:
        try:
            kernel = Step(function=f, lanes=lanes, form=form)
        except ValueError:
            continue
        width = kernel.inputs["i"].elements
        values = np.repeat(np.arange(f.lo, f.hi + 1)[:, None], width, axis=1)
        got = simulate(kernel, {"i": values}).outputs["o"]
        np.testing.assert_array_equal(got, kernel.compute(values)[0], err_msg=form)
        made += 1
    assert made >= 2
