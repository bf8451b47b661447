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

__all__ = [
    "FINISHED",
    "LOG",
    "Project",
    "check_board",
    "check_clock",
    "content_digest",
    "script",
    "slower_clock",
    "source_hz",
]

LOG = "vivado.log"
FINISHED = "finished.txt"
"""Written by the script as its last step: the project's digest and Vivado's version."""
_PROCESSOR_HZ = 100_000_000


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


def source_hz(board: Board) -> int:
    """The clock that the core's is made of: the oscillator's, or what the processor gives."""
    return _PROCESSOR_HZ if board.link.kind == "axi" else board.oscillator_hz


def check_clock(board: Board, mhz: float) -> int:
    """The clock in Hz, if the board can make it exactly.

    :raises ThresherError: it cannot; tells the nearest ones that it can.
    """
    wanted, source = exact_hz(mhz), source_hz(board)
    if _is_made(board, wanted):
        return int(wanted)
    limits = LIMITS[board.family, board.speed_grade]
    around = [n for n in nearest(source, wanted, limits) if n is not None]
    words = " or ".join(f"{float(Fraction(n, 1_000_000))!r}" for n in dict.fromkeys(around))
    raise ThresherError(
        f"{board.name} cannot make a clock of {mhz:g} MHz of its {source / 1e6:g} MHz; "
        f"compile again with --clock-mhz {words}"
    )


def slower_clock(board: Board, mhz: float) -> int | None:
    """The fastest clock of at most this, in whole MHz, that the board can make, if there is one."""
    return next((n for n in range(int(mhz), 0, -1) if _is_made(board, exact_hz(n))), None)


def _is_made(board: Board, wanted: Fraction) -> bool:
    source, limits = source_hz(board), LIMITS[board.family, board.speed_grade]
    made = wanted == source or plan(source, wanted, limits) is not None
    return made and wanted.denominator == 1
