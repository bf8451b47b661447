"""Areas and cycles of the broadcast MVAU beside its targets and FINN's figures.

    python benchmarks/mvau.py [NAME ...] [--quick]

Areas and pre-route paths are Yosys's for xc7 (cached by content), cycles those of the shipped
Verilog under Verilator, where the results are also compared with the model. `--quick` leaves the
areas of shapes out that take Yosys minutes. Weights are random over the whole range, which is the
worst case for widths and tracking; the weights' memory is part of every figure, FINN's have none.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from thresher.gen.synth import SynthResult, synthesise_all
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.sim.engine import SimTop
from thresher.sim.verilator import VerilatorEngine

__all__ = ["SHAPES", "Shape", "main"]


@dataclass(frozen=True)
class Shape:
    """One kernel to build.

    :param bits: of the weights.
    :param lo: least activation.
    :param hi: greatest activation.
    :param narrow: the least weight is left out.
    :param published: what to compare with.
    """

    inputs: int
    outputs: int
    rows: int
    lanes: int
    bits: int
    lo: int
    hi: int
    narrow: bool = True
    memory: str = "auto"
    multiplier: str = "dsp48e1"
    published: str = ""
    slow: bool = False

    def kernel(self) -> BroadcastMVAU:
        """With random weights, the same each time."""
        rng = np.random.default_rng([self.inputs, self.outputs, self.bits])
        end = 1 << (self.bits - 1)
        weights = rng.integers(int(self.narrow) - end, end, (self.inputs, self.outputs))
        return BroadcastMVAU(
            weights=weights, rows=self.rows, lanes=self.lanes, i_lo=self.lo, i_hi=self.hi,
            memory=self.memory, multiplier=self.multiplier,
        )  # fmt: skip


SHAPES = {
    "T9 104->256 W8A6": Shape(
        104, 256, 128, 4, 8, -32, 31, memory="bram",
        published="FINN 2,793 LUT + 336 SRL, 64 DSP, 208 cycles",
    ),
    "T9 104->256 W4A4": Shape(
        104, 256, 128, 4, 4, -8, 7, memory="bram", published="FINN 2,153 LUT, 32 DSP, 208 cycles"
    ),
    "T9 64->64 W8A8": Shape(
        64, 64, 64, 8, 8, -128, 127, memory="bram", published="FINN 1,447 LUT, 32 DSP, 64 cycles"
    ),
    "T1 104->256 W8A6": Shape(
        104, 256, 256, 4, 8, -32, 31, memory="bram", slow=True,
        published="goal 128 DSP, <= 32 BRAM36, 2,500 LUT",
    ),
    "T3 21->80 W8A8": Shape(21, 80, 40, 4, 8, -128, 127, published="at most 20 DSP"),
    "T5 8x8": Shape(16, 24, 24, 12, 8, -128, 127, False, published="at least 2 a DSP"),
    "T5 7x7": Shape(16, 24, 24, 12, 7, -64, 63, False, published="at least 2 a DSP"),
    "T5 6x6": Shape(16, 24, 24, 12, 6, -32, 31, False, published="at least 2 a DSP"),
    "T5 4x4": Shape(16, 24, 24, 12, 4, -8, 7, False, published="at least 3 a DSP"),
    "T5 4x4 narrow": Shape(16, 24, 24, 12, 4, -8, 7, True, published="at least 4 a DSP"),
}  # fmt: skip


def measured(kernel: BroadcastMVAU) -> tuple[int, int]:
    """Cycles a vector at full rate, and from the last element of a pass to the first output.

    :raises AssertionError: where the Verilog differs from the model.
    """
    rng = np.random.default_rng(0)
    inputs = rng.integers(kernel.i_lo, kernel.i_hi, (4, kernel.weights.shape[0]), endpoint=True)
    result = VerilatorEngine().run(SimTop.of_kernel(kernel), {"i": inputs})
    np.testing.assert_array_equal(result.outputs["o"], kernel.compute(inputs)[0])
    last = result.input_times["i"][kernel.weights.shape[0] - 1]
    return result.interval, int(result.output_times["o"][0] - last)


def show(name: str, shape: Shape, area: SynthResult | None) -> None:
    """Print a line."""
    kernel = shape.kernel()
    cycles, latency = measured(kernel)
    print(f"{name:18} {cycles:4} cycles a vector, latency {latency}", end="")
    if area is not None:
        estimate = kernel.resources()
        print(
            f"; {area.lut:5} LUT (est. {estimate.lut}), {area.srl} SRL, "
            f"{area.ff} FF (est. {estimate.ff}), {area.dsp} DSP (est. {estimate.dsp}), "
            f"{area.bram:g} BRAM36 (est. {estimate.bram18 / 2:g}), {area.path_ns} ns; "
            f"{shape.rows / area.dsp:g} products a DSP and cycle",
            end="",
        )
    print(f"   [{shape.published}]", flush=True)


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="shapes whose name begins so; default all")
    parser.add_argument("--quick", action="store_true", help="leave slow areas out")
    options = parser.parse_args()
    chosen = {
        name: shape
        for name, shape in SHAPES.items()
        if not options.names or name.startswith(tuple(options.names))
    }
    areas = synthesise_all(
        {n: s.kernel() for n, s in chosen.items() if not (s.slow and options.quick)}
    )
    for name, shape in chosen.items():
        show(name, shape, areas.get(name))


if __name__ == "__main__":
    main()
