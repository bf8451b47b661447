"""Frames as bytes: the host's codec beside the packing that the simulations use."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.boards.host.codec import decode, encode, to_frames, to_samples
from thresher.boards.host.frames import Frame, FramePort
from thresher.rtl.kernel import Port
from thresher.sim import packing


def port_of(p: FramePort) -> Port:
    top = (1 << (p.element_bits - p.signed)) - 1
    return Port(p.beats, p.lanes, -top - 1 if p.signed else 0, top)


@st.composite
def frame_ports(draw: st.DrawFn, name: str) -> FramePort:
    lanes, bits = draw(st.integers(1, 9)), draw(st.integers(1, 40))
    signed = draw(st.booleans())
    least = -(-lanes * bits // 8)
    beat = draw(st.sampled_from([least, 1 << (least - 1).bit_length()]))
    return FramePort(name, draw(st.integers(1, 5)), lanes, bits, signed, beat)


def by_definition(port: FramePort, values: np.ndarray) -> bytes:
    """Frame by frame, beat by beat, as `docs/links.md` says it."""
    out = b""
    for frame in values.tolist():
        for beat in range(port.beats):
            word = 0
            for lane in range(port.lanes):
                element = frame[beat * port.lanes + lane] & ((1 << port.element_bits) - 1)
                word |= element << lane * port.element_bits
            out += word.to_bytes(port.beat_bytes, "little")
    return out


@given(frame_ports("a"), frame_ports("b"), st.integers(1, 4), st.integers(0, 1 << 30))
def test_codes_go_there_and_back(a: FramePort, b: FramePort, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = Frame((a, b))
    codes = {
        p.name: rng.integers(
            port_of(p).lo, port_of(p).hi, (count, p.beats * p.lanes), endpoint=True
        )
        for p in frame.ports
    }
    data = encode(frame, codes)
    assert data.shape == (count, frame.size)
    for port, columns in ((a, data[:, : a.size]), (b, data[:, a.size :])):
        assert columns.tobytes() == by_definition(port, codes[port.name])
    noise = data.copy()  # bits that are not payload are ignored
    at = 0
    for port in frame.ports:
        beats = noise[:, at : at + port.size].reshape(count, port.beats, port.beat_bytes)
        unused = np.unpackbits(np.zeros(port.beat_bytes, np.uint8), bitorder="little")
        unused[port.bits :] = 1
        noise[:, at : at + port.size] = (beats | np.packbits(unused, bitorder="little")).reshape(
            count, -1
        )
        at += port.size
    for given_back in (decode(frame, data), decode(frame, noise)):
        for name, array in codes.items():
            np.testing.assert_array_equal(given_back[name], array)


def test_widest_codes() -> None:
    port = FramePort("x", 1, 2, 64, True, 16)
    codes = np.array([[np.iinfo(np.int64).min, np.iinfo(np.int64).max], [-1, 1]])
    found = decode(Frame((port,)), encode(Frame((port,)), {"x": codes}))
    np.testing.assert_array_equal(found["x"], codes)


def test_large_arrays_are_handled_in_parts() -> None:
    """More bits than are unpacked at once."""
    port = FramePort("x", 40_000, 3, 7, True, 3)
    codes = np.random.default_rng(0).integers(-64, 64, (3, 120_000))
    data = encode(Frame((port,)), {"x": codes})
    np.testing.assert_array_equal(decode(Frame((port,)), data)["x"], codes)
    words = packing.to_words(port_of(port), codes).view(np.uint8).reshape(-1, 4)
    np.testing.assert_array_equal(data.reshape(-1, 3), words[:, :3])


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 6, 7])
def test_samples_and_frames(place: int, count: int) -> None:
    """Two modules that may not know each other hold the same order."""
    values = np.random.default_rng(1).integers(0, 99, (count, 4, 5))
    frames = to_frames(values, 3, place)
    np.testing.assert_array_equal(frames, packing.to_frames(values, 3, place))
    np.testing.assert_array_equal(to_samples(frames, (4, 5), 3, place)[:count], values)
