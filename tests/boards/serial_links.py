"""The host's side of a line in a simulation: bytes to and from a Verilated serial core."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer, ValueChange

from thresher.boards.host.packets import FLAG

__all__ = ["CLOCK_PS", "Link", "make_link"]

CLOCK_PS = 2000
UART_DIVISOR = 8


def wait(ps: float) -> Timer:
    return Timer(round(ps), "ps")


class Link(ABC):
    """A line. `on_byte` is called with every byte that comes.

    :param skew: share by which this side's bits are longer than they should be.
    """

    def __init__(self, dut: Any, on_byte: Callable[[int], None], rng: random.Random) -> None:
        self.dut, self.on_byte, self.rng = dut, on_byte, rng
        self.skew = 0.0

    @abstractmethod
    def rest(self) -> None:
        """The pins at rest."""

    @abstractmethod
    async def put(self, byte: int | None) -> None:
        """Send a byte, or None: one that the line damages."""

    @abstractmethod
    async def idle(self) -> None:
        """Wait for about a byte's time."""

    async def pause(self) -> None:
        """Wait for about a byte's time, and let nothing move."""
        await self.idle()

    async def disturb(self) -> None:
        """What may happen on the line between two bytes without any effect: here nothing."""
        return None

    def start(self) -> None:
        """Look at what comes; here `put` does."""
        return None


class ByteLink(Link):
    """`serial_model.ByteCore`."""

    SPACING = 24

    def rest(self) -> None:
        for name in ("i_data", "i_error", "i_toggle", "pause"):
            getattr(self.dut, name).value = 0
        self.toggle = 0

    async def put(self, byte: int | None) -> None:
        self.dut.i_data.value = self.rng.randrange(256) if byte is None else byte
        self.dut.i_error.value = byte is None
        self.toggle ^= 1
        self.dut.i_toggle.value = self.toggle
        await self.idle()

    async def idle(self) -> None:
        await wait(self.SPACING * CLOCK_PS)

    def start(self) -> None:
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        while True:
            await ValueChange(self.dut.o_toggle)
            self.on_byte(int(self.dut.o_data.value))


class UartLink(Link):
    """A UART, 8N1."""

    @property
    def bit(self) -> float:
        return UART_DIVISOR * CLOCK_PS * (1 + self.skew)

    def rest(self) -> None:
        self.dut.rx.value = 1

    async def put(self, byte: int | None) -> None:
        bits = self.rng.randrange(256) << 1 if byte is None else byte << 1 | 1 << 9
        for k in range(10):
            self.dut.rx.value = bits >> k & 1
            await wait(self.bit)
        if byte is None:  # the stop bit was 0: the line must come back
            self.dut.rx.value = 1
            await wait(self.bit)

    async def idle(self) -> None:
        await wait(10 * self.bit)

    async def disturb(self) -> None:
        """A pulse that is over before the middle of a bit."""
        self.dut.rx.value = 0
        await wait(self.rng.randrange(100, (UART_DIVISOR // 2 - 1) * CLOCK_PS))
        self.dut.rx.value = 1
        await wait(2 * self.bit)

    def start(self) -> None:
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await wait(self.bit / 2)
            byte = 0
            for k in range(8):
                await wait(self.bit)
                byte |= int(self.dut.tx.value) << k
            await wait(self.bit)
            assert int(self.dut.tx.value) == 1, "stop bit"
            self.on_byte(byte)


class SpiLink(Link):
    """An SPI master, mode 0, at an eighth of the clock."""

    def rest(self) -> None:
        self.dut.ss_n.value, self.dut.sck.value, self.dut.mosi.value = 1, 0, 0
        self.selected = False

    async def _half(self) -> None:
        await wait(4 * CLOCK_PS * (1 + max(0.0, self.skew)))

    async def _select(self, selected: bool) -> None:
        if selected != self.selected:
            await self._half()
            self.dut.ss_n.value = not selected
            self.selected = selected
            await self._half()

    async def _bits(self, byte: int, count: int = 8) -> int:
        found = 0
        for k in range(7, 7 - count, -1):
            self.dut.mosi.value = byte >> k & 1
            await self._half()
            found = found << 1 | int(self.dut.miso.value)
            self.dut.sck.value = 1
            await self._half()
            self.dut.sck.value = 0
        return found

    async def put(self, byte: int | None) -> None:
        assert byte is not None, "SPI has no line errors"
        await self._select(True)
        self.on_byte(await self._bits(byte))

    async def idle(self) -> None:
        await self.put(FLAG)

    async def pause(self) -> None:
        await wait(64 * CLOCK_PS)

    async def disturb(self) -> None:
        """A byte that the select line cuts short; or the select line alone."""
        await self._select(True)
        if count := self.rng.randrange(8):
            await self._bits(self.rng.randrange(256), count)
        await self._select(False)


def make_link(transport: str, dut: Any, on_byte: Callable[[int], None], rng: random.Random) -> Link:
    """The link of this name: "bytes", "uart" or "spi"."""
    kinds: dict[str, type[Link]] = {"bytes": ByteLink, "uart": UartLink, "spi": SpiLink}
    return kinds[transport](dut, on_byte, rng)
