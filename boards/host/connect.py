"""From what a user says about the board to a link."""

from thresher.boards.host.errors import InputError
from thresher.boards.host.links import Link
from thresher.boards.host.model import Model
from thresher.boards.host.serial_link import SerialLink

__all__ = ["BAUD", "SPI_HZ", "connect", "core_seconds"]

BAUD = 1_000_000
"""Bits a second of a UART, unless it is told: what boards with one are built for."""
SPI_HZ = 1_000_000
"""Of SCK, unless it is told."""
_PATIENCE = 0.5  # seconds: what an operating system may keep us waiting


def connect(
    model: Model,
    *,
    bitfile: str | None = None,
    uio: bool = False,
    port: str | None = None,
    baud: int = BAUD,
    spi: str | None = None,
    spi_hz: int = SPI_HZ,
) -> Link:
    """The link to a board; give exactly one of `bitfile`, `uio`, `port` and `spi`.

    :param bitfile: a bitstream to load with PYNQ.
    :param uio: the core is there already: use UIO and u-dma-buf.
    :param port: a serial port, for example "/dev/ttyUSB1".
    :param baud: of that port.
    :param spi: an SPI device, for example "/dev/spidev0.0".
    :param spi_hz: of its SCK.
    :raises LinkError: the board or what reaches it is missing.
    """
    ways = {"bitfile": bitfile, "uio": uio, "port": port, "spi": spi}
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        raise InputError(f"give one of bitfile, uio, port and spi, not {given or 'none'}")
    if bitfile is not None:
        from thresher.boards.host.pynq_link import pynq_link

        return pynq_link(model, bitfile)
    if uio:
        from thresher.boards.host.uio_link import uio_link

        return uio_link(model)
    if port is not None:
        from thresher.boards.host.transports.uart import UartPipe

        return SerialLink(UartPipe(port, baud), patience=_PATIENCE + core_seconds(model))
    from thresher.boards.host.transports.spi import spidev_pipe

    assert spi is not None
    return SerialLink(spidev_pipe(spi, spi_hz), patience=_PATIENCE + core_seconds(model))


def core_seconds(model: Model) -> float:
    """Seconds that the core may take for what it holds, generously."""
    return 16 * (model.latency + model.interval) / model.clock_hz
