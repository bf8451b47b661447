"""Sequences that take turns in one recurrence: how busy its product is, and what a step costs.

    python benchmarks/interleave.py [N ...]

An LSTM (6 -> 8, 20 steps, 6 bits) whose product, input and state in one, takes 7 cycles a step,
while the way round the loop takes many more; with N sequences in a frame the product works on the
others meanwhile. Everything else is folded as it comes.
Cycles are the steady interval between frames as Verilator counts it on the shipped Verilog, which
must give the golden model's codes; utilisation is the product's busy cycles by that interval.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import onnx  # noqa: E402
from figures import Figure  # noqa: E402
from simulated import simulated  # noqa: E402

from thresher.compiler.errors import ThresherError  # noqa: E402
from thresher.compiler.importer import import_model, load_model  # noqa: E402
from thresher.compiler.integer.passes.driver import optimise  # noqa: E402
from thresher.compiler.schedule.assemble import lower  # noqa: E402
from thresher.compiler.schedule.links import estimate  # noqa: E402
from thresher.compiler.schedule.utilisation import busy_cycles  # noqa: E402
from thresher.compiler.streamline import streamline  # noqa: E402
from thresher.gen.compiled import Compiled, compile_model  # noqa: E402
from thresher.gen.options import CompileOptions  # noqa: E402
from thresher.rtl.kernel import Resources  # noqa: E402
from thresher.sim.inputs import random_inputs  # noqa: E402
from zoo.recurrent import recurrent  # noqa: E402

__all__ = ["STEPS", "Turn", "figures", "main", "measured"]

STEPS, HIDDEN, FEATURES = 20, 8, 6
_PRODUCT = {"pe": 4 * HIDDEN, "simd": 2}
_BUDGET = {"lut": 20_000, "bram": 8}
_FRAMES = 4
_BUSY, _CYCLES = 0.98, 7.1  # asked of the most sequences
NUMBERS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Turn:
    """What N sequences gave.

    :param cycles: of one step of one sequence.
    :param utilisation: of the product's multipliers.
    """

    samples: int
    cycles: float
    utilisation: float
    area: Resources


def measured(samples: int) -> Turn:
    """Compile for frames of so many sequences, run some, compare their codes."""
    zoo = recurrent(
        "lstm", cells=("lstm",), hidden=HIDDEN, features=FEATURES, steps=STEPS, bits=6,
        bias="int32",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(zoo.model, path)
        name = _product(path)
        options = CompileOptions(interleave=samples, folding={name: _PRODUCT}, budget=_BUDGET)
        made = compile_model(path, options)
    interval = _interval(made)
    busy = busy_cycles(made.design)[name]
    area = estimate(made.design)
    return Turn(samples, interval / samples / STEPS, busy / interval, area)


def _product(path: Path) -> str:
    """The name of the one product, in the form of the graph that has only one."""
    streamlined = streamline(import_model(load_model(path)))
    (name,) = (
        name for name in lower(optimise(streamlined.source, join=True)).requests
        if name.startswith("mvau")
    )  # fmt: skip
    return name


def _interval(made: Compiled) -> int:
    inputs = random_inputs(made.streamlined.graph, _FRAMES * made.design.samples, seed=0)
    interval = simulated(made, inputs).interval
    if interval != made.design.predicted.interval:
        raise ThresherError(f"interval: {interval} cycles are not those predicted")
    return interval


def figures(numbers: Sequence[int] = NUMBERS) -> list[Figure]:
    """Utilisation and cycles a step for each N: the last one must keep the product busy."""
    found = [measured(n) for n in numbers]
    rows = []
    for turn, before in zip(found, (found[0], *found), strict=False):
        last = turn is found[-1]
        busy = turn.utilisation >= (_BUSY if last else before.utilisation)
        quick = turn.cycles <= (_CYCLES if last else before.cycles)
        what = f"lstm {FEATURES} -> {HIDDEN}, {turn.samples} sequences in turn, simulated"
        rows += [
            Figure(
                f"I1.{turn.samples}", f"{what}: utilisation of its product",
                f">= {_BUSY}" if last else "no less than of fewer sequences",
                round(turn.utilisation, 3), "of all cycles", "", "", busy,
            ),
            Figure(
                f"I2.{turn.samples}", f"{what}: estimated {turn.area.lut} LUT",
                f"<= {_CYCLES}" if last else "no more than of fewer sequences",
                round(turn.cycles, 3), "cycles a step a sequence", "", "", quick,
            ),
        ]  # fmt: skip
    return rows


def main() -> None:
    """Print one line for each N."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("numbers", nargs="*", type=int, default=NUMBERS, metavar="N")
    for number in parser.parse_args().numbers:
        turn = measured(number)
        area = turn.area
        print(f"{number:>3} sequences: {turn.cycles:7.3f} cycles a step a sequence, product busy "
              f"{turn.utilisation:.1%}; estimated {area.lut} LUT, {area.ff} FF, {area.dsp} DSP, "
              f"{area.bram18 / 2:g} BRAM36", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
