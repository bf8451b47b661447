"""The frames of a design's top, as links carry them."""

from collections.abc import Iterable

from thresher.boards.host.frames import Frame, FramePort
from thresher.compiler.schedule.design import Design, TopPort

__all__ = ["axi_frames", "axi_width", "serial_frames"]


def serial_frames(design: Design) -> tuple[Frame, Frame]:
    """Input and output frame on a serial link: a beat takes as few bytes as hold it."""
    return _frame(design.inputs, 0), _frame(design.outputs, 0)


def axi_frames(design: Design) -> tuple[Frame, Frame]:
    """Input and output frame on AXI4-Stream: a beat takes a word of the stream.

    A word is as wide as the widest beat of that direction, in a power of two of bytes, which is
    what DMA engines take.
    """
    return (
        _frame(design.inputs, axi_width(design.inputs)),
        _frame(design.outputs, axi_width(design.outputs)),
    )


def axi_width(ports: Iterable[TopPort]) -> int:
    """Bytes of a word of the stream that carries these ports."""
    least = max(_beat_bytes(port) for port in ports)
    return 1 << (least - 1).bit_length()


def _beat_bytes(top: TopPort) -> int:
    return -(-top.port.width * top.port.lanes // 8)


def _frame(ports: Iterable[TopPort], beat_bytes: int) -> Frame:
    return Frame(
        tuple(
            FramePort(
                top.name,
                top.port.beats,
                top.port.lanes,
                top.port.width,
                top.port.lo < 0,
                beat_bytes or _beat_bytes(top),
            )
            for top in ports
        )
    )
