"""AMD ZCU104, with XCZU7EV: AXI, its processor is the host."""

from amaranth.build import Attrs, Clock, Connector, DiffPairs, Pins, Resource
from amaranth.vendor import XilinxPlatform
from amaranth_boards.resources import ButtonResources, LEDResources, SwitchResources, UARTResource

from thresher.boards.board import Board, Link
from thresher.boards.devices import XCZU7EV

__all__ = ["BOARDS", "ZCU104Platform"]


class ZCU104Platform(XilinxPlatform):
    """Pins of the programmable logic of a ZCU104, for any Amaranth design; after UG1267.

    `uart` is the channel of the board's USB bridge that is wired to the logic.
    """

    device = "xczu7ev"
    package = "ffvc1156"
    speed = "2-e"
    default_clk = "clk125"
    default_rst = "rst"
    resources = [
        Resource(
            "clk125", 0, DiffPairs("F23", "E23", dir="i"), Clock(125e6), Attrs(IOSTANDARD="LVDS")
        ),
        Resource(
            "clk300", 0, DiffPairs("AH18", "AH17", dir="i"), Clock(300e6),
            Attrs(IOSTANDARD="DIFF_SSTL12_DCI"),
        ),
        Resource("rst", 0, Pins("M11", dir="i"), Attrs(IOSTANDARD="LVCMOS33")),
        *LEDResources(pins="D5 D6 A5 B5", attrs=Attrs(IOSTANDARD="LVCMOS33")),
        *ButtonResources(pins="B4 C4 B3 C3", attrs=Attrs(IOSTANDARD="LVCMOS33")),
        *SwitchResources(pins="E4 D4 F5 F4", attrs=Attrs(IOSTANDARD="LVCMOS33")),
        UARTResource(
            0, rx="A20", tx="C19", rts="C18", cts="A19", role="dce",
            attrs=Attrs(IOSTANDARD="LVCMOS18"),
        ),
    ]  # fmt: skip
    connectors = [
        Connector("pmod", 0, "G8 H8 G7 H7 - - G6 H6 J6 J7 - -"),
        Connector("pmod", 1, "J9 K9 K8 L8 - - L10 M10 M8 M9 - -"),
    ]


BOARDS = (
    Board(
        name="zcu104",
        title="AMD ZCU104",
        platform=ZCU104Platform,
        capacity=XCZU7EV,
        clock_mhz=200.0,
        link=Link(kind="axi"),
        board_part="xilinx.com:zcu104:part0",
    ),
)
