"""Bytes over SPI: whatever moves bytes both ways, and Linux's spidev."""

import time
from collections.abc import Callable
from types import ModuleType

from thresher.boards.host.errors import LinkError
from thresher.boards.host.packets import FLAG

__all__ = ["SpiPipe", "spidev_pipe"]

_IDLE = bytes([FLAG])
_CHUNK = 64  # bytes in a transfer that only listens
_BUFFER = 4096  # bytes that spidev moves at once, as Linux has it by default


class SpiPipe:
    """A byte pipe over an SPI master: to hear the board, one has to send idle bytes.

    :param exchange: moves bytes both ways, as many in as out.
    :param byte_seconds: what a byte takes.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        byte_seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.byte_seconds, self.now, self.close = byte_seconds, now, close
        self._exchange = exchange
        self._heard = bytearray()
        self._inside = False

    def write(self, data: bytes) -> None:
        """Send all of it, and keep what the board says meanwhile."""
        self._move(data)

    def read(self, timeout: float) -> bytes:
        """What the board has said; listens up to `timeout` seconds until it says something."""
        end = self.now() + timeout
        while not self._heard:
            self._move(_IDLE * _CHUNK)
            if self.now() >= end:
                break
        heard = bytes(self._heard)
        self._heard.clear()
        return heard

    def _move(self, data: bytes) -> None:
        """Flags between packets say nothing: they are not kept."""
        heard = self._exchange(data)
        if self._inside or heard.strip(_IDLE):
            self._heard += heard
            self._inside = not heard.endswith(_IDLE)


def spidev_pipe(device: str, hz: int) -> SpiPipe:
    """The pipe of a Linux SPI device, mode 0.

    :param device: "/dev/spidev<bus>.<select>".
    :param hz: of SCK.
    :raises LinkError: spidev is missing, or the device cannot be opened.
    """
    spidev = _spidev()
    name = device.rsplit("spidev", 1)[-1]
    try:
        bus, select = (int(number) for number in name.split("."))
    except ValueError as e:
        raise LinkError(f"SPI device must be like /dev/spidev0.0, not '{device}'") from e
    spi = spidev.SpiDev()
    try:
        spi.open(bus, select)
        spi.mode, spi.max_speed_hz = 0, hz
    except OSError as e:
        raise LinkError(
            f"SPI device '{device}' cannot be opened ({e}); enable it in the device tree and "
            "check your rights on it"
        ) from e

    def exchange(data: bytes) -> bytes:
        try:
            parts = (data[k : k + _BUFFER] for k in range(0, len(data), _BUFFER))
            return b"".join(bytes(spi.xfer2(list(part))) for part in parts)
        except OSError as e:
            raise LinkError(f"SPI device '{device}' failed ({e}); check the wiring") from e

    return SpiPipe(exchange, 8 / hz, close=spi.close)


def _spidev() -> ModuleType:
    try:
        import spidev
    except ImportError as e:
        raise LinkError("spidev is not installed; install it with: pip install spidev") from e
    return spidev
