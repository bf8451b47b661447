"""The reorder buffer against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.rtl.reorder import Reorder


@settings(max_examples=25)
@given(data=st.data(), i_beats=st.integers(1, 9), seed=st.integers(0, 99))
def test_any_map(data: st.DataObject, i_beats: int, seed: int) -> None:
    index = data.draw(st.lists(st.integers(0, i_beats - 1), min_size=1, max_size=12))
    kernel = Reorder(index=tuple(index), i_beats=i_beats, lanes=2, lo=-3, hi=5)
    check_kernel(kernel, np.random.default_rng(seed), periods=4)


@settings(max_examples=15)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    kind=st.sampled_from(["reverse", "reverse rows", "transpose", "repeat"]),
    seed=st.integers(0, 99),
)
def test_nested_loops(rows: int, columns: int, kind: str, seed: int) -> None:
    beats = np.arange(rows * columns).reshape(rows, columns)
    index = {
        "reverse": beats[::-1, ::-1].ravel(),
        "reverse rows": beats[::-1].ravel(),
        "transpose": beats.T.ravel(),
        "repeat": np.tile(beats[0], 3),
    }[kind]
    kernel = Reorder(index=tuple(index.tolist()), i_beats=beats.size, lanes=1, lo=0, hi=9)
    assert kernel.nest is not None
    check_kernel(kernel, np.random.default_rng(seed), periods=4)


def test_rom_and_counters_agree_on_what_they_cost() -> None:
    count = 4096
    straight = Reorder(index=tuple(range(count))[::-1], i_beats=count, lanes=1, lo=0, hi=1)
    shuffled = np.random.default_rng(0).permutation(count).tolist()
    scattered = Reorder(index=tuple(shuffled), i_beats=count, lanes=1, lo=0, hi=1)
    assert straight.nest is not None
    assert scattered.nest is None
    assert straight.resources().lut < 100 < scattered.resources().lut


@pytest.mark.parametrize(
    "index, i_beats, interval", [((3, 1, 2, 0), 4, 4), ((0, 1) * 3, 2, 6), ((4,), 5, 5)]
)
def test_no_bubbles(
    index: tuple[int, ...], i_beats: int, interval: int, rng: np.random.Generator
) -> None:
    kernel = Reorder(index=index, i_beats=i_beats, lanes=1, lo=0, hi=9)
    run = simulate(kernel, random_inputs(kernel, 5, rng))
    outputs = np.array(run.times["o"]).reshape(5, len(index))
    assert outputs[0, 0] == i_beats + 1
    np.testing.assert_array_equal(np.diff(outputs[:, 0]), interval)
    np.testing.assert_array_equal(np.diff(outputs, axis=1), 1)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"index": ()}, ValueError, "index must not be empty"),
        ({"index": [0]}, TypeError, r"index must be a tuple, not \[0\]"),
        ({"index": (0, 4)}, ValueError, r"index\[1\] must be at most 3, not 4"),
        ({"index": (-1,)}, ValueError, r"index\[0\] must be at least 0, not -1"),
        ({"i_beats": 0}, ValueError, "i_beats must be at least 1, not 0"),
        ({"lanes": None}, TypeError, "lanes must be an int, not None"),
        ({"lo": 6}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"index": (1, 0), "i_beats": 4, "lanes": 1, "lo": 0, "hi": 5} | change
    with pytest.raises(error, match=words):
        Reorder(**parameters)  # type: ignore[arg-type]


def test_large_buffers_go_to_block_ram() -> None:
    small = Reorder(index=tuple(range(48))[::-1], i_beats=48, lanes=4, lo=-32, hi=31)
    large = Reorder(index=tuple(range(512))[::-1], i_beats=512, lanes=4, lo=-32, hi=31)
    assert small.bound == "lutram"
    assert small.resources().bram18 == 0 < small.resources().lutram
    assert large.bound == "block"
    assert large.resources().lutram == 0 < large.resources().bram18
