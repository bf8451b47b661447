"""Serial boards, simulated: the byte pipe of a UART or of an SPI master, bit by bit.

Time is simulated time: a timeout that a link waits for is one that the board would see.
"""

import struct

from thresher.boards.host.transports.spi import SpiPipe
from thresher.boards.shell.serial_core import SERIAL_NAME, serial_verilog
from thresher.boards.simulate.program import Program
from thresher.gen.compiled import Compiled

__all__ = ["SimulatedUart", "simulated_spi"]

_BITS = 10  # of a byte on a UART
_HALF = 4  # cycles of half a period of SCK: as fast as the shell takes it
_HEARD = struct.Struct("=QI")


def _verilog(shell: str, compiled: Compiled) -> str:
    return shell + compiled.verilog


class SimulatedUart:
    """The pipe of a simulated UART board.

    :param clock_hz: of the core.
    :param baud: that the board is built for.
    :param host_baud: that the host has; the same where it is not told.
    """

    def __init__(
        self, compiled: Compiled, clock_hz: int, baud: int, host_baud: int | None = None
    ) -> None:
        host_baud = host_baud or baud
        shell = serial_verilog(compiled, transport="uart", clock_hz=clock_hz, baud=baud)
        self._clock, self.byte_seconds = clock_hz, _BITS / host_baud
        self._program = Program(
            _verilog(shell, compiled), SERIAL_NAME, "uart.cpp", (clock_hz, host_baud)
        )
        self._cycle = 0

    def write(self, data: bytes) -> None:
        """Send all of it; it goes out while `read` lets time pass."""
        self._program.ask(struct.pack("=cI", b"W", len(data)) + data)

    def read(self, timeout: float) -> bytes:
        """Let time pass until a packet has come, `timeout` seconds at most."""
        self._program.ask(struct.pack("=cQ", b"R", max(1, round(timeout * self._clock))))
        self._cycle, size = _HEARD.unpack(self._program.answer(_HEARD.size))
        return self._program.answer(size)

    def now(self) -> float:
        """Simulated seconds."""
        return self._cycle / self._clock

    def close(self) -> None:
        """End the simulation."""
        self._program.close()


def simulated_spi(compiled: Compiled, clock_hz: int) -> SpiPipe:
    """The pipe of a simulated SPI board, with the fastest SCK that it takes.

    :param clock_hz: of the core.
    """
    shell = serial_verilog(compiled, transport="spi", clock_hz=clock_hz)
    program = Program(_verilog(shell, compiled), SERIAL_NAME, "spi.cpp", (_HALF,))
    cycle = 0

    def exchange(data: bytes) -> bytes:
        nonlocal cycle
        program.ask(struct.pack("=I", len(data)) + data)
        (cycle,) = struct.unpack("=Q", program.answer(8))
        return program.answer(len(data))

    byte_seconds = 2 * _HALF * 8 / clock_hz
    return SpiPipe(exchange, byte_seconds, now=lambda: cycle / clock_hz, close=program.close)
