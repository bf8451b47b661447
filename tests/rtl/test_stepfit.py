"""The constants of affine, shift and offset steps: exact where given, none where there are none."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepcases import activation, requantise, requantise_channels

from thresher.rtl.affinefit import narrowest, offset_interval, roundest, slope_bounds, step_limits
from thresher.rtl.affinestep import AffineStep
from thresher.rtl.multiplyfit import MultiplyPlan, Split, plan_multiply
from thresher.rtl.multiplystep import MultiplyStep
from thresher.rtl.offsetfit import plan_offsets
from thresher.rtl.shiftstep import ShiftStep
from thresher.rtl.stepfunction import StepFunction


def affine(m: int, b: int, s: int, lo: int, hi: int, out: tuple[int, int]) -> StepFunction:
    """clip((m * a + b) >> s)."""
    a = np.arange(lo, hi + 1)
    return StepFunction.from_table(lo, np.clip((m * a + b) >> s, *out)[None])


def check_affine(f: StepFunction) -> None:
    """The constants give f on its whole interval."""
    step = AffineStep(function=f, lanes=1, memory="auto")
    (c,) = step.constants
    a = np.arange(f.lo, f.hi + 1)
    x = ~a if step.inverted else a
    np.testing.assert_array_equal(np.clip((c.m * x + c.b) >> c.s, f.out_lo, f.out_hi), f(a))


@settings(max_examples=150)
@given(
    m=st.integers(-40, 40),
    b=st.integers(-500, 500),
    s=st.integers(0, 7),
    lo=st.integers(-300, 100),
    size=st.integers(1, 400),
    low=st.integers(-20, 10),
    levels=st.integers(1, 70),
)
def test_every_affine_function_is_found(
    m: int, b: int, s: int, lo: int, size: int, low: int, levels: int
) -> None:
    check_affine(affine(m, b, s, lo, lo + size - 1, (low, low + levels - 1)))


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), s=st.integers(0, 5))
def test_bounds_are_those_of_every_factor(seed: int, count: int, s: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(-30, 40, count))
    f = StepFunction(-32, 40, t[None], np.arange(count + 1)[None])
    found = step_limits(f)
    assert found is not None
    limits = found[0][0]
    bounds = slope_bounds(limits)
    for m in range(1 << s + 3):
        low, high = offset_interval(limits, m, s)
        exists = low <= high
        inside = (
            bounds is not None
            and bounds.low < Fraction(m, 1 << s)
            and (bounds.high is None or Fraction(m, 1 << s) < bounds.high)
        )
        assert exists == inside
        assert not exists or limits.hold(m, roundest(low, high), s)


@pytest.mark.parametrize("scale", [64 / 2**21 * 0.97, 1 / 1000.7, 1 / 57.3, 1 / 3.1])
@pytest.mark.parametrize("bias", [0.0, 0.37, -7.7])
def test_requantisation_of_a_wide_accumulator(scale: float, bias: float) -> None:
    check_affine(requantise(scale, bias=bias))


@pytest.mark.parametrize(
    "f",
    [activation("sigmoid", 2**-12), requantise(1 / 1024),  # ties to even
     StepFunction(-9, 9, np.array([[0, 3, 4]]), np.array([[0, 1, 0, 1]]))],
    ids=["sigmoid", "half to even", "up and down"],
)  # fmt: skip
def test_what_is_not_affine_is_refused(f: StepFunction) -> None:
    assert AffineStep(function=f, lanes=1, memory="auto").refusal is not None


@pytest.mark.parametrize("low, high, expected", [(3, 9, 8), (5, 7, 6), (-3, 5, 0), (7, 7, 7)])
def test_roundest(low: int, high: int, expected: int) -> None:
    assert roundest(low, high) == expected


@pytest.mark.parametrize("offset", [0, 3, -20])
@pytest.mark.parametrize("s", [1, 2, 5])
@pytest.mark.parametrize("interval", [(-200, 199), (0, 300), (-17, 40)])
@pytest.mark.parametrize("sign", [1, -1])
def test_shift(offset: int, s: int, interval: tuple[int, int], sign: int) -> None:
    a = np.arange(interval[0], interval[1] + 1)
    exact = [sign * round(Fraction(v, 1 << s)) for v in a.tolist()]
    table = np.clip(np.array(exact) + offset, -7, 8)
    f = StepFunction.from_table(interval[0], table[None])
    step = ShiftStep(function=f, lanes=1, memory="auto")
    if len(set(table.tolist())) > 3:
        assert step.constants is not None
        assert step.constants[0] == s
    assert step.refusal is None or len(set(table.tolist())) == 1


def test_shift_refuses_other_ties_and_channels() -> None:
    away = StepFunction(-99, 99, np.array([[-24, -8, 8, 24]]), np.arange(5)[None])
    assert ShiftStep(function=away, lanes=1, memory="auto").refusal is not None
    two = requantise_channels([1 / 16, 1 / 32], bits=9)
    assert ShiftStep(function=two, lanes=1, memory="auto").refusal is not None


def check_plan(f: StepFunction, plan: MultiplyPlan, sign: int, arguments: np.ndarray) -> None:
    for c in range(f.channels):
        x = arguments if sign > 0 else ~arguments
        got = np.clip(plan.values(c, x), f.out_lo, f.out_hi)
        np.testing.assert_array_equal(got, f(arguments, np.array(c)))


@pytest.mark.parametrize("scale", [64 / 2**21 * 0.7, 1 / 4000, 1 / 300, 1 / 5])
@pytest.mark.parametrize("biased, sign", [(False, 1), (True, 1), (True, -1)])
def test_one_dsp_for_all_channels(scale: float, biased: bool, sign: int) -> None:
    rng = np.random.default_rng(7)
    scales = (scale * 2 ** rng.uniform(-1, 1, 6)).tolist()
    biases = (biased * rng.normal(size=6)).tolist()
    f = requantise_channels(scales, biases=biases)
    f = f if sign > 0 else StepFunction(f.lo, f.hi, f.thresholds, -f.values)
    found = step_limits(f)
    assert found is not None
    assert found[1] == sign
    plan = plan_multiply(found[0], 21)
    assert plan is not None
    check_plan(f, plan, sign, np.arange(f.lo, f.hi + 1))


def test_a_cut_has_room_for_both_operands() -> None:
    found = step_limits(requantise_channels([2e-5, 4.1e-5, 3.3e-5]))
    assert found is not None
    plan = plan_multiply(found[0], 21)
    assert plan is not None
    split = plan.split
    assert split.bits > 17
    assert split.below == 3
    assert split.width - split.below <= 18
    assert split.bits - split.low <= 24
    assert all(b % (1 << split.unit) == 0 for b in plan.offsets)


def test_a_cut_that_falls_is_not_taken() -> None:
    assert Split(21, 8, below=3, part=2).rises(0b1011)
    assert not Split(21, 24, low=4, below=3, part=0).rises(0b1111)


def test_channels_without_common_form_are_refused() -> None:
    rows = np.array([[-5, 0, 9], [-4, 1, 2]])
    f = StepFunction(-20, 20, rows, np.arange(4)[None])
    assert MultiplyStep(function=f, lanes=1, memory="auto").refusal is not None
    assert plan_offsets(f) is None
    assert narrowest([], 3) == 0


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10**6),
    channels=st.integers(2, 6),
    count=st.integers(1, 8),
    fraction=st.integers(0, 3),
    sign=st.sampled_from([1, -1]),
)
def test_offsets(seed: int, channels: int, count: int, fraction: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    u = np.sort(rng.integers(-400, 400, count))
    b = rng.integers(-99, 99, channels)
    lo, hi = -60, 70
    t = np.clip(-((b[:, None] - u) >> fraction), lo, hi + 1)  # ceil((u - b) / 2**fraction)
    f = StepFunction(lo, hi, t, sign * np.arange(count + 1)[None]).minimal()
    plan = plan_offsets(f)
    if f.channels == 1:
        assert plan is None
        return
    assert plan is not None
    a = np.arange(lo, hi + 1)
    for c in range(f.channels):
        np.testing.assert_array_equal(
            plan.inner((a << plan.s) + plan.offsets[c]), f(a, np.array(c))
        )


def test_offsets_of_activations_with_float_biases() -> None:
    biases = tuple(np.random.default_rng(3).normal(size=5).tolist())
    f = activation("sigmoid", 2**-9, bits=14, biases=biases)
    plan = plan_offsets(f)
    assert plan is not None
    assert plan.inner.thresholds.shape == (1, 63)
    scaled = requantise_channels([1 / 100, 1 / 130], bits=14)
    assert plan_offsets(scaled) is None
