"""The core behind a serial link: module `thresher_serial`."""

import hashlib

from amaranth.hdl import Module
from amaranth.lib import wiring

from thresher.boards.framing import serial_frames
from thresher.boards.host.packets import MAGIC, PROTOCOL, Identity
from thresher.boards.shell.core import Core, core_stub
from thresher.boards.shell.serial_shell import SerialShell
from thresher.boards.shell.spi import SpiSlave
from thresher.boards.shell.uart import UartReceiver, UartTransmitter, uart_divisor
from thresher.gen.compiled import Compiled
from thresher.gen.verilog import to_verilog
from thresher.rtl.checks import check_choice, check_int

__all__ = [
    "SERIAL_NAME",
    "TRANSPORTS",
    "WINDOW",
    "SerialCore",
    "join_core",
    "serial_identity",
    "serial_shell",
    "serial_verilog",
]

SERIAL_NAME = "thresher_serial"
TRANSPORTS = ("uart", "spi")
WINDOW = 2
"""Frames that the buffers hold: one that is read while the next one comes."""


def serial_identity(compiled: Compiled, clock_hz: int, window: int = WINDOW) -> Identity:
    """What the core of a compiled model says of itself."""
    check_int("clock_hz", clock_hz, 1)
    frames = serial_frames(compiled.design)
    verilog = hashlib.sha256(compiled.verilog.encode()).digest()
    return Identity(
        magic=MAGIC,
        protocol=PROTOCOL,
        samples=compiled.design.samples,
        digest=bytes.fromhex(compiled.model_sha256)[:8] + verilog[:8],
        frame_bytes=frames[0].size,
        result_bytes=frames[1].size,
        window=window,
        clock_hz=clock_hz,
    )


def serial_shell(compiled: Compiled, clock_hz: int, window: int = WINDOW) -> SerialShell:
    """The shell without core and pins."""
    design = compiled.design
    ports = [p.port for p in design.inputs], [p.port for p in design.outputs]
    return SerialShell(serial_frames(design), ports, serial_identity(compiled, clock_hz, window))


def join_core(m: Module, shell: SerialShell, core: Core, compiled: Compiled) -> None:
    """The shell's streams and the core's, name by name."""
    m.d.comb += core.reset.eq(shell.core_reset)
    for k, p in enumerate(compiled.design.inputs):
        wiring.connect(m, getattr(shell, f"in{k}"), getattr(core, p.name))
    for k, p in enumerate(compiled.design.outputs):
        wiring.connect(m, getattr(core, p.name), getattr(shell, f"out{k}"))


class SerialCore(wiring.Component):
    """The core, `SerialShell` around it, and a UART (`rx`, `tx`) or an SPI slave (`sck`, `ss_n`,
    `mosi`, `miso`). All inputs are synchronised here. `busy`: see `SerialShell`.

    :param transport: one of `TRANSPORTS`.
    :param clock_hz: of the clock that drives it.
    :param baud: of the UART; an SPI slave takes none, its `sck` may be up to `clock_hz / 8`.
    :param window: frames that the buffers hold, at each side of the core.
    :raises ValueError: an unknown transport, no such baud rate at this clock, or a window out of
        range.
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        transport: str,
        clock_hz: int,
        baud: int | None = None,
        window: int = WINDOW,
    ) -> None:
        check_choice("transport", transport, TRANSPORTS)
        if (baud is not None) != (transport == "uart"):
            raise ValueError(f"baud must be given for a UART alone, not {baud!r} for {transport!r}")
        self._divisor = None if baud is None else uart_divisor(clock_hz, baud)
        self._compiled = compiled
        self._shell = serial_shell(compiled, clock_hz, window)
        pins: dict[str, wiring.Member] = {"busy": wiring.Out(1)}
        if self._divisor is not None:
            pins |= {"rx": wiring.In(1, init=1), "tx": wiring.Out(1, init=1)}
        else:
            pins |= {name: wiring.In(1) for name in ("sck", "ss_n", "mosi")}
            pins |= {"miso": wiring.Out(1)}
        super().__init__(pins)

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self._compiled.design)
        m.submodules.shell = shell = self._shell
        join_core(m, shell, core, self._compiled)
        m.d.comb += self.busy.eq(shell.busy)
        if self._divisor is not None:
            m.submodules.receiver = receiver = UartReceiver(self._divisor)
            m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
            wiring.connect(m, receiver.o, shell.i)
            wiring.connect(m, shell.o, transmitter.i)
            m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
            return m
        m.submodules.spi = spi = SpiSlave()
        wiring.connect(m, spi.o, shell.i)
        wiring.connect(m, shell.o, spi.i)
        m.d.comb += [
            spi.sck.eq(self.sck), spi.ss_n.eq(self.ss_n), spi.mosi.eq(self.mosi),
            self.miso.eq(spi.miso),
        ]  # fmt: skip
        return m


def serial_verilog(
    compiled: Compiled, transport: str, clock_hz: int, baud: int | None = None, window: int = WINDOW
) -> str:
    """Module `thresher_serial` as Verilog; `rtl/thresher_top.v` of OUT has the module inside it.

    Its ports are `clk`, `rst` (synchronous, active high), and those of `SerialCore`.

    :raises ToolError: when Yosys is absent.
    """
    core = SerialCore(compiled, transport=transport, clock_hz=clock_hz, baud=baud, window=window)
    return to_verilog(core, SERIAL_NAME, boxes=core_stub(compiled.design))
