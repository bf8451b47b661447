"""Every form of the step in hardware: its results, its cycles, when it is chosen, when refused."""

from dataclasses import replace

import numpy as np
import pytest
from harness import check_kernel, simulate
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stepcases import activation, requantise, requantise_channels

from thresher.rtl.affinestep import AffineStep
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.kernel import Kernel
from thresher.rtl.memorysearch import MemorySearchStep
from thresher.rtl.multiplystep import MultiplyStep
from thresher.rtl.offsetstep import OffsetStep
from thresher.rtl.roundedstep import RoundedStep
from thresher.rtl.rounding import rounded
from thresher.rtl.searchstep import SearchStep
from thresher.rtl.shiftstep import ShiftStep
from thresher.rtl.step import Step
from thresher.rtl.stepforms import FORMS, step_pipeline
from thresher.rtl.stepfunction import StepFunction

BIASES = (0.3, -0.8, 1.7, 0.05, -0.4, 0.9)
SCALES = [1 / 900.3, 1 / 411.7, 1 / 700.1, 1 / 555.5, 1 / 1000.7, 1 / 620.2]
WIDE = [2e-5, 4.1e-5, 3.3e-5, 2.9e-5, 3.7e-5, 2.2e-5]


def falling(f: StepFunction) -> StepFunction:
    return StepFunction(f.lo, f.hi, f.thresholds, 9 - f.values)


def arguments(kernel: Step, rng: np.random.Generator, periods: int) -> np.ndarray:
    """Half of them around the thresholds of their own channel."""
    port, f = kernel.inputs["i"], kernel.function
    shape = (periods, port.elements)
    values = rng.integers(port.lo, port.hi, shape, endpoint=True)
    rows = f.thresholds[np.arange(port.elements) % f.channels]
    chosen = rows[np.arange(port.elements), rng.integers(0, rows.shape[1], shape)]
    near = np.clip(chosen + rng.integers(-1, 1, shape), port.lo, port.hi)
    return np.where(rng.random(shape) < 0.5, near, values)


