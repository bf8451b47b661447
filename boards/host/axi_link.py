"""The link to the AXI core: its registers, and a DMA engine on its two streams.

`Registers` and `Dma` are all that differs between PYNQ, plain Linux and the simulation. A packet of
a wrong length, a reset in between or a lost result shows in the core's flags and counters, which
are read after every transfer: such a transfer raises, it never gives a result.
"""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from thresher.boards.host.errors import LinkError
from thresher.boards.host.links import BoardIdentity, Counters
from thresher.boards.host.registers import ID, VERSION, Control, Flag, Register, Status

__all__ = ["AxiLink", "Dma", "Exchange", "Registers", "TwoBufferDma"]

_WRAP = 1 << 32
_ALL = _WRAP - 1
_FAULTS = Flag.SHORT | Flag.LONG | Flag.NULL_BYTES | Flag.LOST
_RESET_SECONDS = 1.0


class Registers(Protocol):
    """32-bit registers by byte offset."""

    def read(self, offset: int) -> int:
        """The register's value."""

    def write(self, offset: int, value: int) -> None:
        """Set the register."""


@dataclass(frozen=True)
class Exchange:
    """What came back.

    :param results: uint8 (n, result_bytes).
    :param marked: the results that bore TUSER, where the engine shows it.
    """

    results: np.ndarray
    marked: tuple[int, ...] = ()


class Dma(Protocol):
    """A DMA engine: a frame is a packet, a result is a packet."""

    def exchange(self, frames: np.ndarray, result_bytes: int, timeout: float) -> Exchange:
        """Send uint8 (n, frame_bytes) and receive as many results.

        :param timeout: seconds without any progress.
        :raises LinkError: the engine reports an error, or nothing moves any more.
        """

    def reset(self) -> None:
        """Abandon what is on its way."""

    def discard(self, result_bytes: int, timeout: float) -> None:
        """Receive the rest of a result and forget it; raises as `exchange`."""

    def close(self) -> None:
        """Give the device back."""


