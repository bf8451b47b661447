"""Projects of a small model for every board, and the stand-in for Vivado that runs them."""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from thresher.boards.registry import get_board
from thresher.boards.vivado.build import make_project
from thresher.boards.vivado.project import Project
from thresher.gen.compiled import Compiled, compile_model
from thresher.gen.options import CompileOptions
from zoo.rtl import save

__all__ = [
    "STANDIN", "compiled_for", "content", "project_for", "put", "run_standin", "vivado_on_path",
]  # fmt: skip

STANDIN = Path(__file__).parent / "standin.py"


@functools.cache
def compiled_for(name: str, clock_mhz: float | None = None) -> Compiled:
    """The model, compiled for a board."""
    with tempfile.TemporaryDirectory() as folder:
        path = save("rnn_relu", Path(folder))
        options = CompileOptions(board=get_board(name).target, clock_mhz=clock_mhz)
        return compile_model(path, options)


@functools.cache
def project_for(name: str, clock_mhz: float | None = None) -> Project:
    """Its project for that board."""
    return make_project(compiled_for(name, clock_mhz), get_board(name), None)


def put(project: Project, folder: Path) -> Path:
    """Write a project's files; gives the folder."""
    for name, data in project.contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run_standin(
    project: Project, folder: Path, variables: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run the project's command, with the stand-in for Vivado."""
    command = [sys.executable, str(STANDIN), *project.command[1:]]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def vivado_on_path(folder: Path) -> str:
    """A PATH on which `vivado` is the stand-in."""
    folder.mkdir(exist_ok=True)
    program = folder / "vivado"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
