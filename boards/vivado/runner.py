"""Runs Vivado: what it does is told as it does it, all that it prints is kept."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from thresher.boards.vivado.project import LOG

__all__ = ["VivadoError", "find_vivado", "run_vivado"]

_PHASE = re.compile(
    r"(?:^|\] )(?:Starting (\w[\w ]*?)(?: Task)?$|Command: (\w+)|(Phase \d+ [\w /-]+)$|"
    r"Launched (\w+)|(Writing bitstream) )"
)
_ERROR = re.compile(r"^(?:ERROR|FATAL ERROR): ?(.*)$")
_ENDED = re.compile(r"^(Abnormal program termination.*|.*segfault.*)$")
_PATIENCE_S = 10


class VivadoError(Exception):
    """Vivado failed; the text is the cause in one line."""


def find_vivado() -> str | None:
    """The program on PATH, or None."""
    return shutil.which("vivado")


def run_vivado(command: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Run a project's command in its folder to the end.

    What it prints is kept in `vivado.log` there, also when it is killed; with an interrupt it and
    all that it started are ended.

    :param say: called with each step and phase as it begins.
    :raises VivadoError: it ended with another status than 0.
    """
    cause: str | None = None
    last = ""
    # The log is written here: what Vivado itself writes lacks what a crash leaves behind.
    arguments = _without_log(command)
    with (folder / LOG).open("w") as log:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                log.flush()
                line = line.rstrip()
                last = line or last
                cause = cause or _cause(line)
                phase = _phase(line)
                if phase:
                    say(phase)
            status = process.wait()
        except BaseException:
            _end(process)
            raise
    if status != 0:
        raise VivadoError(cause or _silent(status, last))


def _without_log(command: Sequence[str]) -> list[str]:
    found = list(command)
    at = found.index("-log")
    return [*found[:at], "-nolog", *found[at + 2 :]]


def _phase(line: str) -> str | None:
    found = _PHASE.search(line)
    return next(group for group in found.groups() if group) if found else None


def _cause(line: str) -> str | None:
    found = _ERROR.match(line)
    if found:
        return found[1]
    ended = _ENDED.match(line)
    return ended[1] if ended else None


def _silent(status: int, last: str) -> str:
    """Of a run that gave no reason."""
    if status < 0:
        return f"killed by signal {-status}; is the memory enough?"
    return f"exit status {status}; its last line is '{last}'"


def _end(process: "subprocess.Popen[str]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_PATIENCE_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
