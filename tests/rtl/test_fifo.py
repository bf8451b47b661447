"""The FIFO against its model and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate

from thresher.rtl.fifo import Fifo


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 8, 9, 33])
def test_model_and_cycles(depth: int, rng: np.random.Generator) -> None:
    check_kernel(Fifo(depth=depth, lanes=2, lo=-3, hi=5), rng, periods=60)


@pytest.mark.parametrize("depth, interval", [(1, 2), (2, 1), (3, 1), (16, 1)])
def test_rate_and_latency(depth: int, interval: int, rng: np.random.Generator) -> None:
    kernel = Fifo(depth=depth, lanes=1, lo=0, hi=1)
    run = simulate(kernel, random_inputs(kernel, 20, rng))
    assert run.times["i"] == list(range(0, 20 * interval, interval))
    assert run.times["o"] == list(range(1, 20 * interval + 1, interval))


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_holds_depth_beats(depth: int, rng: np.random.Generator) -> None:
    kernel = Fifo(depth=depth, lanes=1, lo=0, hi=1)
    run = simulate(kernel, random_inputs(kernel, 20, rng), patterns={"o": [0] * 50 + [1] * 500})
    assert sum(t <= 50 for t in run.times["i"]) == depth


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"depth": 0}, ValueError, "depth must be at least 1, not 0"),
        ({"depth": 1.0}, TypeError, "depth must be an int, not 1.0"),
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"beats": "1"}, TypeError, "beats must be an int, not '1'"),
        ({"lo": 6}, ValueError, r"element must be a non-empty interval, not \[6, 5\]"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Fifo(**{"depth": 2, "lanes": 1, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]


def test_resources_grow_with_depth() -> None:
    fifos = [
        Fifo(depth=d, lanes=4, lo=0, hi=255, memory="lutram") for d in (3, 32, 33, 64, 65, 512)
    ]
    luts = [fifo.resources().lut for fifo in fifos]
    assert luts == sorted(luts)
    assert Fifo(depth=2, lanes=4, lo=0, hi=255).resources().ff == 2 * 32 + 2 + 2
