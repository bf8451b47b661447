"""`thresher build`: the project for a board, and its bitstream where Vivado is there."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thresher.boards.board import Board
from thresher.boards.registry import get_board
from thresher.boards.vivado.mpsoc import mpsoc_project
from thresher.boards.vivado.project import FINISHED, LOG, Project, check_board, slower_clock
from thresher.boards.vivado.reports import Slacks, slacks, tool_version, utilisation
from thresher.boards.vivado.runner import VivadoError, find_vivado, run_vivado
from thresher.boards.vivado.serial import serial_project
from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import Compiled
from thresher.gen.files import staged_folder
from thresher.gen.folder import BUILD, load_folder, read_report, save_report
from thresher.gen.report import with_build

__all__ = ["Built", "Failed", "NotRun", "build", "build_out", "make_project"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A finished build.

    :param result: for `report.json`.
    :param fresh: it was made now, not found finished.
    """

    project: Project
    folder: Path
    result: dict[str, object]
    fresh: bool


@dataclass(frozen=True)
class Failed:
    """A build that failed.

    :param cause: one line.
    :param result: for `report.json`; None where Vivado came to no result.
    """

    folder: Path
    cause: str
    result: dict[str, object] | None = None


@dataclass(frozen=True)
class NotRun:
    """A project that is written and has not been run.

    :param why: Vivado is not there, or was not to be run.
    :param command: runs it.
    """

    project: Project
    folder: Path
    why: str
    command: str


def make_project(compiled: Compiled, board: Board, baud: int | None) -> Project:
    """The project of a compilation for a board.

    :param baud: of a UART; None takes the board's.
    :raises ThresherError: the design is for another board, does not fit, or the board cannot do
        what is asked for.
    """
    check_board(compiled, board)
    if board.link.kind != "axi":
        return serial_project(compiled, board, baud)
    if baud is not None:
        raise ThresherError(f"--baud is for boards with a UART, not {board.name}; leave it out")
    return mpsoc_project(compiled, board)


def build_out(
    out: Path, board_name: str, baud: int | None = None, *, run: bool = True, say: Say | None = None
) -> Built | Failed | NotRun:
    """`thresher build`: the project of what OUT holds, and what came of it in its `report.json`.

    :param run: whether to run Vivado.
    :raises ThresherError: as `load_folder`, `make_project` and `build`, or no such board.
    """
    say = say or (lambda _: None)
    board = get_board(board_name)
    compiled, report = load_folder(out, say=say), read_report(out)
    say("writing the project")
    done = build(make_project(compiled, board, baud), out, run=run, say=say)
    if not isinstance(done, NotRun) and done.result is not None:
        save_report(out, with_build(report, board.name, done.result))
    return done


def build(
    project: Project, out: Path, *, run: bool = True, say: Say | None = None
) -> Built | Failed | NotRun:
    """Write the project into OUT, unless it lies there, and run it, unless it is finished.

    A project that differs takes the place of the one there, with all that it left. One that was
    run elsewhere and copied back is finished.

    :param run: whether to run Vivado.
    :param say: called with each step.
    :raises ThresherError: OUT cannot be written, or a report not read.
    """
    say = say or (lambda _: None)
    folder = out / BUILD / project.board.name
    contents = project.contents
    if not _lies_in(folder, contents):
        _write(folder, contents)
    if _is_finished(project, folder):
        return _outcome(project, folder, fresh=False)
    command = f"cd {shlex.quote(str(folder))} && {shlex.join(project.command)}"
    if not run:
        return NotRun(project, folder, "Vivado was not to be run", command)
    if find_vivado() is None:
        return NotRun(project, folder, "Vivado is not on PATH", command)
    _write(folder, contents)  # without what an unfinished run has left
    try:
        run_vivado(project.command, folder, say)
    except VivadoError as e:
        missed = _missed(project, folder)
        return missed or Failed(folder, f"Vivado failed: {e}; see {folder / LOG}")
    if not _is_finished(project, folder):
        return Failed(folder, f"Vivado ended without a result; see {folder / LOG}")
    return _outcome(project, folder, fresh=True)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    with staged_folder(folder) as stage:
        for name, data in contents.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_bytes(data)


def _lies_in(folder: Path, contents: dict[str, bytes]) -> bool:
    there = ((folder / name, data) for name, data in contents.items())
    return all(path.is_file() and path.read_bytes() == data for path, data in there)


def _is_finished(project: Project, folder: Path) -> bool:
    marker = folder / FINISHED
    if not marker.is_file() or marker.read_text().split()[:1] != [project.digest]:
        return False
    needed = (*project.outputs, project.utilisation, project.timing)
    return all((folder / name).is_file() for name in needed)


def _outcome(project: Project, folder: Path, *, fresh: bool) -> Built | Failed:
    return _missed(project, folder) or Built(project, folder, _result(project, folder), fresh)


def _missed(project: Project, folder: Path) -> Failed | None:
    """A routed design whose timing failed."""
    if not (folder / project.timing).is_file():
        return None
    found = slacks((folder / project.timing).read_text(errors="replace"))
    if found.met:
        return None
    result = _result(project, folder)
    if found.setup >= 0:
        cause = f"timing failed: WHS {found.hold:g} ns, which no clock changes"
        return Failed(folder, f"{cause}; try another version of Vivado", result)
    lower = slower_clock(project.board, found.fmax_mhz(project.clock_mhz))
    cause = f"timing failed: WNS {found.setup:g} ns at {project.clock_mhz:g} MHz"
    remedy = f"with --clock-mhz {lower}" if lower is not None else "for a faster board"
    return Failed(folder, f"{cause}; compile again {remedy}", result)


def _result(project: Project, folder: Path) -> dict[str, object]:
    timing = (folder / project.timing).read_text(errors="replace")
    areas = (folder / project.utilisation).read_text(errors="replace")
    found: Slacks = slacks(timing)
    return {
        "tool": tool_version(areas) or tool_version(timing),
        "part": project.board.part,
        "clock_mhz": project.clock_mhz,
        "timing_met": found.met,
        "wns_ns": found.setup,
        "whs_ns": found.hold,
        "fmax_mhz_estimate": round(found.fmax_mhz(project.clock_mhz), 2),
        "utilisation": utilisation(areas),
        "bitstream": f"{BUILD}/{project.board.name}/{project.outputs[0]}" if found.met else None,
    }
