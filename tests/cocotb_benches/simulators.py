"""Builds and runs of cocotb test benches on the installed simulators."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Runner, get_runner

from thresher.gen import tools
from thresher.gen.cache import cached, content_key, kept
from thresher.sim.engine import Engine, SimTop, Stalls

__all__ = ["RUNS", "build", "run_bench", "write_job"]

RUNS: Mapping[str, tuple[Stalls | None, int | None]] = {
    "back_to_back": (None, None),
    "stalls": (Stalls(0.5, 1), None),
    "reset": (None, 13),
    "reset_and_stalls": (Stalls(0.3, 2), 29),
}
"""Stalls and the cycle of the reset, by name of the run."""


def build(simulator: str, verilog: str, top: str, *, fast: bool = False) -> tuple[Runner, Path]:
    """The runner and the folder of a finished build of this Verilog; cached.

    :param fast: on Verilator, build longer to run faster.
    """
    arguments = _ARGUMENTS[simulator][: -2 if fast else None]

    def make(folder: Path) -> None:
        source = folder / f"{top}.v"
        source.write_text(verilog)
        if library := kept("cocotb-library", library_key):
            for made in library.iterdir():
                later = time.time() + 3600  # newer than all else, so make leaves it as it is
                os.utime(shutil.copy(made, folder), (later, later))
        runner.build(
            sources=[source], hdl_toplevel=top, build_dir=folder, always=True,
            build_args=arguments, timescale=("1ns", "1ps"),
            log_file=folder / "build.log",
        )  # fmt: skip
        cached("cocotb-library", library_key, lambda into: _keep_library(folder, into))
        for left in (*folder.glob("Vtop*"), *folder.glob("verilat*")):  # the program is enough
            left.unlink()

    path = f"{tools.verilator().root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    # Without the second, larger designs die on a precompiled header (see FACTS).
    levels = " OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O1" if fast else ""
    version = tools.run_tool([tools.compiler(), "--version"], Path("/"), "g++")
    library_key = content_key(tools.verilator().version, version, simulator, *arguments, levels)
    variables = {"PATH": path, "MAKEFLAGS": f" -- CFG_CXXFLAGS_PCH_I=-include{levels}"}
    with mock.patch.dict(os.environ, variables):
        runner = get_runner(simulator)
        return runner, cached(
            f"cocotb-{simulator}", content_key(verilog, top, *arguments, levels), make
        )


def _keep_library(built: Path, folder: Path) -> None:
    """Objects of Verilator's run-time library, which take most of a small build's time."""
    for made in built.glob("verilated*.o"):
        shutil.copy(made, folder)


_ARGUMENTS = {
    "verilator": ["--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-CFLAGS", "-O0"],
    "icarus": ["-g2005-sv"],
}


def write_job(
    folder: Path,
    top: SimTop,
    inputs: Mapping[str, np.ndarray],
    engine: Engine,
    *,
    prefix: str = "",
) -> None:
    """What `bench` needs to run and check this top.

    :param engine: says when each beat must move.
    :param prefix: of the top's ports in the Verilog.
    """
    frames = len(next(iter(inputs.values())))
    expected = top.model(*(inputs[p.name] for p in top.inputs))
    arrays = {f"in_{name}": rows for name, rows in inputs.items()}
    arrays |= {f"out_{p.name}": a for p, a in zip(top.outputs, expected, strict=True)}
    runs = {}
    for run, (stalls, reset_at) in RUNS.items():
        result = engine.run(top, inputs, stalls=stalls, reset_at=reset_at)
        times = {**result.input_times, **result.output_times}
        arrays |= {f"time_{run}_{name}": t for name, t in times.items()}
        runs[run] = {
            "stalls": [stalls.probability, stalls.seed] if stalls else None,
            "reset_at": reset_at,
        }
    ports = {
        side: {p.name: [p.port.beats, p.port.lanes, p.port.lo, p.port.hi] for p in found}
        for side, found in (("inputs", top.inputs), ("outputs", top.outputs))
    }
    job = {"prefix": prefix, "frames": frames, "drains": top.drains, "runs": runs, **ports}
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]


def run_bench(
    runner: Runner,
    built: Path,
    top: str,
    folder: Path,
    *,
    module: str = "bench",
    runs: int | None = len(RUNS),
    arguments: Sequence[str] = (),
    most_failures: int = 0,
) -> None:
    """Run a bench on the job in this folder.

    :param module: of this folder, the bench.
    :param runs: how many it has; None: at least one.
    :param arguments: of the simulation, `+name`.
    :param most_failures: after so many failed runs the others are left out; 0: none is.
    :raises AssertionError: with the simulator's log, when a run fails.
    """
    log = folder / "log.txt"
    with contextlib.suppress(SystemExit):  # some runs failed: told below, with the log
        runner.test(
            test_module=f"cocotb_benches.{module}",
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=built,
            test_dir=folder,
            extra_env={
                "THRESHER_BENCH": str(folder),
                "COCOTB_ANSI_OUTPUT": "0",
                "COCOTB_MAX_FAILURES": str(most_failures),
            },
            log_file=log,
            plusargs=arguments,
            results_xml=str(folder / "results.xml"),
            timescale=("1ns", "1ps"),
        )
    count, failed = get_results(folder / "results.xml")
    assert (count, failed) == (runs or max(count, 1), 0), log.read_text()[-8000:]
