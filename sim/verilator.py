"""The Verilator engine: the shipped Verilog as a compiled program, and a C++ harness around it."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from thresher.sim.engine import (
    Engine,
    PortState,
    Progress,
    SimResult,
    SimTop,
    SimulationError,
    Stalls,
    broken,
    stuck,
)
from thresher.sim.packing import beat_words, from_words, to_words
from thresher.sim.verilate import build

__all__ = ["VerilatorEngine"]

_TIMEOUT = 1_000_000


class VerilatorEngine(Engine):
    """Compiled simulation; for whole networks."""

    name = "verilator"

    def run(
        self,
        top: SimTop,
        inputs: Mapping[str, np.ndarray],
        *,
        stalls: Stalls | None = None,
        reset_at: int | None = None,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> SimResult:
        arrays = top.arrays(inputs)
        frames = len(next(iter(arrays.values())))
        program = build(top, top.cycles(frames))
        with tempfile.TemporaryDirectory(prefix="thresher-") as scratch:
            folder = Path(scratch)
            for k, p in enumerate(top.inputs):
                (folder / f"in{k}.bin").write_bytes(to_words(p.port, arrays[p.name]).tobytes())
            if stalls is not None:
                for k, p in enumerate((*top.inputs, *top.outputs)):
                    (folder / f"gate{k}.bin").write_bytes(stalls.pattern(p.name, k).tobytes())
            numbers = [
                _TIMEOUT if timeout is None else timeout,
                -1 if reset_at is None else reset_at,
                int(stalls is not None),
                0 if stalls is None else stalls.seed,
                int(top.drains),
                *(frames * p.port.beats for p in top.outputs),
            ]
            _execute([str(program), *map(str, numbers)], folder, top, frames, progress)
            return _collect(folder, top, frames)


def _execute(
    command: list[str], cwd: Path, top: SimTop, frames: int, progress: Progress | None
) -> None:
    last = ""
    with subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                last = line.strip()
                if progress and last.startswith("progress "):
                    progress(int(last.split()[1]) * frames // 1000, frames)
        except BaseException:
            process.kill()
            raise
    if not last.startswith("done "):
        raise _why(last, process.returncode, top)
    if progress:
        progress(frames, frames)


def _why(last: str, status: int, top: SimTop) -> SimulationError:
    """The harness's last line in words."""
    kind, _, rest = last.partition(" ")
    if kind == "broken":
        cycle, port, rule = rest.split(" ", 2)
        return broken(top.name, port, rule, int(cycle))
    if kind == "stuck":
        cycle, *states = rest.split()
        fields = (s.split(":") for s in states)
        return stuck(
            top.name,
            int(cycle),
            [PortState(n, int(d), int(t), v == "1", r == "1") for n, d, t, v, r in fields],
        )
    return SimulationError(
        f"simulation of {top.name!r} ended without a result (status {status}): {last}"
    )


def _collect(folder: Path, top: SimTop, frames: int) -> SimResult:
    count = len(top.inputs)

    def times(k: int) -> np.ndarray:
        return np.fromfile(folder / f"time{k}.bin", dtype="<i8").astype(np.int64)

    outputs = {
        p.name: from_words(
            p.port,
            np.fromfile(folder / f"out{count + k}.bin", dtype="<u4").reshape(
                -1, beat_words(p.port)
            ),
        )
        for k, p in enumerate(top.outputs)
    }
    return SimResult(
        frames,
        outputs,
        {p.name: times(k) for k, p in enumerate(top.inputs)},
        {p.name: times(count + k) for k, p in enumerate(top.outputs)},
    )
