"""A whole layer beside FINN's: MVAU with weight memory, and 15 thresholds a channel (T9).

    python benchmarks/layer.py

104 inputs of 6 bits to 256 outputs of 4 bits, weights of 8 bits, 16 outputs a beat, as FINN's with
PE 16 and SIMD 8. Weights and thresholds are random, so no form of the step but one that keeps every
threshold will do. The two kernels stand one behind the other in one top, whose Verilog is simulated
and compared with the model; their areas are Yosys's for xc7, all memories included.
"""

from functools import cache

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from figures import Figure

from thresher.gen.synth import synthesise_all
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.kernel import Kernel
from thresher.rtl.step import Step
from thresher.rtl.stepfunction import StepFunction
from thresher.sim.engine import SimPort, SimTop
from thresher.sim.verilator import VerilatorEngine

__all__ = ["Chain", "figures", "kernels", "main", "simulated"]

INPUTS, OUTPUTS, THRESHOLDS = 104, 256, 15
ROWS, LANES = 128, 16
FINN_LUT, FINN_SRL, FINN_DSP, FINN_CYCLES, FINN_LAST = 5482, 1424, 64, 208, 227
SHARE = 0.8


class Chain(wiring.Component):
    """Kernels with one input `i` and one output `o`, one behind the other."""

    def __init__(self, *kernels: Kernel) -> None:
        self._kernels = kernels
        super().__init__(
            {
                "i": wiring.In(kernels[0].inputs["i"].signature),
                "o": wiring.Out(kernels[-1].outputs["o"].signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stream = wiring.flipped(self.i)
        for k, kernel in enumerate(self._kernels):
            m.submodules[f"kernel{k}"] = part = kernel.create()
            wiring.connect(m, stream, part.i)
            stream = part.o
        wiring.connect(m, stream, wiring.flipped(self.o))
        return m


@cache
def kernels() -> tuple[BroadcastMVAU, Step]:
    """The product and its thresholds."""
    rng = np.random.default_rng([INPUTS, OUTPUTS, 8])
    weights = rng.integers(-127, 128, (INPUTS, OUTPUTS))
    product = BroadcastMVAU(
        weights=weights, rows=ROWS, lanes=LANES, i_lo=-32, i_hi=31, memory="block"
    )
    port = product.outputs["o"]
    spread = np.sqrt((weights**2).sum(axis=0) * (32**2 / 3))[:, None]
    thresholds = np.sort(rng.normal(0, spread, (OUTPUTS, THRESHOLDS)).round().astype(int), axis=1)
    values = np.arange(-(THRESHOLDS // 2) - 1, THRESHOLDS // 2 + 1)[None]
    function = StepFunction(port.lo, port.hi, thresholds, values)
    return product, Step(function=function, lanes=LANES, form="search")


@cache
def simulated() -> tuple[int, int, int]:
    """Cycles a vector, and from its first element to its first and its last output beat.

    :raises AssertionError: where the Verilog differs from the model.
    """
    product, step = kernels()
    top = SimTop(
        "layer",
        (SimPort("i", product.inputs["i"]),),
        (SimPort("o", step.outputs["o"]),),
        lambda: Chain(product, step),
        lambda i: step.compute(*product.compute(i)),
    )
    inputs = np.random.default_rng(0).integers(-32, 31, (8, INPUTS), endpoint=True)
    result = VerilatorEngine().run(top, {"i": inputs})
    np.testing.assert_array_equal(result.outputs["o"], top.model(inputs)[0])
    times, first = result.output_times["o"], int(result.input_times["i"][0])
    assert result.interval is not None, "eight vectors have seven intervals"
    return result.interval, int(times[0]) - first, int(times[OUTPUTS // LANES - 1]) - first


def figures() -> list[Figure]:
    """The whole layer against FINN's, and against 0.8 of its LUTs."""
    cycles, first, last = simulated()
    areas = synthesise_all(dict(zip(("product", "thresholds"), kernels(), strict=True)))
    area = areas["product"] + areas["thresholds"]
    most = int(SHARE * (FINN_LUT + FINN_SRL))
    return [
        Figure(
            "T9 layer",
            f"MVAU {INPUTS} -> {OUTPUTS} W8A6 with weights and {THRESHOLDS} thresholds a channel: "
            f"LUT (SRL among them), DSP and cycles a vector, Yosys xc7, Verilator; {area.ff} FF, "
            f"{area.bram:g} BRAM36; {first} cycles to the first output, {last} to the last",
            f"<= {most} LUT + SRL, {FINN_DSP} DSP, {FINN_CYCLES} cycles",
            f"{area.lut} LUT, {area.dsp} DSP, {cycles} cycles",
            "",
            f"{FINN_LUT:,} LUT + {FINN_SRL:,} SRL, {FINN_DSP} DSP, {FINN_CYCLES} cycles, 8,394 FF, "
            f"14.5 BRAM36, 32 cycles to the first output, {FINN_LAST} to the last",
            "FINN's RTL, same flow",
            area.lut <= most and area.dsp <= FINN_DSP and cycles <= FINN_CYCLES,
        )
    ]


def main() -> None:
    """Print the figure."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
