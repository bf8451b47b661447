"""The step in all its forms against its model, a naive definition, and its timing."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator
from harness import check_kernel, random_inputs, simulate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.rtl.comparators import ComparatorStep, decode, decode_stages
from thresher.rtl.searchstep import SearchStep
from thresher.rtl.step import Step
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import TableStep

KINDS = ("unit", "falling", "rising", "wild", "wild by channel", "constant", "constants")


def function(
    kind: str, lo: int, hi: int, channels: int, count: int, rng: np.random.Generator
) -> StepFunction:
    """A random step function; its thresholds may be equal, and may stand at lo or at hi + 1."""
    if kind in ("constant", "constants") or lo == hi:
        count = 0
    thresholds = np.sort(rng.integers(lo, hi + 2, (channels, count)), axis=1)
    base = int(rng.integers(-20, 20))
    values = {
        "unit": np.arange(count + 1)[None] + base,
        "falling": base - np.arange(count + 1)[None],
        "rising": np.sort(rng.integers(-9, 9, (channels, count + 1)), axis=1),
        "wild": rng.integers(-30, 30, (1, count + 1)),
        "wild by channel": rng.integers(-30, 30, (channels, count + 1)),
        "constant": np.full((1, 1), base),
        "constants": rng.integers(-30, 30, (channels, 1)),
    }[kind]
    return StepFunction(lo, hi, thresholds, values)


def naive(f: StepFunction, row: list[int]) -> list[int]:
    """#{T <= a} by counting, then the value."""
    result = []
    for e, a in enumerate(row):
        channel = e if f.channels > 1 else 0
        count = sum(int(t) <= a for t in f.thresholds[channel])
        result.append(int(f.values[channel if len(f.values) > 1 else 0][count]))
    return result


