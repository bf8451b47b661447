"""The AXI link on PYNQ: an overlay's registers and its AXI DMA in simple mode."""

import time
from types import ModuleType
from typing import Any

import numpy as np

from thresher.boards.host.axi_link import AxiLink, Registers, TwoBufferDma
from thresher.boards.host.errors import LinkError
from thresher.boards.host.model import Model

__all__ = ["PynqDma", "pynq_link"]

_CORE, _DMA = "thresher", ":axi_dma:"
_CONTROL = {"send": 0x00, "receive": 0x30}  # AXI DMA (PG021): MM2S_DMACR, S2MM_DMACR
_RESET = 4
_RESET_SECONDS = 1.0


def pynq_link(model: Model, bitfile: str, *, timeout: float = 5.0) -> AxiLink:
    """Load a bitstream, whose .hwh lies beside it, and connect to the core in it.

    :param timeout: seconds without progress before a transfer is given up.
    :raises LinkError: not on PYNQ, no such file, or the overlay has no core or no DMA.
    """
    pynq = _pynq()
    try:
        overlay = pynq.Overlay(bitfile)
    except (OSError, RuntimeError) as e:
        raise LinkError(
            f"bitstream '{bitfile}' cannot be loaded ({e}); check that .bit and .hwh lie side by "
            "side, and run as root"
        ) from e
    core = getattr(overlay, _block(overlay, _CORE))
    dma = PynqDma(pynq, getattr(overlay, _block(overlay, _DMA)), model)
    taken, given = model.frames["axi"]
    words = taken.ports[0].beat_bytes, given.ports[0].beat_bytes
    registers: Registers = core
    return AxiLink(registers, dma, words, timeout=timeout)


def _block(overlay: Any, kind: str) -> str:
    """The name of the overlay's block of this kind (its VLNV holds it)."""
    found = [name for name, told in overlay.ip_dict.items() if kind in told["type"]]
    if len(found) != 1:
        raise LinkError(
            f"the overlay has {len(found)} blocks of type '{kind.strip(':')}', not 1; load a "
            "bitstream of thresher build"
        )
    return str(found[0])


def _pynq() -> ModuleType:
    try:
        import pynq
    except ImportError as e:
        raise LinkError(
            "pynq is not installed: run this on the board's PYNQ image, or give uio= on plain Linux"
        ) from e
    return pynq


class PynqDma(TwoBufferDma):
    """`pynq.lib.dma.DMA`, both channels.

    :param pynq: the module.
    :param dma: the overlay's DMA block.
    :param model: tells the buffers' sizes.
    """

    def __init__(self, pynq: ModuleType, dma: Any, model: Model) -> None:
        taken, given = model.frames["axi"]
        self._dma = dma
        self._channels = {"send": dma.sendchannel, "receive": dma.recvchannel}
        self.sending = [pynq.allocate((taken.size,), np.uint8) for _ in range(2)]
        self.receiving = [pynq.allocate((given.size,), np.uint8) for _ in range(2)]

    def start_send(self, slot: int, size: int) -> None:
        """Flush the buffer and send it as a packet."""
        self._start("send", self.sending[slot], size)

    def start_receive(self, slot: int, size: int) -> None:
        """Receive a packet into the buffer."""
        self._start("receive", self.receiving[slot], size)

    def _start(self, channel: str, buffer: np.ndarray, size: int) -> None:
        try:
            self._channels[channel].transfer(buffer, nbytes=size)
        except (RuntimeError, ValueError) as e:
            raise LinkError(f"the DMA engine cannot {channel} ({e}); reset the accelerator") from e

    def finished(self, channel: str) -> bool:
        """Whether the channel is idle again."""
        if self._channels[channel].error:
            raise LinkError(f"the DMA engine failed to {channel}; reset the accelerator")
        return bool(self._channels[channel].idle)

    def received(self, slot: int) -> int:
        """Bytes received; `wait` makes the cache forget the buffer."""
        self._channels["receive"].wait()
        return int(self._channels["receive"].transferred)

    def reset(self) -> None:
        """Reset the engine (one reset is for both channels) and start it again."""
        self._dma.write(_CONTROL["send"], _RESET)
        end = time.monotonic() + _RESET_SECONDS
        while any(self._dma.read(offset) & _RESET for offset in _CONTROL.values()):
            if time.monotonic() > end:
                raise LinkError("the DMA engine stays in reset; load the bitstream again")
        for channel in self._channels.values():
            channel.start()

    def close(self) -> None:
        """Free the buffers."""
        for buffer in (*self.sending, *self.receiving):
            buffer.freebuffer()  # type: ignore[attr-defined]
