"""A serial port by pyserial."""

import time
from types import ModuleType

from thresher.boards.host.errors import LinkError

__all__ = ["UartPipe"]

_BITS = 10  # of a byte on the line: start, eight, stop


class UartPipe:
    """Bytes over a serial port, 8N1.

    :param port: "/dev/ttyUSB1", or any URL that pyserial opens.
    :param baud: bits a second.
    :raises LinkError: pyserial is missing, or the port cannot be opened.
    """

    def __init__(self, port: str, baud: int) -> None:
        serial = _pyserial()
        self.port, self.byte_seconds = port, _BITS / baud
        self._errors = (serial.SerialException, OSError)
        try:
            self._port = serial.serial_for_url(port, baudrate=baud, timeout=0, exclusive=True)
        except (*self._errors, ValueError) as e:
            raise LinkError(
                f"serial port '{port}' cannot be opened at {baud} baud ({e}); check its name, "
                "your rights on it and that nothing else has it open"
            ) from e

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._port.write(data)
        except self._errors as e:
            raise self._gone(e) from e

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits up to `timeout` seconds for the first byte."""
        try:
            self._port.timeout = timeout
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else first
        except self._errors as e:
            raise self._gone(e) from e

    def now(self) -> float:
        """Seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(f"serial port '{self.port}' failed ({error}); plug the board in again")


def _pyserial() -> ModuleType:
    try:
        import serial
    except ImportError as e:
        raise LinkError("pyserial is not installed; install it with: pip install pyserial") from e
    return serial
