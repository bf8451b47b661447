"""Payload bits."""

import numpy as np
import pytest

from thresher.rtl.kernel import Port
from thresher.sim.packing import (
    beat_words,
    from_ints,
    from_words,
    to_frames,
    to_ints,
    to_samples,
    to_words,
)

PORTS = [
    Port(1, 1, 0, 1),
    Port(3, 1, -1, 0),
    Port(2, 5, -3, 5),
    Port(2, 8, 0, 15),
    Port(4, 1, 0, 2**32 - 1),
    Port(1, 3, -(2**40), 2**40),
    Port(2, 700, -128, 127),
    Port(1, 2, -(2**63), 2**63 - 1),
    Port(1, 2, 0, 2**63 - 1),
]


def by_hand(port: Port, beat: list[int]) -> int:
    mask = (1 << port.width) - 1
    return sum((v & mask) << (k * port.width) for k, v in enumerate(beat))


@pytest.mark.parametrize("port", PORTS, ids=str)
def test_both_ways(port: Port, rng: np.random.Generator) -> None:
    values = rng.integers(port.lo, port.hi, (6, port.elements), endpoint=True)
    values[0], values[1] = port.lo, port.hi
    ints = to_ints(port, values)
    assert ints == [by_hand(port, row.tolist()) for row in values.reshape(-1, port.lanes)]
    words = to_words(port, values)
    assert words.shape == (6 * port.beats, beat_words(port))
    np.testing.assert_array_equal(from_words(port, words), values)
    np.testing.assert_array_equal(from_ints(port, ints), values)


def test_chunks(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr("thresher.sim.packing._CHUNK", 50)
    port = Port(5, 3, -9, 9)
    values = rng.integers(-9, 10, (7, 15))
    np.testing.assert_array_equal(from_words(port, to_words(port, values)), values)


def test_frames_by_hand() -> None:
    """Three samples of two steps and two channels, two samples a frame."""
    values = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]])
    by_sample = [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 9, 10, 11, 12]]
    by_step = [[1, 2, 5, 6, 3, 4, 7, 8], [9, 10, 9, 10, 11, 12, 11, 12]]
    assert to_frames(values, 2, 0).tolist() == by_sample
    assert to_frames(values, 2, 1).tolist() == by_step


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_frames_and_back(place: int, count: int, rng: np.random.Generator) -> None:
    values = rng.integers(1, 100, (count, 3, 2, 5))
    frames = to_frames(values, 4, place)
    assert frames.shape == (-(-count // 4), 120)
    assert set(np.unique(frames)) == set(np.unique(values))  # filled up with codes of its own
    back = to_samples(frames, (3, 2, 5), 4, place)
    np.testing.assert_array_equal(back[:count], values)
    np.testing.assert_array_equal(back[count:], np.repeat(values[-1:], len(back) - count, axis=0))
