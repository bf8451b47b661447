"""What every link to a board offers to `accelerator.Accelerator`."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["BoardIdentity", "Counters", "Link"]


@dataclass(frozen=True)
class BoardIdentity:
    """What a board says it is.

    :param digest: 8 bytes of the SHA-256 of the model file, then 8 of that of the core's Verilog.
    :param samples: in a frame.
    :param frame_bytes: of an input frame, as the link carries it.
    :param result_bytes: of a result.
    :param clock_hz: of the core.
    """

    digest: bytes
    samples: int
    frame_bytes: int
    result_bytes: int
    clock_hz: int


@dataclass(frozen=True)
class Counters:
    """What a board counts, modulo 2**32; times are of the last result.

    :param accepted: frames taken.
    :param finished: results given.
    :param faults: frames refused or marked as wrong, and damage on the line.
    :param lost: frames that a reset dropped.
    :param latency: cycles from the first word into the core to the last one out of it.
    :param interval: cycles between the last words of the last two results.
    """

    accepted: int
    finished: int
    faults: int
    lost: int
    latency: int
    interval: int


class Link(Protocol):
    """A way to a core; every method raises `LinkError` where the board does not do its part."""

    @property
    def kind(self) -> str:
        """Which frames it carries: "serial" or "axi"."""

    def identity(self) -> BoardIdentity:
        """Ask the board what it is."""

    def counters(self) -> Counters:
        """Ask the board what it has counted."""

    def reset(self) -> None:
        """Empty the core; no result of an earlier frame comes after it."""

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, frame_bytes) -> uint8 (n, result_bytes), in the same order, n at least 1."""

    def close(self) -> None:
        """Give the device back."""
