"""The state of a loop against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel

from thresher.rtl.fanout import Fanout
from thresher.rtl.loopstate import LoopState


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(
    "steps, beats, lanes, initial", [(2, 1, 2, 0), (3, 2, 1, -3), (3, 4, 1, 5), (4, 5, 2, 0)]
)
def test_model_and_cycles(
    steps: int, beats: int, lanes: int, initial: int, final: bool, rng: np.random.Generator
) -> None:
    kernel = LoopState(
        steps=steps, beats=beats, lanes=lanes, lo=-3, hi=5, initial=initial, final=final
    )
    check_kernel(kernel, rng)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("steps, lanes, initial", [(2, 2, 0), (3, 1, -3), (5, 3, 5)])
def test_bypass(
    steps: int, lanes: int, initial: int, final: bool, rng: np.random.Generator
) -> None:
    kernel = LoopState(
        steps=steps, beats=1, lanes=lanes, lo=-3, hi=5, initial=initial, final=final, bypass=True
    )
    check_kernel(kernel, rng, periods=4)


def test_bypass_with_two_readers(rng: np.random.Generator) -> None:
    kernel = LoopState(steps=3, beats=1, lanes=2, lo=-3, hi=5, initial=1, final=True, bypass=True)
    check_kernel(Fanout(kernel=kernel, port="o", branches=((0, 1), (1,))), rng, periods=4)


def test_the_initial_state_comes_first() -> None:
    kernel = LoopState(steps=3, beats=1, lanes=2, lo=0, hi=9, initial=7, final=True)
    o, final = kernel.compute(np.array([[1, 2, 3, 4, 5, 6]]))
    assert o.tolist() == [[7, 7, 1, 2, 3, 4]]
    assert final.tolist() == [[5, 6]]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"steps": 1}, ValueError, "steps must be at least 2, not 1"),
        ({"beats": 0}, ValueError, "beats must be at least 1, not 0"),
        ({"lanes": True}, TypeError, "lanes must be an int, not True"),
        ({"initial": -1}, ValueError, "initial must be at least 0, not -1"),
        ({"initial": 6}, ValueError, "initial must be at most 5, not 6"),
        ({"final": 1}, TypeError, "final must be a bool, not 1"),
        ({"bypass": 1}, TypeError, "bypass must be a bool, not 1"),
        ({"beats": 2, "bypass": True}, ValueError, "beats must be 1 with bypass, not 2"),
        ({"lo": 1, "hi": 0}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    given = {"steps": 2, "beats": 1, "lanes": 1, "lo": 0, "hi": 5, "final": True}
    with pytest.raises(error, match=words):
        LoopState(**given | change)  # type: ignore[arg-type]
