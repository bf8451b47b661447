"""The conversation over a serial link (`docs/links.md`): window, sequence numbers, resending.

Works over any `BytePipe`. Nothing that a line does to bytes can change a result: a result counts
only under a sequence number that is awaited and with a right CRC, and a frame is sent again until
it has one.
"""

import struct
from collections import OrderedDict
from typing import Protocol, TypeVar

import numpy as np

from thresher.boards.host import packets
from thresher.boards.host.errors import LinkError
from thresher.boards.host.links import BoardIdentity, Counters
from thresher.boards.host.packets import Identity, Packet, PacketError, Reason, Status, Type

__all__ = ["BytePipe", "SerialLink"]

_Payload = TypeVar("_Payload", Identity, Status)

_STUFFED = 2  # bytes on the line for a byte, at most
_REQUEST = 64  # bytes on the line of a request and its answer
_CHECK = "check cable, ground, baud rate and that the board is programmed"


class BytePipe(Protocol):
    """Bytes to and from a board, unreliable."""

    @property
    def byte_seconds(self) -> float:
        """What a byte takes on the line."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits up to `timeout` seconds for the first byte, then gives b""."""

    def now(self) -> float:
        """Seconds by the clock that timeouts are counted in."""

    def close(self) -> None:
        """Give the device back."""


