"""A device on a serial link as `docs/links.md` has it, in Python, and a line that does damage.

Time is counted in bytes on the line: nothing here waits.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from serial_model import Model

from thresher.boards.host import packets
from thresher.boards.host.packets import (
    FLAG,
    MAGIC,
    PROTOCOL,
    Identity,
    Packet,
    Reason,
    Status,
    Type,
)

__all__ = ["Device", "Faults", "Line", "hashed", "identity"]


class Device:
    """The core behind a serial link: `serial_model.Model`, with room for `identity.window` frames.

    :param function: frame bytes -> result bytes.
    :param busy: byte times that a frame takes.
    """

    def __init__(
        self, identity: Identity, function: Callable[[bytes], bytes], busy: int = 40
    ) -> None:
        self.identity, self.function, self.busy = identity, function, busy
        self.model = Model(identity.frame_bytes)
        self.finished = self.refused = self.lost = 0
        self._frames: deque[Packet] = deque()
        self._left = busy
        self._out: deque[int] = deque()
        self.refuse_next: list[Reason] = []
        self.hold = False
        self.lose_next = 0

    @property
    def status(self) -> Status:
        """What COUNTERS tells."""
        counts = {**self.model.counts}
        counts["accepted"] -= self.refused
        times = {"latency": 0, "interval": 0}
        return Status(**counts, finished=self.finished, busy=self.refused, lost=self.lost, **times)

    def tick(self, byte: int | None) -> int:
        """One byte time: a byte comes or not; the byte that goes."""
        for packet in self.model.feed([] if byte is None else [byte]):
            self._packet(packet)
        if self._frames and not self.hold:
            self._left -= 1
            if self._left <= 0:
                frame = self._frames.popleft()
                self._left = self.busy
                self.finished += 1
                self._say(Packet(Type.RESULT, frame.sequence, self.function(frame.payload)))
        return self._out.popleft() if self._out else FLAG

    def _say(self, packet: Packet) -> None:
        self._out += packets.encode(packet)

    def _packet(self, packet: Packet) -> None:
        """Take a frame, or say an answer with what belongs into it."""
        payload = packet.payload
        if packet.type == Type.FRAME and self.lose_next:
            self.lose_next -= 1
            return
        if packet.type == Type.FRAME:
            full = len(self._frames) >= self.identity.window
            if not full and not self.refuse_next:
                self._frames.append(packet)
                return
            self.refused += 1
            reason = self.refuse_next.pop() if self.refuse_next else Reason.BUSY
            packet, payload = replace(packet, type=Type.REFUSED), bytes([reason])
        elif packet.type == Type.IDENTITY:
            payload = self.identity.pack()
        elif packet.type == Type.COUNTERS:
            payload = self.status.pack()
        elif packet.type == Type.DONE:
            self.lost += len(self._frames)
            self._frames.clear()
        self._say(replace(packet, payload=payload))


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

    def apply(self, data: bytes, rng: np.random.Generator) -> bytes:
        """The bytes after the line; repeating is for whoever knows what was said before."""
        if not (self.lost or self.flipped or self.noise):
            return data
        out = bytearray()
        for byte in data:
            if rng.random() < self.noise:
                out += rng.bytes(int(rng.integers(1, 30)))
            if rng.random() < self.lost:
                continue
            if rng.random() < self.flipped:
                byte ^= 1 << int(rng.integers(8))
            out.append(byte)
        return bytes(out)


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
        self._to += self.faults.apply(data, self._rng)

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
            self._heard += self.faults.apply(bytes([said]), self._rng)
            if self.faults.repeated and self._rng.random() < self.faults.repeated:
                self._heard += bytes([FLAG]) + self._said + bytes([FLAG])


def hashed(frame: bytes) -> bytes:
    """A function of frames of six bytes, for tests: four bytes."""
    a, b, c = struct.unpack("<HHH", frame)
    return struct.pack("<I", (a * 65_537 + b * 257 + c) & 0xFFFF_FFFF)
