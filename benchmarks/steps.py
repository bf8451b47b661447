"""Steps from a 21-bit accumulator to 6 bits: T6, and T7 for these kernels, from Yosys for xc7.

    python benchmarks/steps.py

Each function is made in the form that is chosen by itself, with 1 and with 4 lanes. Figures are for
one lane; the path is pre-route. Published are FINN's, for 64 channels with 63 thresholds each,
under the same flow. For T6 the Verilog is simulated too: with one scale on every argument there is,
with a scale for each channel on both sides of every threshold, on the ends and on random arguments;
that between thresholds nothing happens is proven when the constants are found.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "rtl"))

import numpy as np  # noqa: E402
from figures import Figure  # noqa: E402
from stepcases import activation, requantise, requantise_channels  # noqa: E402

from thresher.gen.synth import SynthResult, synthesise  # noqa: E402
from thresher.rtl.step import Step  # noqa: E402
from thresher.rtl.stepfunction import StepFunction  # noqa: E402
from thresher.sim.engine import SimTop  # noqa: E402
from thresher.sim.verilator import VerilatorEngine  # noqa: E402

__all__ = ["Measured", "differences", "figures", "functions", "main", "measure"]

LANES = (1, 4)
CHANNELS = 64
PATH_NS = 3.5
TARGETS = {True: (60, 0), False: (145, 1)}
"""By whether one scale serves all: most LUTs, and most BRAM36 and DSPs together."""
FINN = {1: (290, 2.5), 4: (284, 0.625)}
"""LUTs and BRAM36 a lane by lanes (FACTS.md; of 2 to 3 BRAM36 in all the middle)."""


@dataclass(frozen=True)
class Measured:
    """What one function takes with this many lanes.

    :param kernel: the step.
    :param result: all of its lanes together.
    """

    kernel: Step
    result: SynthResult

    @property
    def lut(self) -> float:
        """LUTs a lane."""
        return self.result.lut / self.kernel.lanes

    @property
    def blocks(self) -> float:
        """BRAM36 and DSPs a lane."""
        return (self.result.bram + self.result.dsp) / self.kernel.lanes

    @property
    def target(self) -> tuple[int, int]:
        """LUTs and blocks that T6 allows a lane."""
        return TARGETS[self.kernel.function.channels == 1]

    @property
    def small(self) -> bool:
        """T6."""
        return self.lut <= self.target[0] and self.blocks <= self.target[1]

    @property
    def met(self) -> bool:
        """T6 and T7."""
        return self.small and (self.result.path_ns or 0.0) <= PATH_NS


def functions() -> dict[str, StepFunction]:
    """By name; scales that use all of the accumulator, and such as trained networks have."""
    rng = np.random.default_rng(1)
    spread = 2 ** rng.uniform(-1, 1, CHANNELS)
    biases = rng.normal(size=CHANNELS)
    few = tuple(rng.normal(0, 0.5, CHANNELS).tolist())
    return {
        "requantise, all of the range": requantise(64 / 2**21 * 0.97),
        "requantise, 1.4 times that": requantise(64 / 2**21 * 1.37),
        "requantise, scale 1/1000.7": requantise(1 / 1000.7),
        "requantise, scale 1/57.3": requantise(1 / 57.3),
        "requantise, scale 1/1024": requantise(1 / 1024),
        "sigmoid, scale 1/4096.3": activation("sigmoid", 1 / 4096.3),
        "sigmoid, all of the range": activation("sigmoid", 6 / 2**20),
        "tanh, scale 1/4100.7": activation("tanh", 1 / 4100.7),
        "tanh, all of the range": activation("tanh", 3 / 2**20),
        "channels, all of the range": requantise_channels((64 / 2**21 * spread).tolist()),
        "channels, all, and biases": requantise_channels(
            (64 / 2**21 * spread).tolist(), biases=biases.tolist()
        ),
        "channels, scale 1/1000": requantise_channels((spread / 1000).tolist()),
        "channels, 1/1000, and biases": requantise_channels(
            (spread / 1000).tolist(), biases=biases.tolist()
        ),
        "sigmoid, a bias a channel": activation("sigmoid", 1 / 4096.3, biases=few),
        "tanh, a bias a channel": activation("tanh", 3 / 2**20, biases=few),
    }


def measure() -> dict[str, list[Measured]]:
    """The figures by function, one of each number of lanes.

    Each is synthesised in a process of its own: Yosys's ABC keeps some state from one module to the
    next, and LUT counts change by up to a half with what came before.
    """
    kernels = {
        (name, lanes): Step(function=f, lanes=lanes)
        for name, f in functions().items()
        for lanes in LANES
    }
    figures: dict[str, list[Measured]] = {}
    for (name, _), kernel in kernels.items():
        figures.setdefault(name, []).append(Measured(kernel, synthesise(kernel)))
    return figures


def arguments(kernel: Step) -> np.ndarray:
    """int64 (periods, elements): all of the interval, or each channel's thresholds and more."""
    f, port = kernel.function, kernel.inputs["i"]
    if f.channels == 1:
        values = np.arange(f.lo, f.hi + 1)
        return np.resize(values, (-(-len(values) // port.elements), port.elements))
    sides = np.concatenate([f.thresholds, f.thresholds - 1], axis=1)
    random = np.random.default_rng(0).integers(f.lo, f.hi, (f.channels, 256), endpoint=True)
    ends = np.tile([f.lo, f.hi], (f.channels, 1))
    return np.clip(np.concatenate([sides, random, ends], axis=1), f.lo, f.hi).T


def differences(kernel: Step) -> int:
    """Results of the Verilog that are not the function's."""
    values = arguments(kernel)
    result = VerilatorEngine().run(SimTop.of_kernel(kernel), {"i": values})
    return int((result.outputs["o"] != kernel.compute(values)[0]).sum())


def figures() -> list[Figure]:
    """T6: the largest of each kind, in all the resources that it names."""
    found = []
    measured = measure()
    for per_tensor, (luts, blocks) in TARGETS.items():
        chosen = {
            name: rows
            for name, rows in measured.items()
            if (rows[0].kernel.function.channels == 1) == per_tensor
        }
        all_rows = [row for rows in chosen.values() for row in rows]
        wrong = sum(differences(rows[-1].kernel) for rows in chosen.values())
        worst = max(all_rows, key=lambda row: row.lut)
        most = max(row.blocks for row in all_rows)
        scale = "one scale" if per_tensor else f"a scale for each of {CHANNELS} channels"
        allowed = "no BRAM, no DSP" if not blocks else f"{blocks} BRAM36 or DSP"
        found.append(
            Figure(
                "T6a" if per_tensor else "T6b",
                f"step from 21 to 6 bits, {scale}, LUT a lane by Yosys xc7, the largest of "
                f"{len(all_rows)} kernels; BRAM36 and DSP a lane at most {most:g}; "
                f"{wrong} results of the Verilog differ",
                f"<= {luts} LUT, {allowed}, exact",
                round(worst.lut, 1),
                "LUT a lane",
                "" if per_tensor else f"{FINN[1][0]} LUT, 2 to 3 BRAM36",
                "" if per_tensor else "FINN's RTL thresholding, same flow",
                all(row.small for row in all_rows) and not wrong,
            )
        )
    return found


def main() -> None:
    """Print the table; exit 1 where a target is missed."""
    head = "lanes form              cycles   LUT  (est)  most  FINN    FF  BRAM   DSP    ns"
    print(f"{'a lane':30} {head}")
    missed = 0
    for name, figures in measure().items():
        for figure in figures:
            kernel, r, lanes = figure.kernel, figure.result, figure.kernel.lanes
            finn = "" if kernel.function.channels == 1 else str(FINN[lanes][0])
            form = type(kernel.pipeline).__name__.removesuffix("Step")
            print(
                f"{name:30} {lanes:5} {form:16} {kernel.latency:7} {figure.lut:5.0f} "
                f"{kernel.resources().lut / lanes:6.0f} {figure.target[0]:5} {finn:>5} "
                f"{r.ff / lanes:5.0f} {r.bram / lanes:5.1f} {r.dsp / lanes:5.1f} {r.path_ns:5.2f}"
                f"{'' if figure.met else '  missed'}"
            )
            missed += not figure.met
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
