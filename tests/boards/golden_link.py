"""A link whose board is the golden model: frames in, results out, nothing that can fail."""

from functools import cache

import numpy as np

import zoo.rtl
from thresher.boards.framing import axi_frames, serial_frames
from thresher.boards.host.links import BoardIdentity, Counters
from thresher.gen.compiled import Compiled
from thresher.sim.packing import from_words, to_words
from thresher.sim.top import top_of

__all__ = ["GoldenLink", "compiled"]


@cache
def compiled(name: str, interleave: int = 1) -> Compiled:
    """A zoo model, compiled once for all tests of this folder."""
    return zoo.rtl.compiled(name, interleave=interleave)


class GoldenLink:
    """Frames are taken apart and results put together by the packing of the simulations.

    :param kind: "serial" or "axi".
    """

    def __init__(self, compiled: Compiled, kind: str = "serial") -> None:
        self.kind, self.compiled = kind, compiled
        self.top = top_of(compiled)
        self.taken, self.given = (serial_frames if kind == "serial" else axi_frames)(
            compiled.design
        )
        self.told = BoardIdentity(
            bytes.fromhex(compiled.model_sha256)[:8] + bytes.fromhex(compiled.verilog_sha256)[:8],
            compiled.design.samples, self.taken.size, self.given.size, 10**8,
        )  # fmt: skip
        self.frames = self.resets = 0
        self.closed = False
        self.spoil = 0

    def identity(self) -> BoardIdentity:
        return self.told

    def counters(self) -> Counters:
        return Counters(self.frames, self.frames, 0, 0, 77, 55)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        assert frames.dtype == np.uint8
        assert frames.shape[1] == self.taken.size
        self.frames += len(frames)
        arrays, at = [], 0
        for top, port in zip(self.top.inputs, self.taken.ports, strict=True):
            part = frames[:, at : at + port.size].reshape(-1, port.beat_bytes)
            at += port.size
            wide = np.zeros((len(part), -(-port.beat_bytes // 4) * 4), np.uint8)
            wide[:, : port.beat_bytes] = part
            used = -(-port.bits // 32) * 4
            arrays.append(from_words(top.port, np.ascontiguousarray(wide[:, :used]).view("<u4")))
        results = self.top.model(*arrays)
        parts = []
        for top, port, rows in zip(self.top.outputs, self.given.ports, results, strict=True):
            words = to_words(top.port, rows).view(np.uint8)
            wide = np.zeros((len(words), port.beat_bytes), np.uint8)
            size = min(words.shape[1], port.beat_bytes)
            wide[:, :size] = words[:, :size]
            parts.append(wide.reshape(len(frames), -1))
        data = np.concatenate(parts, axis=1)
        data[: self.spoil, 0] ^= 1
        return data
