"""Upsampling against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from thresher.rtl.repeat import Repeat


@settings(max_examples=15)
@given(
    width=st.integers(1, 4),
    beats=st.integers(1, 3),
    lanes=st.integers(1, 2),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    memory=st.sampled_from(["lutram", "block"]),
    seed=st.integers(0, 99),
)
def test_any_repetition(
    width: int, beats: int, lanes: int, rows: int, columns: int, memory: str, seed: int
) -> None:
    assume(rows * columns > 1)
    kernel = Repeat(
        width=width, channels=beats * lanes, rows=rows, columns=columns, lanes=lanes, lo=-4, hi=3,
        memory=memory,
    )  # fmt: skip
    check_kernel(kernel, np.random.default_rng(seed), periods=4)


def test_no_bubbles_and_no_more_memory_than_a_row(rng: np.random.Generator) -> None:
    kernel = Repeat(width=4, channels=2, rows=2, columns=3, lanes=1, lo=0, hi=9)
    run = simulate(kernel, random_inputs(kernel, 3, rng))
    np.testing.assert_array_equal(run.times["o"], 1 + np.arange(3 * 48))
    np.testing.assert_array_equal(run.times["i"][:9], [0, 1, 6, 7, 12, 13, 18, 19, 48])
    assert kernel.depth == 8
    assert Repeat(width=4, channels=2, rows=1, columns=3, lanes=1, lo=0, hi=9).depth == 2


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"rows": 0}, ValueError, "rows must be at least 1, not 0"),
        ({"columns": "2"}, TypeError, "columns must be an int, not '2'"),
        ({"rows": 1, "columns": 1}, ValueError, "rows or columns must be more than 1"),
        ({"lanes": 3}, ValueError, "lanes must divide channels = 4, not 3"),
        ({"hi": -1}, ValueError, "element must be a non-empty interval"),
        ({"memory": "logic"}, ValueError, "memory must be one of auto, lutram, block, ultra"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {
        "width": 3, "channels": 4, "rows": 2, "columns": 2, "lanes": 2, "lo": 0, "hi": 7
    }  # fmt: skip
    with pytest.raises(error, match=words):
        Repeat(**parameters | change)  # type: ignore[arg-type]
