"""What the AXI bench got, held against what it sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thresher.boards.host.registers import Flag, Register

__all__ = ["FAULTS", "Packet", "Result", "counted", "expected_flags", "explained", "matches"]


FAULTS = ("short", "long", "null", "short_null", "long_null")


@dataclass(frozen=True)
class Packet:
    """A packet of `s_axis`.

    :param kind: "right" or one of `FAULTS`.
    :param words: of the packet.
    :param keep: TKEEP of each word.
    :param result: words of the result, which the golden model tells of the frame that the core
        must have seen.
    """

    kind: str
    words: list[int]
    keep: list[int]
    result: list[int]


@dataclass(frozen=True)
class Result:
    """A packet of `m_axis`.

    :param user: TUSER of its last word.
    """

    words: list[int]
    user: int

    @classmethod
    def of(cls, frame: Any, size: int) -> "Result":
        """From what cocotbext-axi received."""
        data = bytes(frame.tdata)
        words = [int.from_bytes(data[k : k + size], "little") for k in range(0, len(data), size)]
        return cls(words, frame.tuser[-1] if isinstance(frame.tuser, list) else frame.tuser)

    def is_of(self, packet: Packet) -> bool:
        """The result of this packet, right or marked as of a wrong one."""
        return self.words == packet.result and self.user == (packet.kind != "right")

    def cut(self, packet: Packet) -> bool:
        """The start of the packet's result, at least a word, and zeros, marked as wrong."""
        if not self.user or len(self.words) != len(packet.result):
            return False
        return any(
            self.words == packet.result[:k] + [0] * (len(self.words) - k)
            for k in range(1, len(self.words))
        )


def matches(sent: Sequence[Packet], got: Sequence[Result]) -> bool:
    """Every packet has its result, in order."""
    return len(sent) == len(got) and all(r.is_of(p) for p, r in zip(sent, got, strict=True))


def explained(sent: Sequence[Packet], got: Sequence[Result], lost: int, resets: int) -> bool:
    """Whether so many resets, which dropped `lost` packets in all, make these results of these.

    Before a reset every packet has its result, but that the last one may be cut; then some packets
    have none; then it goes on with the next.
    """
    if not resets:
        return lost == 0 and matches(sent, got)
    for whole in range(len(got) + 1):
        before = matches(sent[:whole], got[:whole])
        if whole and not before:
            before = matches(sent[: whole - 1], got[: whole - 1]) and got[whole - 1].cut(
                sent[whole - 1]
            )
        for dropped in range(lost + 1) if before else ():
            if explained(sent[whole + dropped :], got[whole:], lost - dropped, resets - 1):
                return True
    return False


def expected_flags(sent: Sequence[Packet]) -> int:
    """Flags after all of these went through."""
    kinds = {p.kind for p in sent}
    flags = Flag.DONE
    for word, flag in (("short", Flag.SHORT), ("long", Flag.LONG), ("null", Flag.NULL_BYTES)):
        if any(word in kind for kind in kinds):
            flags |= flag
    return int(flags)


def counted(sent: Sequence[Packet], ended: Sequence[Packet], lost: int) -> dict[Register, int]:
    """Counters after these were sent and these had a result."""
    return {
        Register.FRAMES_IN: len(sent),
        Register.FRAMES_OUT: len(ended),
        Register.FRAMES_BAD: sum(p.kind != "right" for p in sent),
        Register.FRAMES_LOST: lost,
    }