class _Receiver:
    """Bytes to packets; what is no packet is counted and dropped."""

    def __init__(self, longest: int) -> None:
        self._part = bytearray()
        self.longest = longest
        self.damaged = 0

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that end within these bytes."""
        found = []
        *whole, rest = data.split(bytes([packets.FLAG]))
        for piece in whole:
            self._part += piece
            if self._part:
                try:
                    found.append(packets.decode(bytes(self._part)))
                except PacketError:
                    self.damaged += 1
            self._part.clear()
        self._part += rest
        if len(self._part) > self.longest:  # noise without a flag must not fill the memory
            self._part = self._part[-1:]
        return found


class _Pending:
    """A frame without its result: how often and when it was sent, and why it was refused."""

    def __init__(self, index: int, data: bytes) -> None:
        self.index, self.data = index, data
        self.sent = 0
        self.due = 0.0  # when to send it again if nothing is heard
        self.why = "no answer"


class SerialLink:
    """A link over a byte pipe.

    :param patience: seconds that the board may take, beyond what bytes take on the line.
    :param tries: how often a frame or a request is sent before the link gives up.
    """

    kind = "serial"

    def __init__(self, pipe: BytePipe, *, patience: float = 1.0, tries: int = 10) -> None:
        if tries < 1:
            raise ValueError(f"tries must be at least 1, not {tries!r}")
        self.pipe, self.patience, self.tries = pipe, patience, tries
        self._receiver = _Receiver(1 << 24)
        self._sequence = 0
        self._clean = False
        self._identity: Identity | None = None
        self.resent = 0

    @property
    def damaged(self) -> int:
        """Packets from the board that were damaged, so far."""
        return self._receiver.damaged

    def identity(self) -> BoardIdentity:
        """Ask the board what it is; resets it first where an earlier conversation was left."""
        found = self._known()
        return BoardIdentity(
            found.digest, found.samples, found.frame_bytes, found.result_bytes, found.clock_hz
        )

    def counters(self) -> Counters:
        """Ask the board what it has counted."""
        s = self._unpack(Status, self._request(Type.STATUS, Type.COUNTERS))
        faults = s.crc + s.length + s.unknown + s.busy + s.line
        return Counters(s.accepted, s.finished, faults, s.lost, s.latency, s.interval)

    def reset(self) -> None:
        """Empty the core; results of older frames stand before the answer and are dropped."""
        self._request(Type.RESET, Type.DONE)
        self._clean = True

    def close(self) -> None:
        """Give the device back."""
        self.pipe.close()

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, frame_bytes) -> uint8 (n, result_bytes)."""
        known = self._known()
        self._clean = False  # if this is interrupted, the next conversation starts with a reset
        results: list[bytes] = [b""] * len(frames)
        pending: OrderedDict[int, _Pending] = OrderedDict()  # in the order of sending
        at = 0
        while at < len(frames) or pending:
            while at < len(frames) and len(pending) < known.window:
                self._send(pending, self._next(), _Pending(at, frames[at].tobytes()))
                at += 1
            self._listen(pending, results, known.result_bytes)
        self._clean = True
        return np.frombuffer(b"".join(results), np.uint8).reshape(len(frames), -1)

    def _known(self) -> Identity:
        if not self._clean:
            self.reset()
        if self._identity is None:
            payload = self._request(Type.IDENTIFY, Type.IDENTITY)
            found = self._unpack(Identity, payload)
            if (found.magic, found.protocol) != (packets.MAGIC, packets.PROTOCOL):
                raise LinkError(
                    f"the board speaks {found.magic!r} {found.protocol}, not {packets.MAGIC!r} "
                    f"{packets.PROTOCOL}; program it and use the driver of the same build"
                )
            longest = max(found.frame_bytes, found.result_bytes) + _REQUEST
            self._receiver.longest = _STUFFED * longest
            self._identity = found
        return self._identity

    @staticmethod
    def _unpack(kind: type[_Payload], payload: bytes) -> _Payload:
        try:
            return kind.unpack(payload)
        except struct.error as e:
            raise LinkError(
                f"the board's {kind.__name__} has {len(payload)} bytes, not {kind.LAYOUT.size}; "
                "use the driver of the same build"
            ) from e

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % packets.UNKNOWN_SEQUENCE
        return self._sequence

    def _request(self, kind: Type, answer: Type) -> bytes:
        """The payload of the answer to a request without payload."""
        for _ in range(self.tries):
            sequence = self._next()
            self.pipe.write(packets.encode(Packet(kind, sequence)))
            end = self.pipe.now() + self.patience + 3 * self._line_time()
            while (left := end - self.pipe.now()) > 0:
                for packet in self._receiver.feed(self.pipe.read(left)):
                    if (packet.type, packet.sequence) == (answer, sequence):
                        return packet.payload
        raise LinkError(
            f"the board does not answer {kind.name} ({self.tries} tries, {self.damaged} damaged "
            f"packets); {_CHECK}"
        )

    def _line_time(self) -> float:
        """Seconds that a full window takes on the line, both ways, at worst."""
        known = self._identity
        size = _REQUEST
        if known is not None:
            size += known.window * (known.frame_bytes + known.result_bytes + _REQUEST)
        return _STUFFED * size * self.pipe.byte_seconds

    def _send(self, pending: OrderedDict[int, _Pending], sequence: int, frame: _Pending) -> None:
        """Send a frame, or send it again, as the last of those that are pending."""
        if frame.sent == self.tries:
            raise LinkError(
                f"frame {frame.index} was sent {self.tries} times without a result (last: "
                f"{frame.why}); {_CHECK}"
            )
        self.resent += frame.sent > 0
        frame.sent += 1
        pending[sequence] = frame
        pending.move_to_end(sequence)
        self.pipe.write(packets.encode(Packet(Type.FRAME, sequence, frame.data)))
        frame.due = self.pipe.now() + self.patience + self._line_time()

    def _listen(self, pending: OrderedDict[int, _Pending], results: list[bytes], size: int) -> None:
        """Take what the board says, or what its silence says."""
        first = min(frame.due for frame in pending.values())
        heard = self._receiver.feed(self.pipe.read(max(0.0, first - self.pipe.now())))
        for packet in heard:
            if packet.type == Type.RESULT and packet.sequence in pending:
                self._result(pending, packet, results, size)
            elif packet.type == Type.REFUSED:
                self._refused(pending, packet)
        now = self.pipe.now()
        for sequence, frame in list(pending.items()):
            if frame.due <= now:
                self._send(pending, sequence, frame)

    def _result(
        self,
        pending: OrderedDict[int, _Pending],
        packet: Packet,
        results: list[bytes],
        size: int,
    ) -> None:
        """A result; frames that were sent before its frame will have none: send them again."""
        if len(packet.payload) != size:
            raise LinkError(
                f"a result has {len(packet.payload)} bytes, not {size}; use the driver of the "
                "same build"
            )
        before = []
        for sequence, frame in pending.items():
            if sequence == packet.sequence:
                break
            before.append((sequence, frame))
        results[pending.pop(packet.sequence).index] = packet.payload
        for sequence, frame in before:
            frame.why = "results came for later frames"
            self._send(pending, sequence, frame)
        limit = self.pipe.now() + self.patience + self._line_time()
        for frame in pending.values():  # the board is alive: it may take its time from now
            frame.due = max(frame.due, limit)

    def _refused(self, pending: OrderedDict[int, _Pending], packet: Packet) -> None:
        """A refusal: send that frame again, or, where it is not known which, the only one."""
        reason = packet.payload[0] if packet.payload else 0
        known = reason in {r.value for r in Reason}
        why = f"refused, {Reason(reason).name if known else f'reason {reason}'}"
        sequence = packet.sequence
        if sequence not in pending and len(pending) == 1:
            sequence = next(iter(pending))  # of several the next result will tell
        if sequence not in pending:
            return
        frame = pending[sequence]
        frame.why = why
        if reason == Reason.BUSY:  # there is room again soon
            frame.due = min(frame.due, self.pipe.now() + self.patience / 8)
        else:
            self._send(pending, sequence, frame)