class AxiLink:
    """A link over registers and DMA.

    :param word_bytes: of a word of s_axis and of m_axis.
    :param timeout: seconds without progress before a transfer is given up.
    """

    kind = "axi"

    def __init__(
        self,
        registers: Registers,
        dma: Dma,
        word_bytes: tuple[int, int],
        *,
        timeout: float = 5.0,
    ) -> None:
        self.registers, self.dma, self.timeout = registers, dma, timeout
        self._words = word_bytes
        found, version = self._read(Register.ID), self._read(Register.VERSION)
        if found != ID or version >> 16 != VERSION >> 16:
            raise LinkError(
                f"the core's ID is {found:#010x}, version {version:#010x}, not {ID:#010x}, "
                f"{VERSION:#010x}; load the bitstream of this build, or check the address"
            )

    def identity(self) -> BoardIdentity:
        """Read what the core is."""
        digest = b"".join(
            self._read(r).to_bytes(4, "big")
            for r in (Register.MODEL0, Register.MODEL1, Register.VERILOG0, Register.VERILOG1)
        )
        return BoardIdentity(
            digest,
            self._read(Register.SAMPLES),
            self._read(Register.FRAME_WORDS) * self._words[0],
            self._result_bytes(),
            self._read(Register.CLOCK_HZ),
        )

    def counters(self) -> Counters:
        """Read what the core has counted."""
        order = (
            Register.FRAMES_IN, Register.FRAMES_OUT, Register.FRAMES_BAD, Register.FRAMES_LOST,
            Register.LATENCY, Register.INTERVAL,
        )  # fmt: skip
        return Counters(*(self._read(r) for r in order))

    def reset(self) -> None:
        """Abandon what the DMA engine does, then empty the core.

        A result that has begun to leave is filled up with zeros, and has to be taken.
        """
        self.dma.reset()
        self.registers.write(Register.CONTROL, Control.RESET | Control.FORGET)
        end = time.monotonic() + _RESET_SECONDS
        while status := self._read(Register.STATUS):
            if status & Status.SENDING:
                self.dma.discard(self._result_bytes(), _RESET_SECONDS)
            if time.monotonic() > end:
                raise LinkError("the core does not come out of its reset; load the bitstream again")
        self.registers.write(Register.FLAGS, _ALL)

    def transfer(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, frame_bytes) -> uint8 (n, result_bytes)."""
        if self._read(Register.STATUS):  # what another program left inside would come first
            self.reset()
        size = self._result_bytes()
        self.registers.write(Register.FLAGS, _ALL)
        before = self.counters()
        try:
            done = self.dma.exchange(frames, size, self.timeout)
            self._check(len(frames), before, done)
        except BaseException:
            self.reset()  # nothing of this transfer may come back in the next one
            raise
        return done.results

    def close(self) -> None:
        """Give the device back."""
        self.dma.close()

    def _read(self, register: Register) -> int:
        return self.registers.read(register)

    def _result_bytes(self) -> int:
        return self._read(Register.RESULT_WORDS) * self._words[1]

    def _check(self, count: int, before: Counters, done: Exchange) -> None:
        """Whether the core took `count` good frames and gave their results, and nothing else."""
        flags = self._read(Register.FLAGS) & _FAULTS
        after = self.counters()
        names = " and ".join(f.name or "" for f in Flag if f & flags)
        if flags or done.marked:
            where = f", first at frame {done.marked[0]}" if done.marked else ""
            raise LinkError(
                f"the core marked the transfer as wrong ({names or 'TUSER'}{where}); the frames' "
                "length does not fit it: use the driver of the same build"
            )
        moved = [
            (getattr(after, n) - getattr(before, n)) % _WRAP
            for n in ("accepted", "finished", "faults", "lost")
        ]
        inside = self._read(Register.STATUS)
        if moved != [count, count, 0, 0] or inside:
            raise LinkError(
                f"the core counted {moved[0]} frames, {moved[1]} results, {moved[2]} bad and "
                f"{moved[3]} lost, not {count}, and holds {'more' if inside else 'none'}; let "
                "only one program use it"
            )


class TwoBufferDma:
    """An engine with one send and one receive channel and two buffers for each, by turns.

    While a result is on its way the next frame is sent. Subclasses move buffers and have their
    memory as `sending` and `receiving`, two uint8 arrays each.
    """

    sending: list[np.ndarray]
    receiving: list[np.ndarray]

    def exchange(self, frames: np.ndarray, result_bytes: int, timeout: float) -> Exchange:
        """As `Dma.exchange`."""
        count, size = frames.shape
        for name, need, have in (
            ("frame", size, self.sending[0].size),
            ("result", result_bytes, self.receiving[0].size),
        ):
            if need > have:
                raise LinkError(f"a {name} of {need} bytes needs a buffer larger than {have} bytes")
        results = np.empty((count, result_bytes), np.uint8)
        self._fill(frames, 0)
        self.start_send(0, size)
        for k in range(count):
            slot = k % 2
            self.start_receive(slot, result_bytes)
            if k + 1 < count:
                self._fill(frames, k + 1)
                self._wait("send", k, timeout)
                self.start_send(1 - slot, size)
            self._wait("receive", k, timeout)
            got = self.received(slot)
            if got != result_bytes:
                raise LinkError(
                    f"result {k} has {got} bytes, not {result_bytes}; load the bitstream of this "
                    "build"
                )
            results[k] = self.receiving[slot][:result_bytes]
        self._wait("send", count - 1, timeout)
        return Exchange(results)

    def discard(self, result_bytes: int, timeout: float) -> None:
        """As `Dma.discard`."""
        self.start_receive(0, result_bytes)
        self._wait("receive", 0, timeout)
        self.received(0)

    def _fill(self, frames: np.ndarray, k: int) -> None:
        self.sending[k % 2][: frames.shape[1]] = frames[k]

    def _wait(self, channel: str, k: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while not self.finished(channel):
            if time.monotonic() > end:
                raise LinkError(
                    f"the DMA engine did not {channel} frame {k} within {timeout:g} s; load the "
                    "bitstream again"
                )

    def start_send(self, slot: int, size: int) -> None:
        """Start to send the first `size` bytes of `sending[slot]` as a packet."""
        raise NotImplementedError

    def start_receive(self, slot: int, size: int) -> None:
        """Start to receive a packet of up to `size` bytes into `receiving[slot]`."""
        raise NotImplementedError

    def finished(self, channel: str) -> bool:
        """Whether "send" or "receive" is done; raises LinkError where the engine has failed."""
        raise NotImplementedError

    def received(self, slot: int) -> int:
        """Bytes of the packet that was received; they are in `receiving[slot]` now."""
        raise NotImplementedError
