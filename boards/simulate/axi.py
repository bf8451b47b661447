"""The AXI core, simulated: its registers and a DMA engine on its streams."""

import struct
from dataclasses import dataclass

import numpy as np

from thresher.boards.framing import axi_width
from thresher.boards.host.axi_link import AxiLink, Exchange
from thresher.boards.host.errors import LinkError
from thresher.boards.shell.axi_core import AXI_NAME, axi_verilog
from thresher.boards.simulate.program import Program
from thresher.gen.compiled import Compiled

__all__ = ["SimulatedAxi", "simulated_axi"]

_PATIENCE = 10_000  # cycles, beside what the core takes


@dataclass(frozen=True)
class _Packet:
    """A result as it came.

    :param size: its bytes, which may be more than there is `data` of.
    :param marked: TUSER of its last word.
    """

    size: int
    marked: bool
    data: bytes


class SimulatedAxi:
    """Registers and DMA of a simulated AXI core.

    :param stalls: chance in 256 that the engine pauses in a cycle, on each stream.
    :param seed: of the pauses.
    """

    def __init__(self, compiled: Compiled, *, stalls: int = 0, seed: int = 0) -> None:
        design = compiled.design
        self.words = axi_width(design.inputs), axi_width(design.outputs)
        self._program = Program(
            axi_verilog(compiled) + compiled.verilog, AXI_NAME, "axi.cpp",
            (*self.words, stalls, seed),
        )  # fmt: skip
        cycles = design.predicted.latency + design.predicted.interval
        self._patience = _PATIENCE + 8 * cycles

    def read(self, offset: int) -> int:
        """The register's value."""
        self._program.ask(struct.pack("=cI", b"r", offset))
        return int.from_bytes(self._program.answer(4), "little")

    def write(self, offset: int, value: int) -> None:
        """Set the register."""
        self._program.ask(struct.pack("=cII", b"w", offset, value))
        if response := self._program.answer(1)[0]:
            raise LinkError(f"the core answers {response} to a write of {offset:#x}; this is a bug")

    def exchange(self, frames: np.ndarray, result_bytes: int, timeout: float) -> Exchange:
        """Send and receive packets; a packet's end is where the core says.

        :param timeout: is not used: patience is counted in cycles.
        """
        packets = self._packets(frames, result_bytes)
        for k, packet in enumerate(packets):
            if packet.size != result_bytes:
                raise LinkError(f"result {k} has {packet.size} bytes, not {result_bytes}")
        if (found := len(packets)) != len(frames):
            raise LinkError(f"the DMA engine did not receive frame {found}: nothing moves any more")
        data = np.frombuffer(b"".join(p.data for p in packets), np.uint8)
        marked = tuple(k for k, packet in enumerate(packets) if packet.marked)
        return Exchange(data.reshape(len(frames), result_bytes), marked)

    def reset(self) -> None:
        """Nothing is on its way between two exchanges."""

    def discard(self, result_bytes: int, timeout: float) -> None:
        """Receive the rest of a packet."""
        packets = self._packets(np.empty((1, 0), np.uint8), result_bytes)
        if not packets:
            raise LinkError("the core says that it sends, and does not")

    def _packets(self, frames: np.ndarray, most: int) -> list[_Packet]:
        """Send uint8 (n, bytes) as n packets; the packets that came back, n at most."""
        count, size = frames.shape
        request = struct.pack("=cIIIQ", b"x", count, size, most, self._patience)
        self._program.ask(request + frames.tobytes())
        packets = []
        for _ in range(int.from_bytes(self._program.answer(4), "little")):
            length, marked = struct.unpack("=IB", self._program.answer(5))
            data = self._program.answer(min(length, most))
            packets.append(_Packet(length, bool(marked), data))
        return packets

    def close(self) -> None:
        """End the simulation."""
        self._program.close()


def simulated_axi(compiled: Compiled, *, stalls: int = 0, seed: int = 0) -> AxiLink:
    """The link to a simulated AXI core; arguments as of `SimulatedAxi`."""
    both = SimulatedAxi(compiled, stalls=stalls, seed=seed)
    return AxiLink(both, both, both.words)
