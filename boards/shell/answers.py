"""What the receiver asks the sender to say, and what both ask to have counted."""

from enum import IntEnum

from amaranth.lib import data

from thresher.boards.host.packets import Reason, Type

__all__ = ["ANSWER", "Answer", "Event", "refusal"]


class Answer(IntEnum):
    """A packet to send; with bit 2 a refusal, whose reason less one the other two bits are."""

    IDENTITY = 0
    COUNTERS = 1
    DONE = 2
    RESULT = 3
    REFUSED_CRC = 4
    REFUSED_LENGTH = 5
    REFUSED_TYPE = 6
    REFUSED_BUSY = 7

    @property
    def type(self) -> Type:
        """The type of the packet."""
        return Type.REFUSED if self.value & 4 else Type[self.name]


def refusal(reason: Reason) -> Answer:
    """The answer that refuses for this reason."""
    return Answer(4 | reason - 1)


ANSWER = data.StructLayout({"kind": Answer, "sequence": 16})


class Event(IntEnum):
    """What is counted; its value is the counter's place in `packets.Status`."""

    ACCEPTED = 0
    FINISHED = 1
    CRC = 2
    LENGTH = 3
    UNKNOWN = 4
    BUSY = 5
    LINE = 6
    LOST = 7
