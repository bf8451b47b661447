"""The top on a Spartan-7: pins, clock and reset around the core with its serial link."""

from collections.abc import Mapping

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.vendor import XilinxPlatform

from thresher.boards.board import Board
from thresher.boards.mmcm import Mmcm
from thresher.boards.shell.serial_core import SERIAL_NAME
from thresher.boards.vivado.ports import Port

__all__ = ["SerialTop", "io_ports"]

_PINS = {
    "uart": {"rx": "rx", "tx": "tx"},
    "spi": {"sck": "clk", "ss_n": "cs", "mosi": "copi", "miso": "cipo"},
}
"""Ports of the shell and the subsignals of the platform's resource, by kind of link."""
_OUTPUTS = {"tx", "miso"}
_ALIVE, _BUSY, _RESET = range(3)


def io_ports(board: Board) -> tuple[list[str], list[str]]:
    """Names of the top's inputs and outputs that no clock of the design times."""
    pins = _PINS[board.link.kind]
    name = f"{board.link.resource}_0__{{}}__io".format
    taken = [name(pin) for port, pin in pins.items() if port not in _OUTPUTS]
    given = [name(pin) for port, pin in pins.items() if port in _OUTPUTS]
    platform = board.platform(toolchain="Vivado")
    if platform.default_rst is not None:
        taken.append(f"{platform.default_rst}_0__io")
    given += [f"led_{number}__io" for number in range(3)]
    if ("busy", 0) in platform.resources:
        given.append("busy_0__io")
    return taken, given


class SerialTop(Elaboratable):
    """Instantiates `thresher_serial` and connects it to the board's pins.

    Reset is asserted by configuration, by the board's reset pin and while the clock is not stable,
    and released in step with the clock. LED 0 blinks about once a second, LED 1 is lit while frames
    are inside and a little longer, LED 2 while the core is held in reset.

    :param shell: ports of `thresher_serial`.
    :param clock_hz: of the core.
    :param mmcm: what makes the core's clock of the oscillator's; None where they are the same.
    """

    def __init__(
        self, board: Board, shell: Mapping[str, Port], clock_hz: int, mmcm: Mmcm | None
    ) -> None:
        self._board, self._clock_hz, self._mmcm = board, clock_hz, mmcm
        pins = _PINS[board.link.kind]
        expected = {name: Port("input", 1) for name in ("clk", "rst", *pins)}
        expected |= {name: Port("output", 1) for name in ("busy", *_OUTPUTS & pins.keys())}
        if dict(shell) != expected:
            raise ValueError(f"{SERIAL_NAME} must have the ports {expected}, not {dict(shell)}")

    def elaborate(self, platform: XilinxPlatform) -> Module:
        m = Module()
        self._clock(m, platform)
        lamps = [Signal(name=f"led_{n}") for n in range(3)]
        for number, lamp in enumerate(lamps):
            self._output(m, f"led_{number}", platform.request("led", number, dir="-"), lamp)
        busy = Signal()
        m.submodules.serial = Instance(
            SERIAL_NAME,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            o_busy=busy,
            **self._link(m, platform),
        )
        if ("busy", 0) in platform.resources:
            self._output(m, "busy", platform.request("busy", 0, dir="-"), busy)

        beat = Signal(range(self._clock_hz))
        with m.If(beat == self._clock_hz - 1):
            m.d.sync += beat.eq(0)
        with m.Else():
            m.d.sync += beat.eq(beat + 1)
        m.d.sync += lamps[_ALIVE].eq(beat < self._clock_hz // 2)

        seen = Signal(range(self._clock_hz // 20 + 1))
        with m.If(busy):
            m.d.sync += seen.eq(self._clock_hz // 20)
        with m.Elif(seen != 0):
            m.d.sync += seen.eq(seen - 1)
        m.d.sync += lamps[_BUSY].eq(seen != 0)
        m.d.comb += lamps[_RESET].eq(ResetSignal())
        return m

    def _clock(self, m: Module, platform: XilinxPlatform) -> None:
        """Domain `sync`."""
        m.submodules.clk = clk = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.domains.sync = ClockDomain("sync")
        stable, made = Const(1), clk.i
        if self._mmcm is not None:
            made, stable, feedback = Signal(name="mmcm_clk"), Signal(), Signal()
            m.submodules.mmcm = Instance(
                "MMCME2_BASE",
                p_BANDWIDTH="OPTIMIZED",
                p_CLKIN1_PERIOD=1e9 / self._board.oscillator_hz,
                p_DIVCLK_DIVIDE=self._mmcm.divide,
                p_CLKFBOUT_MULT_F=float(self._mmcm.multiply),
                p_CLKOUT0_DIVIDE_F=float(self._mmcm.output),
                i_CLKIN1=clk.i,
                i_CLKFBIN=feedback,
                i_RST=0,
                i_PWRDWN=0,
                o_CLKFBOUT=feedback,
                o_CLKOUT0=made,
                o_LOCKED=stable,
            )
        m.submodules.bufg = Instance("BUFG", i_I=made, o_O=ClockSignal())
        pressed = Signal()
        if platform.default_rst is not None:
            pin = platform.request(platform.default_rst, dir="-")
            m.submodules.rst = rst = io.Buffer("i", pin)
            m.d.comb += pressed.eq(rst.i)
        m.submodules.reset = ResetSynchronizer(pressed | ~stable)

    def _link(self, m: Module, platform: XilinxPlatform) -> dict[str, Signal]:
        """The link's pins as ports of the shell."""
        link = self._board.link
        pins = platform.request(link.resource, 0, dir="-")
        found: dict[str, Signal] = {}
        selected = Signal()
        for port, name in _PINS[link.kind].items():
            pin = getattr(pins, name)
            value = Signal(name=port)
            if port not in _OUTPUTS:
                m.submodules[port] = buffer = io.Buffer("i", pin)
                # The platform's select is active high whatever the pin's level.
                m.d.comb += value.eq(~buffer.i if port == "ss_n" else buffer.i)
                found[f"i_{port}"] = value
                if port == "ss_n":
                    m.d.comb += selected.eq(buffer.i)
            else:
                buffer = self._output(m, port, pin, value)
                if port == "miso":  # others may answer while this side is not selected
                    m.d.comb += buffer.oe.eq(selected)
                found[f"o_{port}"] = value
        return found

    def _output(self, m: Module, name: str, pin: io.PortLike, value: Signal) -> io.Buffer:
        m.submodules[f"{name}_pin"] = buffer = io.Buffer("o", pin)
        m.d.comb += buffer.o.eq(value)
        return buffer
