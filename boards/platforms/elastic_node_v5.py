"""Elastic Node v5 (University of Duisburg-Essen), with XC7S15: SPI slave of its microcontroller."""

from amaranth.build import Attrs, Clock, Connector, Pins, Resource
from amaranth.vendor import XilinxPlatform
from amaranth_boards.resources import LEDResources, SPIResource

from thresher.boards.board import Board, Link
from thresher.boards.devices import XC7S15

__all__ = ["BOARDS", "ElasticNodeV5Platform"]


class ElasticNodeV5Platform(XilinxPlatform):
    """Pins of the FPGA on an Elastic Node v5, for any Amaranth design.

    The board has no reset pin. `spi` is a slave: the microcontroller on the board is the master.
    `busy` tells it that frames are inside.
    """

    device = "xc7s15"
    package = "ftgb196"
    speed = "2"
    default_clk = "clk100"
    resources = [
        Resource(
            "clk100", 0, Pins("H11", dir="i"), Clock(100e6), Attrs(IOSTANDARD="LVCMOS33")
        ),
        *LEDResources(pins="H12 J12 K12 J11", attrs=Attrs(IOSTANDARD="LVCMOS33")),
        SPIResource(
            0, role="peripheral", cs_n="P12", clk="N11", copi="P11", cipo="M12",
            attrs=Attrs(IOSTANDARD="LVCMOS33"),
        ),
        Resource("busy", 0, Pins("L12", dir="o"), Attrs(IOSTANDARD="LVCMOS33")),
    ]  # fmt: skip
    connectors: list[Connector] = []


BOARDS = (
    Board(
        name="elastic-node-v5",
        title="Elastic Node v5",
        platform=ElasticNodeV5Platform,
        capacity=XC7S15,
        clock_mhz=100.0,
        link=Link(kind="spi", resource="spi"),
    ),
)
