"""What a project is put together from: the core, the shell around it, the host's driver."""

import importlib
import tempfile
from pathlib import Path

from thresher.boards.board import Board
from thresher.boards.shell.axi_core import axi_verilog
from thresher.gen.compiled import Compiled

__all__ = ["axi_shell", "driver", "serial_shell"]


def axi_shell(compiled: Compiled) -> str:
    """Verilog of `thresher_axi`, without the core that it instantiates."""
    return axi_verilog(compiled)


def serial_shell(compiled: Compiled, board: Board, clock_hz: int, baud: int | None) -> str:
    """Verilog of `thresher_serial`, without the core that it instantiates."""
    shell = importlib.import_module("thresher.boards.shell.serial_core")
    return str(
        shell.serial_verilog(compiled, transport=board.link.kind, clock_hz=clock_hz, baud=baud)
    )


def driver(compiled: Compiled) -> dict[str, bytes]:
    """The host's driver: files by their path."""
    write = importlib.import_module("thresher.boards.driver").write_driver
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "driver"
        write(compiled, folder)
        return {
            p.relative_to(folder).as_posix(): p.read_bytes()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }
