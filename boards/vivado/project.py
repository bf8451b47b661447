"""A project for Vivado: every file of it, and what running it leaves."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from importlib.resources import files

from thresher.boards.board import Board
from thresher.boards.mmcm import LIMITS, exact_hz, nearest, plan
from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.links import estimate
from thresher.gen.compiled import Compiled
from thresher.gen.folder import PROJECT_STAMP

__all__ = ["FINISHED", "LOG", "Project", "check_board", "check_clock", "content_digest", "script"]

LOG = "vivado.log"
FINISHED = "finished.txt"
"""Written by the script as its last step: the project's digest and Vivado's version."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's files by path, in a folder of its own, which Vivado runs in.

    :param main: the script that does everything.
    :param outputs: what it must leave; the bitstream first.
    :param utilisation: the report of areas that it leaves.
    :param timing: the report of slacks that it leaves.
    :param digest: of all that the result depends on.
    """

    board: Board
    clock_mhz: float
    baud: int | None
    files: Mapping[str, bytes]
    main: str
    outputs: tuple[str, ...]
    utilisation: str
    timing: str
    digest: str

    @property
    def command(self) -> list[str]:
        """Runs Vivado, in the project's folder."""
        return ["vivado", "-mode", "batch", "-nojournal", "-log", LOG, "-source", self.main]

    @property
    def contents(self) -> dict[str, bytes]:
        """The files, with the stamp that tells people and programs what this is."""
        stamp = {
            "version": version("thresher"),
            "board": self.board.name,
            "part": self.board.part,
            "clock_mhz": self.clock_mhz,
            "link": self.board.link.kind,
            "baud": self.baud,
            "digest": self.digest,
            "command": self.command,
            "outputs": list(self.outputs),
        }
        return {**self.files, PROJECT_STAMP: (json.dumps(stamp, indent=2) + "\n").encode()}


def script(name: str) -> bytes:
    """A Tcl script of this package."""
    return files(__package__).joinpath(name).read_bytes()


def content_digest(parts: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for name, data in sorted(parts.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def check_board(compiled: Compiled, board: Board) -> None:
    """Refuse a design that was compiled for another board, or that the board cannot hold.

    :raises ThresherError: says which.
    """
    target = compiled.options.board
    again = f"compile again with --board {board.name}"
    if target is not None and target.name != board.name:
        raise ThresherError(f"the design was compiled for {target.name}, not {board.name}; {again}")
    needed = estimate(compiled.design)
    for what, used, there in (
        ("LUTs", needed.lut, board.capacity.lut),
        ("flip-flops", needed.ff, board.capacity.ff),
        ("LUTs as memory", needed.lutram, board.capacity.lutram),
        ("DSP blocks", needed.dsp, board.capacity.dsp),
        ("block RAMs", needed.bram18 / 2, board.capacity.bram36),
        ("UltraRAMs", needed.uram, board.capacity.uram),
    ):
        if there is not None and used > there:
            raise ThresherError(
                f"the design needs {used:g} {what} by estimate, {board.name} has {there}; {again}"
            )


def check_clock(board: Board, mhz: float, source_hz: int) -> Fraction:
    """The clock in Hz, if `board` can make it of `source_hz` exactly.

    :raises ThresherError: it cannot; tells the nearest ones that it can.
    """
    wanted, limits = exact_hz(mhz), LIMITS[board.family, board.speed_grade]
    made = wanted == source_hz or plan(source_hz, wanted, limits) is not None
    if wanted.denominator == 1 and made:
        return wanted
    around = [n for n in nearest(source_hz, wanted, limits) if n is not None]
    words = " or ".join(f"{float(Fraction(n, 1_000_000))!r}" for n in dict.fromkeys(around))
    raise ThresherError(
        f"{board.name} cannot make a clock of {mhz:g} MHz of its {source_hz / 1e6:g} MHz; "
        f"compile again with --clock-mhz {words}"
    )
