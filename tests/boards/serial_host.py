"""A host that knows what must come: every answer and result is checked as it arrives."""

import random
from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

from serial_links import make_link
from serial_model import Model

from thresher.boards.host.packets import (
    ESCAPE,
    FLAG,
    Packet,
    Reason,
    Status,
    Type,
    decode,
    encode,
)

__all__ = ["Session"]

PATIENCE = 3000  # byte times


@dataclass
class Pending:
    """A result that is waited for; a reset may have dropped it."""

    sequence: int
    payload: bytes
    doubtful: bool = False


class Session:
    """One conversation.

    :param results: the golden result of each frame.
    :param identity: the payload that IDENTIFY must give.
    """

    def __init__(
        self, dut: Any, transport: str, results: dict[bytes, bytes], identity: bytes, seed: int
    ) -> None:
        self.rng = random.Random(seed)
        self.link = make_link(transport, dut, self._byte, self.rng)
        self.results, self.identity = results, identity
        self.frames = list(results)
        self.model = Model(len(self.frames[0]))
        self.waiting: deque[Pending] = deque()
        self.answers: deque[Packet] = deque()
        self.raw = bytearray()
        self.finished = self.lost = self.busy = self.aborted = self.refused = 0
        self.sequence = 0
        self.overrun = False  # BUSY may come
        self.sloppy = False  # refusals may be missing
        self.status: Status | None = None
        self.base: Status | None = None  # at the start

    # what comes

    def _byte(self, byte: int) -> None:
        if byte != FLAG:
            self.raw.append(byte)
            return
        raw, self.raw = bytes(self.raw), bytearray()
        if raw.endswith(bytes([ESCAPE])):
            self.aborted += 1
        elif raw:
            self._packet(decode(raw))

    def _packet(self, packet: Packet) -> None:
        if packet.type == Type.RESULT:
            head = self.waiting.popleft()
            assert (packet.sequence, packet.payload) == (head.sequence, head.payload)
            self.finished += 1
        elif packet.type == Type.REFUSED and packet.payload[0] == Reason.BUSY:
            assert self.overrun, "the window was kept"
            (found,) = (p for p in self.waiting if p.sequence == packet.sequence)
            self.waiting.remove(found)
            self.model.counts["accepted"] -= 1
            self.busy += 1
        else:
            self._answer(packet)

    def _answer(self, packet: Packet) -> None:
        self.refused += packet.type == Type.REFUSED
        if self.sloppy:
            while self.answers[0].sequence != packet.sequence:
                self.answers.popleft()
        head = self.answers.popleft()
        assert (packet.type, packet.sequence) == (head.type, head.sequence), (packet, head)
        if packet.type == Type.COUNTERS:
            self.status = Status.unpack(packet.payload)
        elif packet.type == Type.IDENTITY:
            assert packet.payload == self.identity
        else:
            assert packet.payload == head.payload
        if packet.type == Type.DONE:
            kept = deque(p for p in self.waiting if not p.doubtful)
            self.lost += len(self.waiting) - len(kept)
            self.waiting = kept

    # what goes

    async def send(self, line: list[int | None] | bytes, gaps: float = 0.0) -> None:
        """Bytes, after which a share of `gaps` has a pause."""
        for packet in self.model.feed(line):
            if packet.type == Type.FRAME:
                self.waiting.append(Pending(packet.sequence, self.results[packet.payload]))
            else:
                self.answers.append(packet)
            if packet.type == Type.DONE:
                for pending in self.waiting:
                    pending.doubtful = True
        for byte in line:
            await self.link.put(byte)
            if self.rng.random() < gaps:
                await self.link.disturb()
                for _ in range(self.rng.randrange(3)):
                    await self.link.pause()

    def next_frame(self) -> Packet:
        """A frame under the next number."""
        self.sequence = (self.sequence + 1) % 0xFFFF
        return Packet(Type.FRAME, self.sequence, self.rng.choice(self.frames))

    async def room(self, window: int) -> None:
        """Wait until less than `window` frames are unanswered."""
        await self.until(lambda: len(self.waiting) < window)

    async def until(self, done: Any) -> None:
        for _ in range(PATIENCE):
            if done():
                return
            await self.link.idle()
        raise AssertionError(f"nothing comes for {self.waiting} and {self.answers}")

    async def ask(self, kind: Type) -> None:
        """A request, and its answer."""
        await self.send(encode(Packet(kind, self.rng.randrange(0xFFFF))))
        await self.until(lambda: not self.answers)

    async def settle(self) -> None:
        """All has come, nothing more comes, and the counters know every packet."""
        await self.until(lambda: not self.waiting and (self.sloppy or not self.answers))
        for _ in range(80):
            await self.link.idle()
        self.answers.clear()
        await self.ask(Type.STATUS)
        assert self.status is not None
        assert self.base is not None
        counts = self.model.counts
        expected = (
            counts["accepted"], self.finished, counts["crc"], counts["length"],
            counts["unknown"], self.busy, counts["line"], self.lost,
        )  # fmt: skip
        now, then = astuple(self.status), astuple(self.base)
        assert tuple(a - b for a, b in zip(now, then, strict=True))[:8] == expected
        assert counts["accepted"] == self.finished + self.lost
