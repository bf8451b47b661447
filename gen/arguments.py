"""What command-line arguments may be: numbers that are checked, and errors of one line."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from thresher.compiler.errors import ThresherError

__all__ = ["Parser", "number", "whole"]


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
