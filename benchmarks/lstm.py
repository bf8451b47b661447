"""Recurrent layers beside their targets: cycles a step, LUT, DSP and BRAM.

    python benchmarks/lstm.py [T1a T1b T2 T3 T4 T8] [--simulate] [--synthesise]

Cycles a step are the steady interval between two sequences by the number of steps: as the solver
predicts them, and with --simulate as Verilator counts them on the shipped Verilog. Areas are the
estimate's, and with --synthesise those of Yosys for xc7.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import onnx  # noqa: E402
from figures import Figure  # noqa: E402
from simulated import simulated  # noqa: E402

from thresher.compiler.errors import ThresherError  # noqa: E402
from thresher.compiler.schedule.links import estimate  # noqa: E402
from thresher.gen.compiled import Compiled, compile_model  # noqa: E402
from thresher.gen.options import CompileOptions  # noqa: E402
from thresher.gen.synth import synthesise_design  # noqa: E402
from thresher.sim.inputs import random_inputs  # noqa: E402
from zoo.recurrent import recurrent  # noqa: E402

__all__ = ["PUBLISHED", "WORKS", "Work", "compiled", "figures", "main"]


@dataclass(frozen=True)
class Work:
    """A layer and what is asked of it.

    :param cycles: a step, at most.
    :param model: arguments of `zoo.recurrent.recurrent`.
    """

    cycles: int
    budget: Mapping[str, int]
    model: Mapping[str, object]


_LARGE = {"hidden": 64, "features": 40, "steps": 25, "bits": 6, "weight_bits": 8, "bias": "int32"}
_SMALL = {"cells": ("lstm",), "hidden": 20, "steps": 20, "bias": "int32"}
_A = {"dsp": 140, "lut": 8_000, "bram": 32}
_S15 = {"dsp": 20, "lut": 8_000, "bram": 10}

WORKS: Mapping[str, Work] = {
    "T1a": Work(108, _A, {"cells": ("lstm",), **_LARGE}),
    "T1b": Work(80, {"dsp": 210, "lut": 10_000, "bram": 48}, {"cells": ("lstm",), **_LARGE}),
    "T2": Work(700, _S15, {"cells": ("lstm",), **_LARGE}),
    "T3": Work(60, {**_S15, "lut": 4_000}, {**_SMALL, "features": 1, "bits": 8}),
    "T4": Work(12, {}, {**_SMALL, "features": 6, "bits": 6}),
    "T8": Work(90, _A, {"cells": ("gru",), **_LARGE}),
}


def compiled(name: str) -> tuple[Compiled, str]:
    """The layer for its target; or, where that is refused, the fastest within the budget.

    :returns: the refusal too, or nothing.
    """
    work = WORKS[name]
    steps = work.model["steps"]
    assert isinstance(steps, int)
    zoo = recurrent(name.lower(), **work.model)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(zoo.model, path)
        fps = 100e6 / (work.cycles * steps)
        options = CompileOptions(target_fps=fps, budget=work.budget)
        try:
            return compile_model(path, options), ""
        except ThresherError as e:
            fastest = CompileOptions(budget=work.budget or {"lut": 1_000_000})
            return compile_model(path, fastest), str(e)


def _simulated(made: Compiled, steps: int) -> float:
    """Cycles a step."""
    return simulated(made, random_inputs(made.streamlined.graph, 8, seed=0)).interval / steps


def figures() -> list[Figure]:
    """Every work: cycles simulated on the shipped Verilog, areas by Yosys against the budget."""
    return [_figure(name, work) for name, work in WORKS.items()]


def _figure(name: str, work: Work) -> Figure:
    made, _ = compiled(name)
    steps = work.model["steps"]
    assert isinstance(steps, int)
    cycles = _simulated(made, steps)
    total = synthesise_design(made.design).total
    used = {"dsp": total.dsp, "lut": total.lut, "bram": total.bram}
    fits = all(used[resource] <= limit for resource, limit in work.budget.items())
    limits = ", ".join(f"{limit} {resource}" for resource, limit in work.budget.items())
    areas = ", ".join(f"{value:g} {resource}" for resource, value in used.items())
    published, source = PUBLISHED[name]
    return Figure(
        name,
        f"{work.model['cells'][0]} {work.model['features']} -> {work.model['hidden']}, cycles a "  # type: ignore[index]
        f"step simulated, Yosys xc7: {areas}",
        f"<= {work.cycles}" + (f" within {limits}" if limits else ""),
        round(cycles, 2),
        "cycles a step",
        published,
        source,
        cycles <= work.cycles and fits,
    )


PUBLISHED: Mapping[str, tuple[str, str]] = {
    "T1a": ("49,439 LUT, 13 DSP, 31.5 BRAM36", "FINN-GL, its LSTM part"),
    "T1b": ("49,439 LUT, 13 DSP, 31.5 BRAM36", "FINN-GL, its LSTM part"),
    "T2": ("1,209 to 8,960", "elastic-ai.creator 0.68, simulated"),
    "T3": ("367 to 1,125", "elastic-ai.creator 0.68, simulated"),
    "T4": ("about 17", "hls4ml"),
    "T8": ("", ""),
}


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--synthesise", action="store_true")
    args = parser.parse_args()
    for name in args.works or WORKS:
        work, start = WORKS[name], time.process_time()
        made, refusal = compiled(name)
        spent = time.process_time() - start
        steps = work.model["steps"]
        assert isinstance(steps, int)
        area = estimate(made.design)
        print(f"{name}: {made.design.predicted.interval / steps:g} cycles a step, "
              f"target {work.cycles}; estimated LUT {area.lut} DSP {area.dsp} "
              f"BRAM36 {area.bram18 / 2:g}, budget {dict(work.budget)}; {spent:.1f} s")  # fmt: skip
        print(f"    {refusal or made.design.limit}")
        if args.simulate:
            print(f"    simulated: {_simulated(made, steps):g} cycles a step")
        if args.synthesise:
            total = synthesise_design(made.design).total
            print(f"    Yosys: LUT {total.lut} FF {total.ff} DSP {total.dsp} BRAM36 {total.bram:g}"
                  f", path {total.path_ns} ns")  # fmt: skip


if __name__ == "__main__":
    main()
