"""A Verilated board top that runs as a program of its own and is spoken to through pipes."""

import subprocess
from collections.abc import Sequence
from importlib.resources import files

from thresher.boards.host.errors import LinkError
from thresher.sim.verilate import build_program

__all__ = ["Program"]


class Program:
    """A running simulation; it ends with this object.

    :param verilog: the board top and the core.
    :param top: the top module.
    :param harness: file of this package: C++ around the top.
    :param arguments: of the harness.
    :raises ToolError: Verilator or a C++ compiler is missing.
    """

    def __init__(self, verilog: str, top: str, harness: str, arguments: Sequence[int]) -> None:
        package = files("thresher.boards.simulate")
        headers = {name: (package / name).read_text() for name in ("bench.h", "signals.h")}
        path = build_program(verilog, top, (package / harness).read_text(), headers)
        self._process = subprocess.Popen(
            [str(path), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, request: bytes) -> None:
        """Send a request."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except (OSError, ValueError) as e:
            raise self._ended() from e

    def answer(self, size: int) -> bytes:
        """So many bytes of the answer."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) != size:
            raise self._ended()
        return data

    def close(self) -> None:
        """End the simulation."""
        process = self._process
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()

    def _ended(self) -> LinkError:
        status = self._process.wait()
        return LinkError(f"the simulation of the board has ended (status {status}); run it again")
