"""Digilent Cmod S7, with XC7S25: UART through its USB connector, 12 MHz oscillator."""

from amaranth_boards.cmod_s7 import CmodS7_Platform

from thresher.boards.board import Board, Link
from thresher.boards.devices import XC7S25

__all__ = ["BOARDS"]

BOARDS = (
    Board(
        name="cmod-s7",
        title="Digilent Cmod S7",
        platform=CmodS7_Platform,
        capacity=XC7S25,
        clock_mhz=100.0,
        link=Link(kind="uart", resource="uart", baud=1_000_000),
    ),
)