@settings(max_examples=90)
@given(
    kind=st.sampled_from(KINDS),
    interval=st.sampled_from([(0, 15), (-8, 7), (-100, 90), (-70, -60), (3, 60), (0, 1), (5, 5)]),
    lanes=st.integers(1, 3),
    rows=st.integers(0, 3),
    count=st.integers(0, 20),
    form=st.sampled_from(["comparators", "table", "search", "auto", "fast"]),
    memory=st.sampled_from(["auto", "logic", "block"]),
)
@example("unit", (-100, 90), 2, 0, 16, "comparators", "auto")
@example("falling", (-100, 90), 2, 3, 16, "comparators", "block")
@example("wild by channel", (-100, 90), 2, 3, 16, "comparators", "logic")
@example("constants", (0, 15), 2, 1, 0, "comparators", "auto")
@example("constants", (0, 15), 2, 2, 0, "table", "block")
def test_model_and_cycles(
    kind: str, interval: tuple[int, int], lanes: int, rows: int, count: int, form: str, memory: str
) -> None:
    rng = np.random.default_rng([lanes, rows, count])
    f = function(kind, *interval, max(1, lanes * rows), count, rng)
    kernel = Step(function=f, lanes=lanes, form=form, memory=memory)
    assert kernel.inputs["i"].beats == max(1, f.channels // lanes)
    values = random_inputs(kernel, 8, rng)["i"]
    assert kernel.compute(values)[0].tolist() == [naive(f, row) for row in values.tolist()]
    check_kernel(kernel, rng, inputs={"i": values}, periods=8)


@pytest.mark.parametrize("form", ["comparators", "table"])
@pytest.mark.parametrize("kind", ["unit", "falling", "wild"])
def test_every_argument(kind: str, form: str, rng: np.random.Generator) -> None:
    f = function(kind, -40, 51, 1, 15, rng)
    kernel = Step(function=f, lanes=1, form=form)
    arguments = np.arange(-40, 52)[:, None]
    outputs = simulate(kernel, {"i": arguments}).outputs["o"]
    assert outputs[:, 0].tolist() == [naive(f, row)[0] for row in arguments.tolist()]


@pytest.mark.parametrize("form", ["comparators", "table"])
def test_narrower_input(form: str, rng: np.random.Generator) -> None:
    f = StepFunction(-100, 100, np.array([[-50, 0, 10, 80]]), np.array([[-9, 1, 2, 4, 90]]))
    kernel = Step(function=f, lanes=2, i_lo=-20, i_hi=30, form=form)
    assert (kernel.inputs["i"].lo, kernel.inputs["i"].hi) == (-20, 30)
    assert (kernel.outputs["o"].lo, kernel.outputs["o"].hi) == (1, 4)
    check_kernel(kernel, rng, periods=9)


@pytest.mark.parametrize("bits", range(1, 10))
def test_decode_counts_sorted_marks(bits: int) -> None:
    size = (1 << bits) - 1
    m, marks, stages = Module(), Signal(size), decode_stages(bits)
    index = decode(m, [marks[k] for k in range(size)], [Const(1)] * stages, "decode")
    m.d.sync += Signal().eq(1)  # a clock, where there is no stage
    seen = []

    async def bench(ctx: Any) -> None:
        for count in range(size + 1):
            ctx.set(marks, (1 << count) - 1)
            await ctx.tick().repeat(max(1, stages))
            seen.append(ctx.get(index))

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert seen == list(range(size + 1))


def _unit(lo: int, hi: int, count: int) -> StepFunction:
    thresholds = np.linspace(lo + 1, hi, count).astype(int)
    return StepFunction(lo, hi, thresholds[None], np.arange(count + 1)[None])


@pytest.mark.parametrize(
    "f, form, chosen, latency",
    [
        (_unit(-8, 7, 9), "auto", TableStep, 1),
        (_unit(-1 << 20, (1 << 20) - 1, 63), "comparators", ComparatorStep, 2),
        (_unit(-1 << 20, (1 << 20) - 1, 15), "comparators", ComparatorStep, 2),
        (_unit(-1 << 20, (1 << 20) - 1, 255), "comparators", ComparatorStep, 3),
        (_unit(-1 << 20, (1 << 20) - 1, 1), "auto", SearchStep, 1),
        (_unit(-8, 7, 15), "comparators", ComparatorStep, 2),
        (_unit(0, 255, 255), "table", TableStep, 1),
        (_unit(3, 66, 63), "table", TableStep, 2),
        (_unit(0, 255, 0), "auto", ComparatorStep, 1),
    ],
)
def test_choice_and_latency(f: StepFunction, form: str, chosen: type, latency: int) -> None:
    kernel = Step(function=f, lanes=1, form=form)
    assert isinstance(kernel.pipeline, chosen)
    assert kernel.latency == latency


def test_equal_channels_share_one_step() -> None:
    one = StepFunction(0, 9, np.array([[2, 5]]), np.array([[0, 1, 2]]))
    four = StepFunction(0, 9, np.array([[2, 5]] * 4), np.array([[0, 1, 2]]))
    kernel = Step(function=four, lanes=2)
    assert kernel.inputs["i"].beats == 2
    assert kernel.resources() == Step(function=one, lanes=2).resources()


def test_equality_is_by_content() -> None:
    assert Step(function=_unit(0, 9, 3), lanes=2) == Step(function=_unit(0, 9, 3), lanes=2)
    assert Step(function=_unit(0, 9, 3), lanes=2) != Step(function=_unit(0, 9, 4), lanes=2)


def _channels(count: int) -> StepFunction:
    return StepFunction(0, 9, np.arange(count)[:, None], np.array([[0, 1]]))


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"function": abs}, TypeError, "function must be a StepFunction, not <built-in"),
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"lanes": 4}, ValueError, "lanes must divide the 6 channels, not 4"),
        ({"form": "guess"}, ValueError, "form must be one of auto, fast, comparators, table, "),
        ({"memory": "x"}, ValueError, "memory must be one of auto, logic, block, not 'x'"),
        ({"i_lo": -1}, ValueError, r"function must cover the interval \[-1, 9\], not \[0, 9\]"),
        ({"i_lo": 5, "i_hi": 4}, ValueError, "i must be a non-empty interval"),
        ({"i_hi": 4.0}, TypeError, "i's hi must be an int, not 4.0"),
        ({"function": _unit(0, 1 << 20, 3), "form": "table"}, ValueError,
         "a table must have at most 65536 entries a lane, not 2097152"),
    ],
)  # fmt: skip
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Step(**{"function": _channels(6), "lanes": 2} | change)  # type: ignore[arg-type]


def test_a_search_keeps_the_bits_of_its_widest_round() -> None:
    """The round behind the guess is narrower here than the one that follows."""
    thresholds = [-248, -181, -174, -144, -123, -121, -104, -16, 3, 7, 190, 202, 205, 247, 279]
    function = StepFunction(-288, 287, np.array([thresholds]), np.arange(-8, 8)[None])
    kernel = Step(function=function, lanes=1, form="search")
    x = np.arange(-288, 288)[:, None]
    np.testing.assert_array_equal(simulate(kernel, {"i": x}).outputs["o"], kernel.compute(x)[0])
