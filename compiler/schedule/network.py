"""What the cycle solver is given, timings of kernels and FIFOs between them, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.rtl.timing import Timing

__all__ = ["ENDLESS", "Deadlock", "Edge", "End", "Late", "Network", "Trace"]

End = tuple[str, str]

ENDLESS = 1 << 40
"""A FIFO of depth ENDLESS + n never fills; n beats go into it in a whole run, and no more."""


@dataclass(frozen=True)
class Edge:
    """A stream from port `src` = (kernel, port) to port `dst` through a FIFO.

    :param depth: the FIFO's depth in beats; 0 is a plain connection, 1 a skid, which takes no
        cycle; -n is an ideal FIFO, which holds n beats and takes no cycle (no hardware can, but
        none is faster).
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


class Deadlock(Exception):
    """The network stops before its outputs are complete; the text lists who waits for whom."""


class Late(Exception):
    """An output transfer comes later than the limit that was given."""


@dataclass(frozen=True)
class Trace:
    """When beats moved, in cycles from the reset; all sources valid and all sinks ready always.

    :param inputs: per top input the cycle of each transfer.
    :param outputs: per top output the cycle of each transfer.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
