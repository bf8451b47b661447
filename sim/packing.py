"""Samples <-> frames of a top's port; integers <-> payload bits.

Element 0 of a beat is in the lowest bits, beats are in 32-bit words.
"""

from collections.abc import Sequence

import numpy as np

from thresher.rtl.kernel import Port

__all__ = [
    "beat_words", "from_ints", "from_words", "to_frames", "to_ints", "to_samples", "to_words",
]  # fmt: skip

_CHUNK = 1 << 22  # bits unpacked at once


def beat_words(port: Port) -> int:
    """32-bit words that hold one beat."""
    return -(-port.width * port.lanes // 32)


def to_words(port: Port, values: np.ndarray) -> np.ndarray:
    """int64 (..., elements) -> little-endian uint32 (beats in all, words a beat)."""
    rows = np.asarray(values, dtype=np.int64).reshape(-1, port.lanes)
    words = np.zeros((len(rows), beat_words(port)), dtype="<u4")
    step = max(1, _CHUNK // (port.width * port.lanes))
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        bits = (part[:, :, None] >> np.minimum(np.arange(port.width), 63)) & 1
        packed = np.packbits(
            bits.astype(np.uint8).reshape(len(part), -1), axis=1, bitorder="little"
        )
        words[at : at + step].view(np.uint8)[:, : packed.shape[1]] = packed
    return words


def from_words(port: Port, words: np.ndarray) -> np.ndarray:
    """uint32 (beats in all, words a beat) -> int64 (periods, elements)."""
    rows = np.ascontiguousarray(words, dtype="<u4").reshape(-1, beat_words(port))
    values = np.empty((len(rows), port.lanes), dtype=np.int64)
    weights = np.left_shift(np.int64(1), np.arange(port.width, dtype=np.int64))
    if port.lo < 0:
        weights[-1:] *= -1
    step = max(1, _CHUNK // (port.width * port.lanes))
    for at in range(0, len(rows), step):
        bits = np.unpackbits(
            rows[at : at + step].view(np.uint8),
            axis=1,
            count=port.width * port.lanes,
            bitorder="little",
        )
        values[at : at + step] = bits.reshape(-1, port.lanes, port.width) @ weights
    return values.reshape(-1, port.elements)


def to_frames(values: np.ndarray, samples: int, place: int) -> np.ndarray:
    """int64 (count, *shape) -> (frames, elements): `samples` at a time, as one frame has them.

    The last frame is filled up with its last sample.

    :param place: of the axis of samples in a frame; 1 is step by step, 0 sample by sample.
    """
    missing = -len(values) % samples
    whole = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    frames = whole.reshape(-1, samples, *values.shape[1:])
    return np.moveaxis(frames, 1, 1 + place).reshape(len(frames), -1)


def to_samples(frames: np.ndarray, shape: tuple[int, ...], samples: int, place: int) -> np.ndarray:
    """What `to_frames` made: int64 (frames, elements) -> (frames * samples, *shape)."""
    rows = frames.reshape(len(frames), *shape[:place], samples, *shape[place:])
    return np.moveaxis(rows, 1 + place, 1).reshape(-1, *shape)


def to_ints(port: Port, values: np.ndarray) -> list[int]:
    """int64 (..., elements) -> one Python integer a beat, its payload bits."""
    return [int.from_bytes(row.tobytes(), "little") for row in to_words(port, values)]


def from_ints(port: Port, beats: Sequence[int]) -> np.ndarray:
    """Payload bits, one Python integer a beat -> int64 (periods, elements)."""
    size = 4 * beat_words(port)
    data = b"".join(beat.to_bytes(size, "little") for beat in beats)
    return from_words(port, np.frombuffer(data, dtype="<u4"))
