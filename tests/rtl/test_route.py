"""Split, Concat, Select and Sink against their models and their timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.route import Concat, Select, Sink, Split
from thresher.rtl.router import RoutingKernel

segment_lists = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


@settings(max_examples=20)
@given(segments=segment_lists, lanes=st.integers(1, 3), seed=st.integers(0, 99))
def test_split(segments: tuple[int, ...], lanes: int, seed: int) -> None:
    kernel = Split(segments=segments, lanes=lanes, lo=-3, hi=5)
    check_kernel(kernel, np.random.default_rng(seed))


@settings(max_examples=20)
@given(segments=segment_lists, lanes=st.integers(1, 3), seed=st.integers(0, 99))
def test_concat(segments: tuple[int, ...], lanes: int, seed: int) -> None:
    kernel = Concat(segments=segments, lanes=lanes, lo=-3, hi=5)
    check_kernel(kernel, np.random.default_rng(seed))


@settings(max_examples=20)
@given(
    keep=st.lists(st.booleans(), min_size=1, max_size=9).filter(any).map(tuple),
    repeat=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_select(keep: tuple[bool, ...], repeat: int, seed: int) -> None:
    check_kernel(Select(keep=keep * repeat, lanes=2, lo=0, hi=5), np.random.default_rng(seed))


def test_sink(rng: np.random.Generator) -> None:
    check_kernel(Sink(beats=3, lanes=2, lo=0, hi=5), rng)


def test_concat_undoes_split(rng: np.random.Generator) -> None:
    split = Split(segments=(3, 1, 2), lanes=2, lo=0, hi=9)
    rows = random_inputs(split, 4, rng)["i"]
    (back,) = Concat(segments=(3, 1, 2), lanes=2, lo=0, hi=9).compute(*split.compute(rows))
    np.testing.assert_array_equal(back, rows)


@pytest.mark.parametrize(
    "kernel, last",
    [
        (Split(segments=(3, 1, 2), lanes=1, lo=0, hi=1), 24),
        (Concat(segments=(3, 1, 2), lanes=1, lo=0, hi=1), 24),
        (Select(keep=(False, True), lanes=1, lo=0, hi=1), 8),
    ],
)
def test_no_bubbles(kernel: RoutingKernel, last: int, rng: np.random.Generator) -> None:
    run = simulate(kernel, random_inputs(kernel, 4, rng))
    assert max(t for name in kernel.inputs for t in run.times[name]) == last - 1
    assert max(t for name in kernel.outputs for t in run.times[name]) == last


def test_long_patterns_stay_small() -> None:
    last_row = Select(keep=(False,) * 24 * 16 + (True,) * 16, lanes=1, lo=0, hi=255)
    assert last_row.routes()[1] == ((0, 384), (1, 16))
    every_row = Select(keep=((False,) * 15 + (True,)) * 25, lanes=1, lo=0, hi=255)
    assert every_row.routes()[1] == ((0, 15), (1, 1))
    assert every_row.resources().ff < 20


@pytest.mark.parametrize(
    "kernel, change, error, words",
    [
        (Split, {"segments": ()}, ValueError, "segments must not be empty"),
        (Split, {"segments": (1, 0)}, ValueError, r"segments\[1\] must be at least 1, not 0"),
        (Concat, {"segments": [1]}, TypeError, r"segments must be a tuple, not \[1\]"),
        (Concat, {"segments": (1.5,)}, TypeError, r"segments\[0\] must be an int, not 1.5"),
        (Select, {"keep": (1, 0)}, TypeError, r"keep\[0\] must be a bool, not 1"),
        (Select, {"keep": [True]}, TypeError, r"keep must be a tuple, not \[True\]"),
        (Select, {"keep": (False,)}, ValueError, "keep must hold a True"),
        (Sink, {"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        (Sink, {"beats": 1, "lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        (Sink, {"beats": 1, "lo": 7}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(
    kernel: type[RoutingKernel], change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        kernel(**{"lanes": 1, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]


def test_refuses_elements_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"i must lie in \[0, 5\], not \[6, 6\]"):
        Sink(beats=1, lanes=1, lo=0, hi=5).compute(np.array([[6]]))
