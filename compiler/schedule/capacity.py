"""Boards by name: what their FPGA holds, and the clock that designs for them start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from thresher.compiler.errors import ThresherError

__all__ = ["BOARDS", "Board", "Capacity", "get_board"]


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The most that a design may take; None is no limit.

    :param lut: six-input LUTs.
    :param ff: flip-flops.
    :param lutram: LUTs that can be memory or shift registers; they are among `lut`.
    :param bram36: block RAMs of 36 Kbit.
    :param uram: UltraRAMs of 288 Kbit.
    :param dsp: DSP48 blocks.
    """

    lut: int | None = None
    ff: int | None = None
    lutram: int | None = None
    bram36: int | None = None
    uram: int | None = None
    dsp: int | None = None


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    :param part: its FPGA in full, as Vivado names it.
    :param family: "xc7" (DSP48E1) or "xcup" (UltraScale+, DSP48E2).
    :param clock_mhz: the clock where the user asks for none.
    """

    name: str
    part: str
    family: str
    capacity: Capacity
    clock_mhz: float


# AMD's tables: DS180 and UG474 (Spartan-7; a LUT as memory holds 64 bits, so 150, 313 and 600 Kbit
# of distributed RAM are 2,400, 5,000 and 9,600 LUTs), DS891 (Zynq UltraScale+).
_XC7S15 = Capacity(lut=8_000, ff=16_000, lutram=2_400, bram36=10, uram=0, dsp=20)
_XC7S25 = Capacity(lut=14_600, ff=29_200, lutram=5_000, bram36=45, uram=0, dsp=80)
_XC7S50 = Capacity(lut=32_600, ff=65_200, lutram=9_600, bram36=75, uram=0, dsp=120)
_XCZU7EV = Capacity(lut=230_400, ff=460_800, lutram=101_760, bram36=312, uram=96, dsp=1_728)

_ALL = (
    Board(
        name="arty-s7-25",
        part="xc7s25csga324-1",
        family="xc7",
        capacity=_XC7S25,
        clock_mhz=100.0,
    ),
    Board(
        name="arty-s7-50",
        part="xc7s50csga324-1",
        family="xc7",
        capacity=_XC7S50,
        clock_mhz=100.0,
    ),
    Board(
        name="cmod-s7",
        part="xc7s25csga225-1",
        family="xc7",
        capacity=_XC7S25,
        clock_mhz=100.0,
    ),
    Board(
        name="elastic-node-v5",
        part="xc7s15ftgb196-2",
        family="xc7",
        capacity=_XC7S15,
        clock_mhz=100.0,
    ),
    Board(
        name="zcu104",
        part="xczu7ev-ffvc1156-2-e",
        family="xcup",
        capacity=_XCZU7EV,
        clock_mhz=200.0,
    ),
)
BOARDS: Mapping[str, Board] = MappingProxyType({board.name: board for board in _ALL})
"""Every board that is known, by name."""


def get_board(name: str) -> Board:
    """The board of this name, upper and lower case alike.

    :raises ThresherError: there is none.
    """
    board = BOARDS.get(name.lower())
    if board is None:
        raise ThresherError(f"board must be one of {', '.join(BOARDS)}, not '{name}'")
    return board
