"""Digilent Arty S7, with XC7S50 or XC7S25: UART through its USB connector."""

from amaranth_boards.arty_s7 import ArtyS7_25Platform, ArtyS7_50Platform

from thresher.boards.board import Board, Link
from thresher.boards.devices import XC7S25, XC7S50

__all__ = ["BOARDS"]

_LINK = Link(kind="uart", resource="uart", baud=1_000_000)

BOARDS = (
    Board(
        name="arty-s7-25",
        title="Digilent Arty S7-25",
        platform=ArtyS7_25Platform,
        capacity=XC7S25,
        clock_mhz=100.0,
        link=_LINK,
    ),
    Board(
        name="arty-s7-50",
        title="Digilent Arty S7-50",
        platform=ArtyS7_50Platform,
        capacity=XC7S50,
        clock_mhz=100.0,
        link=_LINK,
    ),
)
