"""FINN-GL's ConvLSTM (examples/convlstm_lob) beside its published figures.

    python benchmarks/convlstm.py [C1 C2 C3 C4 C5 C6]

The command line compiles the shipped network, in a process of its own and with an empty cache, for
FINN-GL's own resources (C1), for all of its FPGA (C2) and for an XC7S50 (C3); where a target is
refused, the fastest within the same limits is measured. Cycles are Verilator's on the shipped
Verilog, which must be those predicted and give the golden model's codes. Areas are Yosys's, summed
over kernels and FIFOs. C4 runs the held-out windows of synthetic.py through C1's RTL; C5 and C6 are
C1's time to compile, and how far its layers overlap.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "convlstm_lob"
sys.path.insert(0, str(EXAMPLE))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from figures import Figure  # noqa: E402
from simulated import simulated  # noqa: E402
from times import Time, timed, warm  # noqa: E402

from data import load_split  # noqa: E402
from synthetic import write_files  # noqa: E402
from thresher.compiler.errors import ThresherError  # noqa: E402
from thresher.compiler.integer.ports import quantised  # noqa: E402
from thresher.gen.compiled import Compiled  # noqa: E402
from thresher.gen.folder import load_folder  # noqa: E402
from thresher.gen.synth import SynthResult, synthesise_design  # noqa: E402
from thresher.sim.engine import SimResult  # noqa: E402
from thresher.sim.equality import Equality, compare_with_reference  # noqa: E402
from thresher.sim.top import run_design  # noqa: E402
from thresher.sim.verify import compare, cycles_agree  # noqa: E402
from thresher.sim.verilator import VerilatorEngine  # noqa: E402

__all__ = ["NAMES", "WORKS", "Built", "Checked", "Work", "built", "checked", "figures", "main"]

MODEL = EXAMPLE / "convlstm_lob.onnx"
WINDOWS = 1000
COMPILE_S, OVERLAP = 60, 15.0
FINN_GL = (
    "4.3 ms (645,000 cycles), 101,489 LUT, 58,999 FF, 11,227 LUTRAM, 127.5 BRAM36, 265 DSP",
    "FINN-GL, XCZU7EV at 150 MHz",
)
_EVENTS, _SEED, _HORIZON = 4_000, 0, 10  # as the shipped network was trained
_FEW = 6  # windows; the last two are apart by the steady interval
_PART, _JOBS = 50, 2  # windows of a simulation, simulations at once


@dataclass(frozen=True)
class Work:
    """What the network is compiled for.

    :param limits: options of `thresher compile` that say what there is.
    :param us: latency of a window asked for; None is the least.
    :param cycles: latency at most.
    """

    what: str
    limits: Sequence[str]
    mhz: float
    us: float | None = None
    cycles: int | None = None


WORKS: Mapping[str, Work] = {
    "C1": Work(
        "FINN-GL's LUTs, DSPs and block RAMs",
        ("--budget", "lut=101489,dsp=265,bram=127"), 150, 370, 64_500,
    ),
    "C2": Work("the whole XCZU7EV", ("--board", "zcu104"), 150, 66.6, 10_000),
    "C3": Work("an XC7S50", ("--budget", "lut=32600,dsp=120,bram=75"), 100),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Built:
    """A compiled work.

    :param time: that the command took.
    :param refusal: why the target was refused, "" where it was not.
    """

    made: Compiled
    time: Time
    refusal: str


@dataclass(frozen=True, eq=False)
class Checked:
    """What many windows gave.

    :param wrong: windows in which the RTL left the golden model.
    :param cycles_agree: every window ended in the cycle predicted.
    :param equality: of golden and onnxruntime, by rule E2.
    """

    wrong: int
    cycles_agree: bool
    equality: Equality


@cache
def built(name: str) -> Built:
    """The network for its target; or, where that is refused, the fastest within its limits."""
    work = WORKS[name]
    limits = (*work.limits, "--clock-mhz", f"{work.mhz:g}")
    if work.us is None:
        return Built(*_compiled(limits), "")
    try:
        return Built(*_compiled((*limits, "--max-latency-us", f"{work.us:g}")), "")
    except ThresherError as e:
        return Built(*_compiled(limits), str(e))


def _compiled(options: Sequence[str]) -> tuple[Compiled, Time]:
    warm()
    with tempfile.TemporaryDirectory(prefix="thresher-convlstm-") as folder:
        out = Path(folder) / "out"
        time = timed(["compile", MODEL, "-o", out, *options], Path(folder) / "cache")
        return load_folder(out), time


@cache
def few(name: str) -> SimResult:
    """Some shipped windows in Verilator.

    :raises ThresherError: codes are not golden's, or cycles not those predicted.
    """
    made = built(name).made
    result = simulated(made, {"x": np.load(EXAMPLE / "convlstm_lob.npz")["x"][:_FEW]})
    if not cycles_agree(made, result):
        raise ThresherError(f"{name}: simulated cycles are not those predicted")
    return result


def held_out(count: int) -> np.ndarray:
    """Windows (count, 1, 1, 100, 40) of the synthetic days that no training saw."""
    with tempfile.TemporaryDirectory(prefix="thresher-convlstm-") as folder:
        write_files(Path(folder), _EVENTS, _SEED)
        test = load_split(Path(folder), _HORIZON).test.spread(count)
    return test.inputs(torch.arange(len(test))).numpy()[:, None]


def checked(made: Compiled, x: np.ndarray, say: Callable[[str], None]) -> Checked:
    """Windows (N, 1, 1, 100, 40) through model file, golden model and RTL.

    :param say: called with a line about the progress.
    """
    inputs = {"x": x}
    equality = compare_with_reference(made.streamlined, made.reference, inputs)
    golden = made.golden.run(quantised(made.streamlined.graph.inputs, inputs))
    assert made.verilog, "made once, before threads ask for it"

    def part(at: int) -> tuple[int, SimResult]:
        chosen = slice(at, at + _PART)
        result, codes = run_design(made, VerilatorEngine(), {"x": x[chosen]})
        differ, _ = compare({name: array[chosen] for name, array in golden.items()}, codes)
        return int(differ.sum()), result

    wrong, done, agree = 0, 0, True
    with ThreadPoolExecutor(_JOBS) as pool:
        for future in as_completed([pool.submit(part, at) for at in range(0, len(x), _PART)]):
            mismatches, result = future.result()
            wrong, done = wrong + mismatches, done + result.frames
            agree &= cycles_agree(made, result)
            say(f"{done:,} of {len(x):,} windows simulated, {wrong} mismatches")
    return Checked(wrong, agree, equality)


@cache
def area(name: str) -> SynthResult:
    """By Yosys for xc7, kernels and FIFOs."""
    return synthesise_design(built(name).made.design, say=_say).total


def _say(line: str) -> None:
    print(f"  {line} ...", file=sys.stderr, flush=True)


def _fit(name: str) -> Figure:
    """C1, C2, C3: latency within limits."""
    work, done, used = WORKS[name], built(name), area(name)
    limits = done.made.options.capacity
    assert limits is not None
    most = {"lut": limits.lut, "dsp": limits.dsp, "bram": limits.bram36}
    took = {"lut": used.lut, "dsp": used.dsp, "bram": used.bram}
    fits = all(took[k] <= limit for k, limit in most.items() if limit is not None)
    cycles = few(name).latency
    within = ", ".join(f"{limit} {k}" for k, limit in most.items())
    fast = work.cycles is None or cycles <= work.cycles
    us = cycles / work.mhz
    return Figure(
        name,
        f"ConvLSTM in {work.what}, cycles of a window simulated, every {few(name).interval} cycles "
        f"one; {us:.1f} us at {work.mhz:g} MHz; Yosys xc7: {used.lut} lut, {used.dsp} dsp, "
        f"{used.bram:g} bram, {used.ff} FF, {used.lutram} LUTRAM" + _refused(done),
        (f"<= {work.cycles} " if work.cycles else "") + f"within {within}",
        cycles,
        "cycles",
        *FINN_GL,
        fits and fast,
    )


def _refused(done: Built) -> str:
    return f"; the fastest, for the target was refused: {done.refusal}" if done.refusal else ""


def _windows() -> Figure:
    """C4: many windows, all equal."""
    found = checked(built("C1").made, held_out(WINDOWS), _say)
    e2 = found.equality
    return Figure(
        "C4",
        f"{e2.samples:,} held-out synthetic windows through C1's Verilated RTL, windows that "
        f"differ from golden; golden differs from {e2.engine} in {e2.differing}, "
        f"{e2.unexplained} of them not beside a tie; cycles of every window "
        f"{'are' if found.cycles_agree else 'are not'} those predicted",
        "0 of 1,000, and by E2 0",
        found.wrong,
        "windows",
        "", "",
        found.wrong == 0 and e2.unexplained == 0 and found.cycles_agree and e2.samples == WINDOWS,
    )  # fmt: skip


def _time() -> Figure:
    """C5: model file to Verilog."""
    done, seen = built("C1"), few("C1")
    return Figure(
        "C5",
        "thresher compile of C1, model file to Verilog, by the clock, empty cache; "
        f"{done.time.processor:.1f} s of processor time; latency {seen.latency} and interval "
        f"{seen.interval} simulated as predicted" + _refused(done),
        f"<= {COMPILE_S}",
        round(done.time.wall, 1),
        "s",
        "", "",
        done.time.wall <= COMPILE_S and not done.refusal,
    )  # fmt: skip


def _overlap() -> Figure:
    """C6: streaming from layer to layer."""
    seen = few("C1")
    share = 100 * (seen.latency - seen.interval) / seen.latency
    return Figure(
        "C6",
        f"what C1's latency, {seen.latency} cycles, is longer than its interval, {seen.interval}, "
        "simulated: layers work on one window at once",
        f"<= {OVERLAP:g}",
        round(share, 1),
        "% of the latency",
        "", "",
        share <= OVERLAP,
    )  # fmt: skip


_FIGURES: Mapping[str, Callable[[], Figure]] = {
    **{name: partial(_fit, name) for name in WORKS},
    "C4": _windows,
    "C5": _time,
    "C6": _overlap,
}
NAMES = tuple(_FIGURES)


def figures(names: Sequence[str] = NAMES) -> list[Figure]:
    """Those of these names."""
    return [_FIGURES[name]() for name in names]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="FIGURE", help=f"of {', '.join(NAMES)}")
    for name in parser.parse_args().names or NAMES:
        print(_FIGURES[name](), flush=True)


if __name__ == "__main__":
    main()
