"""Pipes and processes at work: what has moved, and what moves next."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from thresher.rtl.timing import Pipe

__all__ = ["Channel", "Move", "Process"]


@dataclass(eq=False)
class Channel:
    """A pipe at work: the cycles of its puts and takes."""

    pipe: Pipe
    put: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    producer: "Process | None" = None
    consumer: "Process | None" = None
    limits: list[int] | None = None

    @property
    def is_full_rate(self) -> bool:
        """It can move a beat a cycle."""
        return self.pipe.forward + self.pipe.backward <= self.pipe.capacity


@dataclass(frozen=True)
class Move:
    """What one firing does.

    :param takes: channels, and the least cycles from put to take.
    :param gives: channels with their capacity, and the least cycles from take to put.
    :param gap: the least cycles since the process's firing before.
    """

    takes: tuple[tuple[Channel, int], ...]
    gives: tuple[tuple[Channel, int, int], ...]
    gap: int


@dataclass(eq=False)
class Process:
    """A process at work: its firings to come, and when it fired last."""

    name: str
    firings: Iterator[tuple[Move, int]]
    move: Move = Move((), (), 1)
    left: int = 0
    last: int = -1
    queued: bool = True
    waits: str = ""
