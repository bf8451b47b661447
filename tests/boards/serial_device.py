"""A device on a serial link as `docs/links.md` has it, in Python, and a line that does damage.

Time is counted in bytes on the line: nothing here waits.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from thresher.boards.host import packets
from thresher.boards.host.packets import (
    FLAG,
    MAGIC,
    PROTOCOL,
    UNKNOWN_SEQUENCE,
    Identity,
    Packet,
    PacketError,
    Reason,
    Status,
    Type,
)  # fmt: skip

__all__ = ["Device", "Faults", "Line", "hashed", "identity"]


class Device:
    """The core behind a serial link.

    :param function: frame bytes -> result bytes.
    :param busy: byte times that a frame takes.
    """

    def __init__(
        self, identity: Identity, function: Callable[[bytes], bytes], busy: int = 40
    ) -> None:
        self.identity, self.function, self.busy = identity, function, busy
        self.counts = {field.name: 0 for field in fields(Status)}
        self._part = bytearray()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._left = busy
        self._out: deque[int] = deque()
        self.refuse_next: list[Reason] = []
        self.hold = False

    def tick(self, byte: int | None) -> int:
        """One byte time: a byte comes or not; the byte that goes."""
        if byte == FLAG:
            if self._part:
                self._packet(bytes(self._part))
            self._part.clear()
        elif byte is not None:
            self._part.append(byte)
        if self._frames and not self.hold:
            self._left -= 1
            if self._left <= 0:
                sequence, frame = self._frames.popleft()
                self._left = self.busy
                self.counts["finished"] += 1
                self._say(Packet(Type.RESULT, sequence, self.function(frame)))
        return self._out.popleft() if self._out else FLAG

    def _say(self, packet: Packet) -> None:
        self._out += packets.encode(packet)

    def _refuse(self, sequence: int, reason: Reason) -> None:
        name = {"CRC": "crc", "LENGTH": "length", "TYPE": "unknown", "BUSY": "busy"}[reason.name]
        self.counts[name] += 1
        self._say(Packet(Type.REFUSED, sequence, bytes([reason])))

    def _packet(self, stuffed: bytes) -> None:
        try:
            packet = packets.decode(stuffed)
        except PacketError:
            return self._refuse(UNKNOWN_SEQUENCE, Reason.CRC)
        sequence = packet.sequence
        if packet.type == Type.IDENTIFY:
            self._say(Packet(Type.IDENTITY, sequence, self.identity.pack()))
        elif packet.type == Type.STATUS:
            self._say(Packet(Type.COUNTERS, sequence, Status(**self.counts).pack()))
        elif packet.type == Type.RESET:
            self.counts["lost"] += len(self._frames)
            self._frames.clear()
            self._say(Packet(Type.DONE, sequence))
        elif packet.type != Type.FRAME:
            self._refuse(sequence, Reason.TYPE)
        elif self.refuse_next:
            self._refuse(sequence, self.refuse_next.pop())
        elif len(packet.payload) != self.identity.frame_bytes:
            self._refuse(sequence, Reason.LENGTH)
        elif len(self._frames) >= self.identity.window:
            self._refuse(sequence, Reason.BUSY)
        else:
            self.counts["accepted"] += 1
            self._frames.append((sequence, packet.payload))


def identity(frame_bytes: int, result_bytes: int, window: int = 4, samples: int = 1) -> Identity:
    """Of a device with these frames."""
    return Identity(
        MAGIC, PROTOCOL, samples, bytes(range(16)), frame_bytes, result_bytes, window, 10**8
    )


@dataclass(frozen=True)
class Faults:
    """Chances, a byte each: lost, a bit flipped, the last 40 bytes said twice, noise put in."""

    lost: float = 0.0
    flipped: float = 0.0
    repeated: float = 0.0
    noise: float = 0.0

    def __bool__(self) -> bool:
        return self != replace(self, lost=0.0, flipped=0.0, repeated=0.0, noise=0.0)


class Line:
    """A byte pipe to a device, damaged in both directions."""

    byte_seconds = 1e-4

    def __init__(self, device: Device, faults: Faults | None = None, seed: int = 0) -> None:
        self.device, self.faults = device, faults or Faults()
        self._rng = np.random.default_rng(seed)
        self._time = 0
        self._to: deque[int] = deque()
        self._heard = bytearray()
        self._said = bytearray()
        self.closed = False
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self._to += self._damaged(data)

    def read(self, timeout: float) -> bytes:
        end = self._time + max(1, round(timeout / self.byte_seconds))
        while self._time < end and not self._heard:
            self._tick()
        heard, self._heard = bytes(self._heard), bytearray()
        return heard

    def now(self) -> float:
        return self._time * self.byte_seconds

    def close(self) -> None:
        self.closed = True

    def _tick(self) -> None:
        self._time += 1
        said = self.device.tick(self._to.popleft() if self._to else None)
        self._said.append(said)
        del self._said[:-40]
        if said != FLAG or self._said[-2:-1] != bytes([FLAG]):  # idle time is not heard
            self._heard += self._damaged(bytes([said]))
            if self.faults.repeated and self._rng.random() < self.faults.repeated:
                self._heard += bytes([FLAG]) + self._said + bytes([FLAG])

    def _damaged(self, data: bytes) -> bytes:
        if not self.faults:
            return data
        out = bytearray()
        for byte in data:
            if self._rng.random() < self.faults.noise:
                out += self._rng.bytes(int(self._rng.integers(1, 30)))
            if self._rng.random() < self.faults.lost:
                continue
            if self._rng.random() < self.faults.flipped:
                byte ^= 1 << int(self._rng.integers(8))
            out.append(byte)
        return bytes(out)


def hashed(frame: bytes) -> bytes:
    """A function of frames of six bytes, for tests: four bytes."""
    a, b, c = struct.unpack("<HHH", frame)
    return struct.pack("<I", (a * 65_537 + b * 257 + c) & 0xFFFF_FFFF)
