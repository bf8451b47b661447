"""Packets of serial links: there and back, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.boards.host.packets import (
    ESCAPE,
    FLAG,
    Identity,
    Packet,
    PacketError,
    Status,
    decode,
    encode,
)

PACKETS = st.builds(Packet, st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=40))


@given(PACKETS)
def test_there_and_back(packet: Packet) -> None:
    line = encode(packet)
    assert line[0] == line[-1] == FLAG
    assert FLAG not in line[1:-1]
    assert decode(line[1:-1]) == packet


def test_the_bytes_on_the_line() -> None:
    line = encode(Packet(0x03, 0x7E01, bytes([FLAG, ESCAPE])))
    assert line.startswith(bytes([0x7E, 0x03, 0x01, 0x7D, 0x5E, 0x7D, 0x5E, 0x7D, 0x5D]))


@given(PACKETS, st.data())
def test_every_flipped_bit_is_seen(packet: Packet, data: st.DataObject) -> None:
    line = bytearray(encode(packet)[1:-1])
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if FLAG in line:
        return  # two packets, both too short or wrong
    with pytest.raises(PacketError):
        decode(bytes(line))


@pytest.mark.parametrize(
    "line, message",
    [
        (b"", "at least 7 bytes"),
        (b"\x01\x02", "at least 7 bytes"),
        (b"\x01\x00\x00" + bytes(4), "CRC"),
        (encode(Packet(1, 0))[1:-1] + bytes([ESCAPE]), "aborted"),
    ],
)
def test_no_packet(line: bytes, message: str) -> None:
    with pytest.raises(PacketError, match=message):
        decode(line)


def test_answers_there_and_back() -> None:
    identity = Identity(b"THRS", 1, 2, bytes(range(16)), 1000, 10, 2, 100_000_000)
    assert Identity.unpack(identity.pack()) == identity
    status = Status(*range(10))
    assert Status.unpack(status.pack()) == status
