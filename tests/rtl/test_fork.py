"""The fork against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate

from thresher.rtl.fork import Fork


@pytest.mark.parametrize("branches, beats", [(1, 3), (2, 1), (2, 4), (5, 2)])
def test_model_and_cycles(branches: int, beats: int, rng: np.random.Generator) -> None:
    check_kernel(Fork(branches=branches, beats=beats, lanes=2, lo=-3, hi=5), rng, periods=12)


def test_a_ready_branch_does_not_wait(rng: np.random.Generator) -> None:
    kernel = Fork(branches=2, lanes=1, lo=0, hi=9)
    run = simulate(kernel, random_inputs(kernel, 3, rng), patterns={"o1": [0, 0, 0, 0, 0, 1]})
    assert run.times == {"i": [0, 5, 11], "o0": [1, 6, 12], "o1": [5, 11, 17]}


def test_full_rate(rng: np.random.Generator) -> None:
    kernel = Fork(branches=3, lanes=1, lo=0, hi=9)
    run = simulate(kernel, random_inputs(kernel, 9, rng))
    assert run.times["i"] == list(range(9))
    assert run.times["o2"] == list(range(1, 10))


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"branches": 0}, ValueError, "branches must be at least 1, not 0"),
        ({"branches": True}, TypeError, "branches must be an int, not True"),
        ({"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"lo": 1, "hi": 0}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Fork(**{"branches": 2, "lanes": 1, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]
