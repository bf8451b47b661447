"""The width converter against its model and its timing."""

from math import lcm

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.width import WidthConverter


@settings(max_examples=40)
@given(
    i_lanes=st.integers(1, 9),
    o_lanes=st.integers(1, 9),
    rows=st.integers(1, 3),
    lo=st.sampled_from([-3, 0]),
    seed=st.integers(0, 99),
)
def test_model_and_cycles(i_lanes: int, o_lanes: int, rows: int, lo: int, seed: int) -> None:
    kernel = WidthConverter(
        elements=rows * lcm(i_lanes, o_lanes), i_lanes=i_lanes, o_lanes=o_lanes, lo=lo, hi=5
    )
    check_kernel(kernel, np.random.default_rng(seed), periods=2)


@pytest.mark.parametrize("i_lanes, o_lanes", [(1, 4), (4, 1), (4, 4), (4, 6), (6, 4), (3, 12)])
def test_no_bubbles(i_lanes: int, o_lanes: int, rng: np.random.Generator) -> None:
    kernel = WidthConverter(elements=12, i_lanes=i_lanes, o_lanes=o_lanes, lo=0, hi=3)
    run = simulate(kernel, random_inputs(kernel, 4, rng))
    start, busy = (0, "i") if i_lanes <= o_lanes else (1, "o")
    assert run.times[busy] == list(range(start, start + 48 // min(i_lanes, o_lanes)))
    assert run.times["o"][-1] == (48 // min(i_lanes, o_lanes))


@pytest.mark.parametrize("i_lanes, o_lanes, held", [(1, 4, 3), (4, 1, 3), (4, 4, 0), (4, 6, 4)])
def test_holds_no_more_than_needed(i_lanes: int, o_lanes: int, held: int) -> None:
    kernel = WidthConverter(elements=12, i_lanes=i_lanes, o_lanes=o_lanes, lo=0, hi=1)
    assert kernel.held == held
    assert kernel.resources().ff >= held + o_lanes


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"elements": 0}, ValueError, "elements must be at least 1, not 0"),
        ({"i_lanes": 5}, ValueError, "i_lanes must divide elements = 12, not 5"),
        ({"o_lanes": 24}, ValueError, "o_lanes must divide elements = 12, not 24"),
        ({"o_lanes": 2.0}, TypeError, "o_lanes must be an int, not 2.0"),
        ({"hi": -9}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"elements": 12, "i_lanes": 1, "o_lanes": 2, "lo": 0, "hi": 5} | change
    with pytest.raises(error, match=words):
        WidthConverter(**parameters)  # type: ignore[arg-type]
