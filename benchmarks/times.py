"""Wall time of the command line: compile three networks, and verify 1,000 sequences of T1's.

    python benchmarks/times.py

Each command is a process of its own, timed from its start to its end, with an empty cache: nothing
that an earlier run has built is used. The exceptions are what is compiled for this machine at the
first use after an installation, and is so before: Yosys by YoWASP, the cycle solver by Numba.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from figures import Figure
from lstm import WORKS

from thresher.compiler.errors import ThresherError
from thresher.gen.tools import run_yosys
from zoo.recurrent import recurrent

__all__ = ["Time", "figures", "main", "timed", "warm"]

WORK = "T1a"
SAMPLES = 1000
COMPILE_S, VERIFY_S = 10, 60
_TWO = recurrent(
    "two", cells=("lstm", "lstm"), hidden=12, features=6, steps=12, bits=6, bias="int32",
    direction="both", outputs=("h",), head="linear",
)  # fmt: skip
_TURNS = recurrent(
    "turns", cells=("lstm",), hidden=8, features=6, steps=20, bits=6, bias="int32"
)  # fmt: skip
OTHERS = (
    (
        "S1b", "two LSTMs in both directions and a linear layer, 63 kernels within 12,000 LUT, "
        "40 DSP and 10 BRAM36", _TWO, ("--budget", "lut=12000,dsp=40,bram=10"), 30,
    ),
    (
        "S1c", "an LSTM (6 -> 8), 16 sequences taking turns", _TURNS, ("--interleave", "16"), 5,
    ),
)  # fmt: skip
"""Name, what it is, the model, options of compile, seconds at most."""


@dataclass(frozen=True)
class Time:
    """Seconds by the clock, and of all processors together; the two tell a busy machine."""

    wall: float
    processor: float


def warm() -> None:
    """Let Yosys and the cycle solver be compiled for this machine, where they are not."""
    with tempfile.TemporaryDirectory(prefix="thresher-times-") as folder:
        run_yosys("help", Path(folder))
    importlib.import_module("thresher.compiler.schedule.firing")


def timed(arguments: Sequence[str | Path], cache: Path) -> Time:
    """The time of a command of Thresher's, of all processes that it starts too.

    :raises ThresherError: what it printed, where it fails.
    """
    command = [sys.executable, "-m", "thresher.gen.cli", *map(str, arguments)]
    environment = {**os.environ, "THRESHER_CACHE": str(cache)}
    start, used = time.perf_counter(), _children()
    done = subprocess.run(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise ThresherError(f"thresher {arguments[0]} failed: {done.stdout.strip()}")
    return Time(seconds, _children() - used)


def _children() -> float:
    """Processor seconds of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def measure() -> tuple[Time, Time]:
    """The times to compile the network and to verify it."""
    work = WORKS[WORK]
    steps = work.model["steps"]
    assert isinstance(steps, int)
    warm()
    with tempfile.TemporaryDirectory(prefix="thresher-times-") as folder:
        root = Path(folder)
        model, out = root / "model.onnx", root / "out"
        onnx.save(recurrent("t1", **work.model).model, model)  # type: ignore[arg-type]
        budget = ",".join(f"{name}={most}" for name, most in work.budget.items())
        fps = 100e6 / (work.cycles * steps)
        options = ["--target-fps", f"{fps}", "--budget", budget, "--clock-mhz", "100"]
        compiled = timed(["compile", model, "-o", out, *options], root / "cache")
        verifying = timed(["verify", out, "--samples", str(SAMPLES)], root / "cache")
    return compiled, verifying


def compiling(model: onnx.ModelProto, options: Sequence[str]) -> Time:
    """The time to compile a model."""
    with tempfile.TemporaryDirectory(prefix="thresher-times-") as folder:
        root = Path(folder)
        onnx.save(model, root / "model.onnx")
        arguments = ["compile", root / "model.onnx", "-o", root / "out", *options]
        return timed(arguments, root / "cache")


def figures() -> list[Figure]:
    """All times."""
    compiled, verifying = measure()
    model = WORKS[WORK].model
    net = f"the network of {WORK} (LSTM {model['features']} -> {model['hidden']})"
    compiles = f"thresher compile of {net}, model file to Verilog"
    verifies = f"thresher verify of {net}, {SAMPLES:,} sequences on Verilator, build included"
    return [
        _figure("S1", compiles, compiled, COMPILE_S),
        *(
            _figure(name, f"thresher compile of {what}", compiling(zoo.model, options), most)
            for name, what, zoo, options, most in OTHERS
        ),
        _figure("V1", verifies, verifying, VERIFY_S),
    ]


def _figure(name: str, what: str, found: Time, most: int) -> Figure:
    text = f"{what}, by the clock, empty cache; {found.processor:.1f} s of processor time"
    wall = round(found.wall, 1)
    return Figure(name, text, f"<= {most}", wall, "s", "", "", found.wall <= most)


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
