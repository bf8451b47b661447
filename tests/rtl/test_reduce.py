"""Maxima and sums along rows against their model and their timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.reduce import Reduce


@settings(max_examples=15)
@given(
    op=st.sampled_from(["max", "sum"]),
    count=st.integers(1, 5),
    beats=st.integers(1, 4),
    lanes=st.integers(1, 3),
    interval=st.sampled_from([(-8, 7), (0, 5), (-9, -2), (3, 3), (0, 1)]),
    seed=st.integers(0, 99),
)
def test_any_reduction(
    op: str, count: int, beats: int, lanes: int, interval: tuple[int, int], seed: int
) -> None:
    lo, hi = interval
    kernel = Reduce(op=op, count=count, channels=beats * lanes, lanes=lanes, lo=lo, hi=hi)
    check_kernel(kernel, np.random.default_rng(seed), periods=4)


def test_a_beat_a_cycle(rng: np.random.Generator) -> None:
    kernel = Reduce(op="max", count=4, channels=6, lanes=2, lo=-8, hi=7)
    run = simulate(kernel, random_inputs(kernel, 3, rng))
    np.testing.assert_array_equal(run.times["i"], np.arange(36))
    np.testing.assert_array_equal(run.times["o"], [10, 11, 12, 22, 23, 24, 34, 35, 36])


def test_sums_are_as_wide_as_they_can_get() -> None:
    port = Reduce(op="sum", count=9, channels=1, lanes=1, lo=-8, hi=7).outputs["o"]
    assert (port.lo, port.hi) == (-72, 63)
    port = Reduce(op="max", count=9, channels=1, lanes=1, lo=-8, hi=7).outputs["o"]
    assert (port.lo, port.hi) == (-8, 7)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"op": "min"}, ValueError, "op must be one of max, sum, not 'min'"),
        ({"count": 0}, ValueError, "count must be at least 1, not 0"),
        ({"channels": 1.5}, TypeError, "channels must be an int, not 1.5"),
        ({"lanes": 3}, ValueError, "lanes must divide channels = 4, not 3"),
        ({"lo": 9}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"op": "sum", "count": 2, "channels": 4, "lanes": 2, "lo": 0, "hi": 7} | change
    with pytest.raises(error, match=words):
        Reduce(**parameters)  # type: ignore[arg-type]