def after_quantiser(s: int, bits: int, values: np.ndarray) -> StepFunction:
    """A table of what round_half_even(a / 2**s) gives, clipped to so many values."""
    least = -(len(values) // 2)
    table = StepFunction.from_table(least, values[None])
    ends = -(1 << bits - 1), (1 << bits - 1) - 1
    quotients = np.clip(rounded(np.arange(ends[0], ends[1] + 1), s), least, table.hi)
    return StepFunction.from_table(ends[0], table(quotients)[None])


_SIGMOID = np.rint(64 / (1 + np.exp(-np.arange(-32, 32) / 8))).astype(int)

CASES = {
    "sigmoid": (activation("sigmoid", 2**-12), "search", SearchStep),
    "tanh": (activation("tanh", 3 / 2**20), "search", SearchStep),
    "falling": (falling(activation("tanh", 1 / 3000)), "search", SearchStep),
    "wild": (
        StepFunction(-999, 999, np.array([[-40, 3, 9, 200]]), np.array([[5, 0, 7, 100, 2]])),
        "search",
        SearchStep,
    ),
    "far neighbours": (
        StepFunction(
            -288,
            287,
            np.array([[-248, -181, -174, -144, -123, -121, -104, -16, 3, 7, 190, 202, 205, 247]]),
            np.arange(-8, 7)[None],
        ),
        "search",
        SearchStep,
    ),
    "a lane each": (activation("tanh", 2**-9, bits=14, biases=BIASES[:2]), "search", SearchStep),
    "half to even": (requantise(1 / 1024), "shift", ShiftStep),
    "half to even, falling": (falling(requantise(1 / 64)), "shift", ShiftStep),
    "quantiser and sigmoid": (after_quantiser(10, 18, _SIGMOID), "rounded", RoundedStep),
    "affine": (requantise(1 / 57.3, bias=0.4), "affine", AffineStep),
    "affine, falling": (falling(requantise(5 / 4096, bias=0.1)), "affine", AffineStep),
    "channels": (requantise_channels(SCALES, biases=list(BIASES)), "affine", MultiplyStep),
    "channels, wide": (requantise_channels(WIDE), "affine", MultiplyStep),
    "channels, falling": (falling(requantise_channels(SCALES)), "affine", MultiplyStep),
    "biases": (activation("sigmoid", 2**-9, bits=14, biases=BIASES), "offset", OffsetStep),
    "biases, falling": (
        falling(activation("tanh", 2**-9, bits=14, biases=BIASES)), "offset", OffsetStep,
    ),
    "memory": (activation("sigmoid", 2**-9, bits=14, biases=BIASES), "search", MemorySearchStep),
    "memory, wild": (
        StepFunction(-999, 999, np.array([[-4, 3, 9]] * 5 + [[0, 0, 5]]), np.array([[5, 0, 7, 9]])),
        "search",
        MemorySearchStep,
    ),
}  # fmt: skip


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_results_and_cycles(name: str, lanes: int, rng: np.random.Generator) -> None:
    f, form, kind = CASES[name]
    if name == "a lane each":
        lanes = 2
    kernel = Step(function=f, lanes=lanes, form=form)
    assert isinstance(kernel.pipeline, kind)
    values = arguments(kernel, rng, max(4, 64 // kernel.inputs["i"].elements))
    check_kernel(kernel, rng, inputs={"i": values}, periods=len(values))


@pytest.mark.parametrize("memory", ["logic", "block"])
@pytest.mark.parametrize("name", ["channels", "biases", "memory", "memory, wild"])
def test_memories(name: str, memory: str, rng: np.random.Generator) -> None:
    f, form, _ = CASES[name]
    kernel = Step(function=f, lanes=2, form=form, memory=memory)
    other = Step(function=f, lanes=2, form=form, memory="logic")
    assert (kernel.latency > other.latency) == (memory == "block")
    values = arguments(kernel, rng, 12)
    check_kernel(kernel, rng, inputs={"i": values}, periods=12)


@pytest.mark.parametrize("form", ["search", "affine", "shift"])
def test_every_threshold_of_a_wide_accumulator(form: str) -> None:
    f = requantise(1 / 4096) if form == "shift" else requantise(1 / 4095.1)
    kernel = Step(function=f, lanes=1, form=form)
    near = (f.thresholds[0][:, None] + [-2, -1, 0, 1]).ravel()
    values = np.concatenate([near, [f.lo, f.hi]])[:, None]
    got = simulate(kernel, {"i": values}).outputs["o"]
    np.testing.assert_array_equal(got, kernel.compute(values)[0])


@settings(max_examples=150)
@given(
    lo=st.integers(-300, 200),
    size=st.integers(2, 400),
    low=st.integers(-9, 5),
    count=st.integers(1, 20),
    spread=st.sampled_from([4, 60, 500, None]),
    sign=st.sampled_from([1, -1]),
    seed=st.integers(0, 10**6),
)
@example(lo=0, size=400, low=-9, count=17, spread=4, sign=1, seed=0)
@example(lo=-300, size=400, low=0, count=17, spread=4, sign=-1, seed=0)
def test_search_of_every_argument(
    lo: int, size: int, low: int, count: int, spread: int | None, sign: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hi, centre = lo + size - 1, int(rng.integers(lo, lo + size))
    low_end, high_end = (lo, hi) if spread is None else (centre - spread, centre + spread)
    thresholds = np.sort(np.clip(rng.integers(low_end, high_end + 1, count), lo, hi + 1))
    f = StepFunction(lo, hi, thresholds[None], sign * (low + np.arange(count + 1))[None])
    kernel = Step(function=f, lanes=1, form="search")
    values = np.arange(lo, hi + 1)[:, None]
    got = simulate(kernel, {"i": values}).outputs["o"]
    np.testing.assert_array_equal(got, kernel.compute(values)[0])


@pytest.mark.parametrize("seed", range(12))
def test_search_among_uneven_thresholds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(200, 700)), int(rng.choice([7, 15, 31]))
    lo = -int(rng.integers(0, size))
    thresholds = lo + np.sort(rng.choice(size, (4, count)), axis=1)
    f = StepFunction(lo, lo + size - 1, thresholds, np.arange(count + 1)[None])
    kernel = Step(function=f, lanes=4, form="search")
    values = np.repeat(np.arange(lo, lo + size)[:, None], 4, axis=1)
    got = simulate(kernel, {"i": values}).outputs["o"]
    np.testing.assert_array_equal(got, kernel.compute(values)[0])


@pytest.mark.parametrize(
    "f, lanes, chosen, latency",
    [
        (requantise(64 / 2**21 * 0.97), 1, SearchStep, 2),
        (activation("tanh", 3 / 2**20), 1, SearchStep, 3),
        (activation("sigmoid", 2**-12), 4, SearchStep, 4),
        (requantise(1 / 1024), 1, ShiftStep, 1),
        (after_quantiser(10, 18, _SIGMOID), 1, RoundedStep, 1),
        (requantise(1 / 1024, bias=1 / 2048), 1, AffineStep, 2),
        (requantise_channels(SCALES * 8), 1, MultiplyStep, 5),
        (activation("sigmoid", 2**-9, bits=14, biases=BIASES * 4), 1, OffsetStep, 6),
    ],
)
def test_smallest_is_chosen(f: StepFunction, lanes: int, chosen: type, latency: int) -> None:
    kernel = Step(function=f, lanes=lanes)
    assert isinstance(kernel.pipeline, chosen)
    assert kernel.latency == latency
    for form in FORMS[1:]:
        try:
            other = Step(function=f, lanes=lanes, form=form)
        except ValueError:
            continue
        assert kernel.resources().lut <= other.resources().lut or other.resources().dsp


@settings(max_examples=40)
@given(
    s=st.integers(0, 4),
    bits=st.integers(5, 9),
    size=st.integers(2, 40),
    lo=st.integers(0, 60),
    hi=st.integers(0, 60),
    seed=st.integers(0, 10**6),
)
@example(s=0, bits=9, size=2, lo=0, hi=0, seed=1)
def test_rounded_of_every_argument(
    s: int, bits: int, size: int, lo: int, hi: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(-9, 30, size)
    f = after_quantiser(s, bits, values)
    kernel = Step(function=f, lanes=1, form="auto", i_lo=f.lo + lo // 4, i_hi=f.hi - hi // 4)
    if kernel.pipeline.function.out_lo < kernel.pipeline.function.out_hi:
        kernel = replace(kernel, form="rounded")
    x = np.arange(kernel.inputs["i"].lo, kernel.inputs["i"].hi + 1)[:, None]
    np.testing.assert_array_equal(simulate(kernel, {"i": x}).outputs["o"], kernel.compute(x)[0])


def test_fast_takes_no_block_ram() -> None:
    f = activation("tanh", 1 / 3000.7, bits=15)
    assert Step(function=f, lanes=1, form="table").resources().bram18
    fast = Step(function=f, lanes=1, form="fast")
    assert fast.resources().bram18 == 0
    assert fast.latency == 2


def test_fused_behind_a_product(rng: np.random.Generator) -> None:
    f = activation("tanh", 2**-9, bits=17)
    for form in ("search", "auto"):
        kernel: Kernel = Elementwise(
            op="mul", a=(-128, 127), b=(-128, 127), lanes=1, step=f, form=form
        )
        check_kernel(kernel, rng, periods=40)


def test_equal_functions_share_a_pipeline() -> None:
    one, two = requantise(1 / 99.5), requantise(1 / 99.5)
    assert step_pipeline(one, lanes=1) is step_pipeline(two, lanes=1)


@pytest.mark.parametrize(
    "f, form, words",
    [
        (activation("sigmoid", 2**-12), "affine", "an affine form needs the steps of one .* lane"),
        (activation("sigmoid", 2**-12), "shift", "a shift needs one channel with the steps of a"),
        (activation("sigmoid", 2**-12), "offset", "an offset form needs channels that differ by"),
        (activation("tanh", 2**-9, bits=14, biases=BIASES), "affine", "an affine form .* channel"),
        (requantise_channels(SCALES), "offset", "an offset form needs channels that differ by"),
        (requantise_channels(SCALES), "shift", "a shift needs one channel"),
        (requantise_channels(SCALES), "rounded", "a rounded form needs one channel with steps of"),
        (activation("tanh", 1 / 3000.7), "rounded", "a rounded form needs .* quotient of 8 bits"),
    ],
)
def test_refuses(f: StepFunction, form: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Step(function=f, lanes=1, form=form)
