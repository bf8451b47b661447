"""The argmax against its model, a naive definition, and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.argmax import Argmax


def naive(row: list[int], last: bool) -> int:
    best = 0
    for k, value in enumerate(row):
        if value > row[best] or (last and value == row[best]):
            best = k
    return best


@settings(max_examples=50)
@given(
    lanes=st.integers(1, 6),
    beats=st.integers(1, 4),
    interval=st.sampled_from([(-2, 1), (0, 2), (5, 5), (-100, 90), (0, 255), (-6, -4)]),
    last=st.booleans(),
    with_value=st.booleans(),
)
def test_model_and_cycles(
    lanes: int, beats: int, interval: tuple[int, int], last: bool, with_value: bool
) -> None:
    lo, hi = interval
    kernel = Argmax(
        elements=lanes * beats, lanes=lanes, lo=lo, hi=hi, last=last, with_value=with_value
    )
    rng = np.random.default_rng(lanes)
    rows = random_inputs(kernel, 8, rng)["i"]
    index, *value = kernel.compute(rows)
    assert index[:, 0].tolist() == [naive(row, last) for row in rows.tolist()]
    assert [v[:, 0].tolist() for v in value] == [[max(row) for row in rows.tolist()]] * with_value
    check_kernel(kernel, rng, inputs={"i": rows}, periods=8)


@pytest.mark.parametrize("lanes, last_beat_to_output", [(1, 1), (2, 2), (5, 4), (10, 4)])
def test_no_bubbles(lanes: int, last_beat_to_output: int, rng: np.random.Generator) -> None:
    kernel = Argmax(elements=10, lanes=lanes, lo=0, hi=9)
    times = simulate(kernel, random_inputs(kernel, 4, rng)).times
    beats = 10 // lanes
    assert times["i"] == list(range(4 * beats))
    assert times["o"] == [beats * (k + 1) - 1 + last_beat_to_output for k in range(4)]


def test_outputs_are_taken_one_by_one(rng: np.random.Generator) -> None:
    kernel = Argmax(elements=2, lanes=2, lo=0, hi=9, with_value=True)
    patterns = {"value": [0, 0, 0, 0, 0, 1]}
    times = simulate(kernel, random_inputs(kernel, 3, rng), patterns=patterns).times
    assert times == {"i": [0, 5, 11], "o": [1, 6, 12], "value": [5, 11, 17]}


@pytest.mark.parametrize("last, index", [(False, 0), (True, 5)])
def test_output_interval_where_all_are_equal(last: bool, index: int) -> None:
    port = Argmax(elements=6, lanes=2, lo=4, hi=4, last=last).outputs["o"]
    assert (port.lo, port.hi) == (index, index)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"elements": 0}, ValueError, "elements must be at least 1, not 0"),
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"lanes": 4}, ValueError, "lanes must divide the 6 elements, not 4"),
        ({"lo": 8}, ValueError, r"element must be a non-empty interval, not \[8, 5\]"),
        ({"hi": 1.5}, TypeError, "element's hi must be an int, not 1.5"),
        ({"last": 1}, TypeError, "last must be a bool, not 1"),
        ({"with_value": None}, TypeError, "with_value must be a bool, not None"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Argmax(**{"elements": 6, "lanes": 2, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]
