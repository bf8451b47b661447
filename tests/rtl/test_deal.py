"""The deal against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate

from thresher.rtl.deal import Deal


@pytest.mark.parametrize(
    "branches, chunk, rounds, beats", [(1, 1, 1, 3), (4, 1, 1, 2), (2, 3, 1, 4), (3, 2, 2, 1)]
)
def test_model_and_cycles(
    branches: int, chunk: int, rounds: int, beats: int, rng: np.random.Generator
) -> None:
    kernel = Deal(branches=branches, chunk=chunk, rounds=rounds, beats=beats, lo=-3, hi=5)
    check_kernel(kernel, rng, periods=12)


def test_lanes_go_round() -> None:
    kernel = Deal(branches=2, chunk=2, rounds=2, lo=0, hi=9)
    one, two = kernel.compute(np.arange(8)[None])
    assert one.tolist() == [[0, 1, 4, 5]]
    assert two.tolist() == [[2, 3, 6, 7]]


def test_a_ready_branch_does_not_wait(rng: np.random.Generator) -> None:
    kernel = Deal(branches=2, lo=0, hi=9)
    run = simulate(kernel, random_inputs(kernel, 3, rng), patterns={"o1": [0, 0, 0, 0, 0, 1]})
    assert run.times == {"i": [0, 5, 11], "o0": [1, 6, 12], "o1": [5, 11, 17]}


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"branches": 0}, ValueError, "branches must be at least 1, not 0"),
        ({"chunk": True}, TypeError, "chunk must be an int, not True"),
        ({"rounds": 0}, ValueError, "rounds must be at least 1, not 0"),
        ({"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        ({"lo": 1, "hi": 0}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Deal(**{"branches": 2, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]
