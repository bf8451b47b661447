"""A design as the cycle solver sees it: the timings of its kernels, and the FIFOs between."""

from collections.abc import Mapping
from dataclasses import dataclass

from thresher.rtl.timing import Timing

__all__ = ["Edge", "End", "Network"]

End = tuple[str, str]


@dataclass(frozen=True)
class Edge:
    """A stream from port `src` = (kernel, port) to port `dst` through a FIFO.

    :param depth: the FIFO's depth in beats; 0 is a plain connection.
    """

    src: End
    dst: End
    depth: int


@dataclass(frozen=True)
class Network:
    """Kernels joined by edges.

    :param timings: the timing of each kernel by name.
    :param edges: the streams between kernels.
    :param inputs: top input name -> (the port it feeds, depth of the FIFO between, beats a frame).
    :param outputs: top output name -> (the port that feeds it, depth of the FIFO between, beats a
        frame).
    """

    timings: Mapping[str, Timing]
    edges: tuple[Edge, ...]
    inputs: Mapping[str, tuple[End, int, int]]
    outputs: Mapping[str, tuple[End, int, int]]
