"""Arrays of integer codes <-> the bytes of frames, as `frames.Frame` lays them out.

Samples become frames first (`to_frames`), frames become bytes port by port (`encode`); results come
back the other way (`decode`, `to_samples`).
"""

from collections.abc import Mapping

import numpy as np

from thresher.boards.host.frames import Frame, FramePort

__all__ = ["decode", "encode", "to_frames", "to_samples"]

_CHUNK = 1 << 24  # bits, each a byte, that are handled at once
_WORD = 64  # bits of a code in memory


def to_frames(
    values: np.ndarray, samples: int, place: int, order: tuple[int, ...] | None = None
) -> np.ndarray:
    """(N, *shape) -> (frames, elements): `samples` at a time, in the order of a frame's elements.

    The last frame is filled up with its last sample.

    :param place: of the axis of samples in a frame; 0 is sample by sample, 1 step by step.
    :param order: of the shape's axes in the stream; None where it is theirs.
    """
    if order is not None:
        values = values.transpose(0, *(k + 1 for k in order))
    missing = -len(values) % samples
    whole = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    frames = whole.reshape(-1, samples, *values.shape[1:])
    return np.moveaxis(frames, 1, 1 + place).reshape(len(frames), -1)


def to_samples(
    frames: np.ndarray,
    shape: tuple[int, ...],
    samples: int,
    place: int,
    order: tuple[int, ...] | None = None,
) -> np.ndarray:
    """What `to_frames` made: (frames, elements) -> (frames * samples, *shape)."""
    streamed = shape if order is None else tuple(shape[k] for k in order)
    rows = frames.reshape(len(frames), *streamed[:place], samples, *streamed[place:])
    whole = np.moveaxis(rows, 1 + place, 1).reshape(-1, *streamed)
    if order is None:
        return whole
    return whole.transpose(0, *(int(k) + 1 for k in np.argsort(order)))


def encode(frame: Frame, codes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Codes (frames, elements) by port name -> uint8 (frames, frame.size)."""
    count = len(codes[frame.ports[0].name])
    data = np.empty((count, frame.size), np.uint8)
    at = 0
    for port in frame.ports:
        data[:, at : at + port.size] = _packed(port, codes[port.name])
        at += port.size
    return data


def decode(frame: Frame, data: np.ndarray) -> dict[str, np.ndarray]:
    """uint8 (frames, frame.size) -> int64 codes (frames, elements) by port name."""
    codes, at = {}, 0
    for port in frame.ports:
        codes[port.name] = _unpacked(port, data[:, at : at + port.size])
        at += port.size
    return codes


def _packed(port: FramePort, values: np.ndarray) -> np.ndarray:
    """(frames, elements) -> uint8 (frames, port.size)."""
    rows = np.ascontiguousarray(values, "<i8").reshape(-1, port.lanes)
    out = np.zeros((len(rows), port.beat_bytes), np.uint8)
    step = max(1, _CHUNK // (port.lanes * _WORD))
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        octets = part.view(np.uint8).reshape(len(part), port.lanes, 8)
        bits = np.unpackbits(octets, axis=2, count=port.element_bits, bitorder="little")
        packed = np.packbits(bits.reshape(len(part), -1), axis=1, bitorder="little")
        out[at : at + step, : packed.shape[1]] = packed
    return out.reshape(len(values), port.size)


def _unpacked(port: FramePort, data: np.ndarray) -> np.ndarray:
    """uint8 (frames, port.size) -> int64 (frames, elements)."""
    rows = np.ascontiguousarray(data).reshape(-1, port.beat_bytes)
    out = np.empty((len(rows), port.lanes), np.int64)
    step = max(1, _CHUNK // (port.lanes * _WORD))
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        bits = np.unpackbits(part, axis=1, count=port.bits, bitorder="little")
        bits = bits.reshape(len(part), port.lanes, port.element_bits)
        octets = np.packbits(bits, axis=2, bitorder="little")
        words = np.zeros((len(part), port.lanes, 8), np.uint8)
        words[:, :, : octets.shape[2]] = octets
        out[at : at + step] = words.view("<i8")[:, :, 0]
    if port.signed and port.element_bits < _WORD:
        sign = np.int64(1) << np.int64(port.element_bits - 1)
        out = (out ^ sign) - sign
    return out.reshape(len(data), port.beats * port.lanes)
