"""How a frame lies in bytes: what a host sends for one inference, and what it gets back.

A frame is its ports one after the other, a port its beats one after the other, and a beat so many
whole bytes, least significant first. Bits of a beat beyond its payload are written as 0 and ignored
when read. Element 0 of a beat is in its lowest bits.
"""

from dataclasses import dataclass

__all__ = ["Frame", "FramePort"]


@dataclass(frozen=True)
class FramePort:
    """One stream of the design within a frame.

    :param name: the stream's name in the Verilog.
    :param beats: beats in a frame.
    :param lanes: elements in a beat.
    :param element_bits: of one element.
    :param signed: elements are in two's complement.
    :param beat_bytes: bytes that a beat takes; at least `lanes * element_bits` bits.
    """

    name: str
    beats: int
    lanes: int
    element_bits: int
    signed: bool
    beat_bytes: int

    def __post_init__(self) -> None:
        if 8 * self.beat_bytes < self.bits:
            raise ValueError(f"beat_bytes must hold {self.bits} bits, not {self.beat_bytes!r}")

    @property
    def bits(self) -> int:
        """Payload bits of a beat."""
        return self.lanes * self.element_bits

    @property
    def size(self) -> int:
        """Bytes of the port in a frame."""
        return self.beats * self.beat_bytes


@dataclass(frozen=True)
class Frame:
    """The ports of one direction, in the order in which they stand in a frame."""

    ports: tuple[FramePort, ...]

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return sum(port.size for port in self.ports)

    @property
    def beats(self) -> int:
        """Beats of a frame, all ports together."""
        return sum(port.beats for port in self.ports)
