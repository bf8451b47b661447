"""The skid against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, predict_times

from thresher.rtl.skid import Skid


@pytest.mark.parametrize("lanes", [1, 3])
def test_model_and_cycles(lanes: int, rng: np.random.Generator) -> None:
    check_kernel(Skid(lanes=lanes, lo=-4, hi=9), rng, periods=40)


def test_no_cycle_and_a_beat_a_cycle() -> None:
    times = predict_times(Skid(lanes=1, lo=0, hi=1), 5)
    assert times["i"] == times["o"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"beats": 1.5}, TypeError, "beats must be an int, not 1.5"),
        ({"lo": 2}, ValueError, "element must be a non-empty interval"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Skid(**{"lanes": 1, "lo": 0, "hi": 1} | change)  # type: ignore[arg-type]
