"""The AXI link on plain Linux: UIO for registers, u-dma-buf for memory, AXI DMA in simple mode.

The device tree must have, beside what the bitstream's overlay loads (addresses as in the block
design; `compatible = "generic-uio"` needs `uio_pdrv_genirq.of_id=generic-uio` on the kernel's
command line, u-dma-buf is the module of https://github.com/ikwzm/udmabuf):

    thresher@a0000000 { compatible = "generic-uio"; reg = <0x0 0xa0000000 0x0 0x1000>; };
    thresher_dma@a0010000 { compatible = "generic-uio"; reg = <0x0 0xa0010000 0x0 0x10000>; };
    thresher_buf { compatible = "ikwzm,u-dma-buf"; device-name = "thresher_buf";
                   size = <0x0 0x100000>; };

Nodes are found by the names before the "@". Buffers are mapped uncached (O_SYNC).
"""

import mmap
import os
import time
from pathlib import Path

import numpy as np

from thresher.boards.host.axi_link import AxiLink, Registers, TwoBufferDma
from thresher.boards.host.errors import LinkError
from thresher.boards.host.model import Model

__all__ = ["MappedRegisters", "UioDma", "uio_link"]

_CORE, _DMA, _BUFFER = "thresher", "thresher_dma", "thresher_buf"
_PAGE = 4096

# AXI DMA, simple mode (PG021): offsets of each channel, bits of control and status.
_CHANNEL = {"send": 0x00, "receive": 0x30}
_CONTROL, _STATUS, _ADDRESS, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_RUN, _RESET = 1, 4
_HALTED, _IDLE, _ERRORS = 1, 2, 0x70
_RESET_SECONDS = 1.0


def uio_link(
    model: Model,
    *,
    timeout: float = 5.0,
    system: Path = Path("/sys/class"),
    devices: Path = Path("/dev"),
) -> AxiLink:
    """Connect to the core that the device tree names.

    :param timeout: seconds without progress before a transfer is given up.
    :raises LinkError: a node is missing, or the buffer is too small.
    """
    core = _uio(_CORE, system, devices)
    engine = _uio(_DMA, system, devices)
    told = system / "u-dma-buf" / _BUFFER
    try:
        size = int((told / "size").read_text(), 0)
        address = int((told / "phys_addr").read_text(), 0)
    except (OSError, ValueError) as e:
        raise LinkError(
            f"there is no u-dma-buf '{_BUFFER}' ({e}); load the module and the device tree's node"
        ) from e
    memory = np.frombuffer(_map(devices / _BUFFER, size), np.uint8)
    taken, given = model.frames["axi"]
    words = taken.ports[0].beat_bytes, given.ports[0].beat_bytes
    dma = UioDma(engine, memory, address, taken.size, given.size)
    return AxiLink(core, dma, words, timeout=timeout)


def _uio(name: str, system: Path, devices: Path) -> "MappedRegisters":
    for folder in sorted((system / "uio").glob("uio*")):
        if (folder / "name").read_text().strip().split("@")[0] == name:
            size = int((folder / "maps/map0/size").read_text(), 0)
            return MappedRegisters(devices / folder.name, size)
    raise LinkError(
        f"there is no UIO device '{name}'; load the overlay with the device tree's node"
    )


def _map(path: Path, size: int) -> mmap.mmap:
    try:
        file = os.open(path, os.O_RDWR | os.O_SYNC)
        try:
            return mmap.mmap(file, size)
        finally:
            os.close(file)
    except (OSError, ValueError) as e:
        raise LinkError(f"'{path}' cannot be mapped ({e}); check your rights on it") from e


class MappedRegisters:
    """Registers in mapped memory, each access one of 32 bits.

    :param path: the UIO device.
    :param size: of its mapping in bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._words = np.frombuffer(_map(path, size), np.uint32)

    def read(self, offset: int) -> int:
        """The register's value."""
        return int(self._words[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Set the register."""
        self._words[offset // 4] = value


class UioDma(TwoBufferDma):
    """AXI DMA by its registers.

    :param registers: of the engine.
    :param memory: uint8, what the engine reaches at `address`.
    :param frame_bytes: of an input frame.
    :param result_bytes: of a result.
    :raises LinkError: the memory does not hold two frames and two results.
    """

    def __init__(
        self,
        registers: Registers,
        memory: np.ndarray,
        address: int,
        frame_bytes: int,
        result_bytes: int,
    ) -> None:
        sizes = [frame_bytes] * 2 + [result_bytes] * 2
        starts = [0]
        for size in sizes:
            starts.append(starts[-1] + -(-size // _PAGE) * _PAGE)
        if starts[-1] > memory.size:
            raise LinkError(
                f"the DMA buffer has {memory.size} bytes and needs {starts[-1]}; raise its size "
                "in the device tree"
            )
        views = [memory[s : s + size] for s, size in zip(starts, sizes, strict=False)]
        self.sending, self.receiving = views[:2], views[2:]
        self._addresses = {"send": starts[:2], "receive": starts[2:4]}
        self._registers, self._base = registers, address
        self.reset()

    def start_send(self, slot: int, size: int) -> None:
        """Send the buffer as a packet."""
        self._start("send", slot, size)

    def start_receive(self, slot: int, size: int) -> None:
        """Receive a packet into the buffer."""
        self._start("receive", slot, size)

    def _start(self, channel: str, slot: int, size: int) -> None:
        address = self._base + self._addresses[channel][slot]
        self._write(channel, _ADDRESS, address & 0xFFFF_FFFF)
        self._write(channel, _ADDRESS_HIGH, address >> 32)
        self._write(channel, _LENGTH, size)  # this starts it

    def finished(self, channel: str) -> bool:
        """Whether the channel is idle again."""
        status = self._read(channel, _STATUS)
        if status & _ERRORS or status & _HALTED:
            raise LinkError(
                f"the DMA engine failed to {channel} (status {status:#010x}); check the addresses "
                "in the device tree"
            )
        return bool(status & _IDLE)

    def received(self, slot: int) -> int:
        """Bytes received."""
        return self._read("receive", _LENGTH)

    def reset(self) -> None:
        """Reset the engine (one reset is for both channels) and start it again."""
        self._write("send", _CONTROL, _RESET)
        end = time.monotonic() + _RESET_SECONDS
        while any(self._read(channel, _CONTROL) & _RESET for channel in _CHANNEL):
            if time.monotonic() > end:
                raise LinkError("the DMA engine stays in reset; load the bitstream again")
        for channel in _CHANNEL:
            self._write(channel, _CONTROL, _RUN)

    def close(self) -> None:
        """Stop the engine."""
        for channel in _CHANNEL:
            self._write(channel, _CONTROL, 0)

    def _read(self, channel: str, offset: int) -> int:
        return self._registers.read(_CHANNEL[channel] + offset)

    def _write(self, channel: str, offset: int, value: int) -> None:
        self._registers.write(_CHANNEL[channel] + offset, value)
