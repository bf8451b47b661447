"""Packets on a serial link: what stands between two flags, as host and hardware both know it.

A link is a stream of bytes each way. FLAG bytes separate packets and fill idle time; inside one
FLAG and ESCAPE are sent as ESCAPE and the byte XOR 0x20 (the octet stuffing of RFC 1662). ESCAPE
before FLAG aborts a packet. A packet is a type, a sequence number, a payload, and the CRC-32 of
all of that (`zlib.crc32`), least significant byte first. `docs/links.md` tells the conversation.
"""

import struct
import zlib
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar

__all__ = [
    "CRC_BYTES", "ESCAPE", "ESCAPED", "FLAG", "HEADER", "MAGIC", "PROTOCOL", "UNKNOWN_SEQUENCE",
    "Identity", "Packet", "PacketError", "Reason", "Status", "Type", "decode", "encode",
]  # fmt: skip

FLAG, ESCAPE, ESCAPED = 0x7E, 0x7D, 0x20
MAGIC = b"THRS"
PROTOCOL = 1
HEADER = struct.Struct("<BH")  # type, sequence number
CRC_BYTES = 4
UNKNOWN_SEQUENCE = 0xFFFF
"""Sequence number of a refusal when that of the refused packet cannot be trusted."""


class Type(IntEnum):
    """What a packet is; an answer has bit 7 set."""

    IDENTIFY = 0x01
    STATUS = 0x02
    FRAME = 0x03
    RESET = 0x04
    IDENTITY = 0x81
    COUNTERS = 0x82
    RESULT = 0x83
    DONE = 0x84
    REFUSED = 0xFF


class Reason(IntEnum):
    """Why a packet was refused: the one byte of payload of `Type.REFUSED`."""

    CRC = 1
    LENGTH = 2
    TYPE = 3
    BUSY = 4


@dataclass(frozen=True)
class Identity:
    """Payload of `Type.IDENTITY`.

    :param digest: 8 bytes of the SHA-256 of the model file, then 8 of that of the core's Verilog.
    :param frame_bytes: of an input frame.
    :param result_bytes: of an output frame.
    :param samples: in a frame.
    :param window: frames that may be on their way unanswered without one being refused.
    :param clock_hz: of the core.
    """

    magic: bytes
    protocol: int
    samples: int
    digest: bytes
    frame_bytes: int
    result_bytes: int
    window: int
    clock_hz: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sHH16sIIII")

    def pack(self) -> bytes:
        """As bytes."""
        return self.LAYOUT.pack(*astuple(self))

    @classmethod
    def unpack(cls, payload: bytes) -> "Identity":
        """From bytes; `struct.error` for a wrong length."""
        return cls(*cls.LAYOUT.unpack(payload))


@dataclass(frozen=True)
class Status:
    """Payload of `Type.COUNTERS`: counters, modulo 2**32, since the FPGA was
    configured, whatever was reset since, and the last two times.

    :param accepted: frames that were taken whole.
    :param finished: results that left whole: accepted less finished and lost are inside.
    :param crc: packets with a wrong CRC or a byte that the line damaged, or too short to have a
        CRC.
    :param length: frames of a wrong length, and requests that are not empty.
    :param unknown: packets of an unknown type.
    :param busy: frames refused because the buffers were full, and requests that were dropped
        because too many answers wait.
    :param line: bytes with a framing error on the line, and packets aborted.
    :param lost: frames inside that a reset dropped.
    :param latency: cycles from the first beat into the core to the last one out of it, of the last
        result.
    :param interval: cycles between the last beats of the last two results; 0 before there are two.
    """

    accepted: int
    finished: int
    crc: int
    length: int
    unknown: int
    busy: int
    line: int
    lost: int
    latency: int
    interval: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<10I")

    def pack(self) -> bytes:
        """As bytes."""
        return self.LAYOUT.pack(*astuple(self))

    @classmethod
    def unpack(cls, payload: bytes) -> "Status":
        """From bytes; `struct.error` for a wrong length."""
        return cls(*cls.LAYOUT.unpack(payload))


@dataclass(frozen=True)
class Packet:
    """A packet; `type` is a plain number, for it may be unknown."""

    type: int
    sequence: int
    payload: bytes = b""


class PacketError(ValueError):
    """Bytes between two flags that are no packet."""


def encode(packet: Packet) -> bytes:
    """The packet's bytes on the line, with a flag before and behind."""
    body = HEADER.pack(packet.type, packet.sequence) + packet.payload
    body += zlib.crc32(body).to_bytes(CRC_BYTES, "little")
    stuffed = bytearray([FLAG])
    for byte in body:
        stuffed += bytes([ESCAPE, byte ^ ESCAPED]) if byte in (FLAG, ESCAPE) else bytes([byte])
    stuffed.append(FLAG)
    return bytes(stuffed)


def decode(stuffed: bytes) -> Packet:
    """What stood between two flags.

    :raises PacketError: it is too short, aborted, or its CRC does not match.
    """
    body = bytearray()
    escaped = False
    for byte in stuffed:
        if byte == ESCAPE and not escaped:
            escaped = True
            continue
        body.append(byte ^ ESCAPED if escaped else byte)
        escaped = False
    if escaped:
        raise PacketError("packet is aborted")
    if len(body) < HEADER.size + CRC_BYTES:
        raise PacketError(f"packet must have at least {HEADER.size + CRC_BYTES} bytes")
    if zlib.crc32(body[:-CRC_BYTES]) != int.from_bytes(body[-CRC_BYTES:], "little"):
        raise PacketError("packet's CRC does not match")
    kind, sequence = HEADER.unpack_from(body)
    return Packet(kind, sequence, bytes(body[HEADER.size : -CRC_BYTES]))
