"""The options of commands, numbers that are checked, and errors of one line."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from thresher.compiler.errors import ThresherError

__all__ = [
    "ENGINE", "Parser", "compile_options", "engine_option", "number", "run_options", "whole",
]  # fmt: skip

ENGINE = "verilator"
"""The engine that runs unless another is asked for."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise ThresherError(f"{message}; see {self.prog} --help")


def whole(least: int, below: int | None = None) -> Callable[[str], int]:
    """A whole number from `least` on."""

    def convert(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) < 20
        if digits and least <= int(text) and (below is None or int(text) < below):
            return int(text)
        bound = f"of at least {least}" + (f" and below {below}" if below else "")
        raise argparse.ArgumentTypeError(f"must be a whole number {bound}, not '{text}'")

    return convert


def number(text: str) -> float:
    """Any number."""
    try:
        return float(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"must be a number, not '{text}'") from e


def engine_option(parser: argparse.ArgumentParser, *choices: str, default: str | None) -> None:
    """`--engine`."""
    parser.add_argument("--engine", choices=choices, default=default, help=f"({ENGINE})")


def compile_options(parser: argparse.ArgumentParser) -> None:
    """Those of `thresher compile`."""
    add = parser.add_argument
    add("model", metavar="MODEL.onnx", help="QCDQ, QONNX or FINN-ONNX")
    add("-o", "--out", metavar="OUT", required=True, help="folder to write")
    add("--board", metavar="B", help="its capacity and clock are taken")
    add("--clock-mhz", type=number, metavar="F", help="clock (the board's, or 100)")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-fps", type=number, metavar="N", help="samples a second to reach")
    target.add_argument("--max-latency-us", type=number, metavar="N", help="of one frame")
    add("--seq-len", type=whole(1), metavar="T", help="length of a symbolic sequence axis")
    add(
        "--interleave", type=whole(1), default=1, metavar="N",
        help="sequences that take turns in the recurrence (1)",
    )  # fmt: skip
    add(
        "--budget", metavar="lut=N,dsp=N,...",
        help="limits: lut, ff, lutram (LUTs as memory), dsp, bram (36 Kbit each), uram (288 Kbit)",
    )  # fmt: skip
    add("--folding", metavar="F.json", help="foldings of kernels, as OUT/folding.json has them")


def run_options(parser: argparse.ArgumentParser) -> None:
    """Those of `thresher run`; without `--engine` it is for the command to choose."""
    add = parser.add_argument
    add("out", metavar="OUT", help="folder of thresher compile")
    add("--input", metavar="FILE", required=True, help=".npy or .npz")
    add("--output", metavar="FILE", required=True, help=".npy or .npz")
    engine_option(parser, "golden", "amaranth", "verilator", default=None)
    add("--board", metavar="B", help="run on this board, by the host's own code")
    add("--simulate", action="store_true", help="on the board's Verilated top instead")
    add("--port", metavar="DEVICE", help="of the board's UART: /dev/ttyUSB1")
    add("--baud", type=whole(1), metavar="N", help="of that UART (the board's)")
    add("--spi", metavar="DEVICE", help="of the board's SPI: /dev/spidev0.0")
