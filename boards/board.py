"""What a board is: an FPGA with clocks, pins and a link to a host."""

from dataclasses import dataclass
from typing import Literal

from amaranth.vendor import XilinxPlatform

from thresher.compiler.schedule.capacity import Capacity
from thresher.gen.options import Target

__all__ = ["Board", "Link"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """How a host reaches the core.

    :param kind: "axi" (a processor on the same chip), "uart" or "spi" (the host is the master).
    :param resource: the platform's resource with the link's pins, number 0; "" on "axi".
    :param baud: of a UART where the user asks for none.
    """

    kind: Literal["axi", "uart", "spi"]
    resource: str = ""
    baud: int | None = None

    def __post_init__(self) -> None:
        if (self.kind == "axi") != (self.resource == ""):
            raise ValueError(f"resource must name pins on a serial link alone, not {self!r}")
        if (self.kind == "uart") != (self.baud is not None):
            raise ValueError(f"baud must be given on a UART alone, not {self!r}")


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board; `docs/boards/adding.md` tells how to add one.

    :param name: as `--board` has it: lower case.
    :param title: for people.
    :param platform: its pins, for any Amaranth design. Its first three LEDs (resources "led" 0 to
        2), where it has a serial link, tell alive, busy and held in reset.
    :param capacity: what its FPGA holds.
    :param clock_mhz: the core's clock where the user asks for none.
    :param board_part: what Vivado calls the board, where it must know more than the FPGA.
    """

    name: str
    title: str
    platform: type[XilinxPlatform]
    capacity: Capacity
    clock_mhz: float
    link: Link
    board_part: str = ""

    @property
    def family(self) -> str:
        """ "xc7" (DSP48E1) or "xcup" (UltraScale+, DSP48E2)."""
        return "xcup" if self.platform.device.startswith("xczu") else "xc7"

    @property
    def part(self) -> str:
        """Its FPGA in full, as Vivado names it."""
        platform = self.platform
        between = "-" if self.family == "xcup" else ""
        return f"{platform.device}{between}{platform.package}-{platform.speed}"

    @property
    def speed_grade(self) -> int:
        """Of its FPGA: 1 is the slowest."""
        return int(self.platform.speed[0])

    @property
    def oscillator_hz(self) -> int:
        """Of the platform's default clock."""
        platform = self.platform(toolchain="Vivado")
        clock = platform.lookup(platform.default_clk).clock
        return int(clock.frequency if hasattr(clock, "frequency") else 1 / clock.period)

    @property
    def target(self) -> Target:
        """What `CompileOptions` needs to know."""
        return Target(name=self.name, capacity=self.capacity, clock_mhz=self.clock_mhz)
