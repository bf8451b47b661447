"""Products a DSP (T5), and areas and cycles of the broadcast MVAU beside FINN's (T9).

    python benchmarks/mvau.py [NAME ...] [--quick]

Areas and pre-route paths are Yosys's for xc7 (cached by content), cycles those of the shipped
Verilog under Verilator, where the results are also compared with the model. `--quick` leaves the
areas of shapes out that take Yosys minutes. Weights are random over the whole range, which is the
worst case for widths and tracking; the weights' memory is part of every figure, FINN's have none.
The DSP48E2 version is simulated with a model of the block; its blocks are counted in the RTLIL
that is made for a device that has them.
"""

import argparse
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment
from figures import Figure

from thresher.gen.synth import SynthResult, synthesise, synthesise_all
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.mvau import MVAU
from thresher.rtl.packing import MOST_ROWS
from thresher.sim.engine import SimTop
from thresher.sim.verilator import VerilatorEngine

__all__ = ["SHAPES", "Finn", "Shape", "figures", "main"]


@dataclass(frozen=True)
class Finn:
    """What FINN takes for a shape.

    :param lut: LUTs and shift registers.
    """

    lut: int
    dsp: int
    cycles: int


@dataclass(frozen=True)
class Shape:
    """One kernel to build.

    :param bits: of the weights.
    :param lo: least activation.
    :param hi: greatest activation.
    :param narrow: the least weight is left out.
    :param published: what to compare with.
    :param products: a DSP, at least: T5.
    :param finn: what may not be exceeded: T9.
    :param simd: of a reduce MVAU, of which `rows` are the PEs; 0 for one that broadcasts.
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
    depth: int | None = None
    multiplier: str = "dsp48e1"
    published: str = ""
    slow: bool = False
    products: int | None = None
    finn: Finn | None = None
    simd: int = 0

    @property
    def made(self) -> int:
        """Products a cycle."""
        return self.rows * max(1, self.simd)

    def kernel(self) -> BroadcastMVAU | MVAU:
        """With random weights, the same each time."""
        rng = np.random.default_rng([self.inputs, self.outputs, self.bits])
        end = 1 << (self.bits - 1)
        weights = rng.integers(int(self.narrow) - end, end, (self.inputs, self.outputs))
        if self.simd:
            return MVAU(
                weights=weights, pe=self.rows, simd=self.simd, i_lo=self.lo, i_hi=self.hi,
                memory=self.memory, pack=MOST_ROWS,
            )  # fmt: skip
        return BroadcastMVAU(
            weights=weights, rows=self.rows, lanes=self.lanes, i_lo=self.lo, i_hi=self.hi,
            memory=self.memory, depth=self.depth, multiplier=self.multiplier,
        )  # fmt: skip


_DSP48E2 = "dsp48e2"


def _packed(bits: int, x: int, products: int, published: int, **more: object) -> Shape:
    """A shape of T5 for weights of `bits` and activations of `x` bits."""
    end = 1 << x - 1
    options = {"rows": 24, "narrow": False, "products": products, **more}
    beside = f"{published} a DSP48E2"
    return Shape(16, 24, lanes=12, bits=bits, lo=-end, hi=end - 1, published=beside, **options)  # type: ignore[arg-type]


SHAPES = {
    "T9 104->256 W8A6": Shape(
        104, 256, 128, 4, 8, -32, 31, memory="block", finn=Finn(2793 + 336, 64, 208),
        published="2,793 LUT + 336 SRL, 64 DSP, 208 cycles",
    ),
    "T9 104->256 W4A4": Shape(
        104, 256, 128, 4, 4, -8, 7, memory="block", finn=Finn(2153, 32, 208),
        published="2,153 LUT, 32 DSP, 208 cycles",
    ),
    "T9 64->64 W8A8": Shape(
        64, 64, 64, 8, 8, -128, 127, memory="block", finn=Finn(1447, 32, 64),
        published="1,447 LUT, 32 DSP, 64 cycles",
    ),
    "T1 104->256 W8A6": Shape(
        104, 256, 256, 4, 8, -32, 31, memory="block", slow=True,
        published="goal 128 DSP, <= 32 BRAM36, 2,500 LUT",
    ),
    "T1 b 64->256 W8A6": Shape(
        64, 256, 256, 4, 8, -32, 31, memory="block", slow=True, depth=64,
        published="the recurrent part: latency at most 6",
    ),
    "T3 21->80 W8A8": Shape(21, 80, 40, 4, 8, -128, 127, published="at most 20 DSP"),
    "T5 8x8": _packed(8, 8, 2, 2),
    "T5 7x7": _packed(7, 7, 2, 2),
    "T5 6x6": _packed(6, 6, 2, 2),
    "T5 4x4": _packed(4, 4, 3, 4),
    "T5 4x4 narrow": _packed(4, 4, 4, 4, narrow=True),
    "T5 reduce 8x8": _packed(8, 8, 2, 2, rows=12, simd=8),
    "T5 reduce 8x6": _packed(8, 6, 2, 2, rows=12, simd=8),
    "T5 reduce 4x4": _packed(4, 4, 3, 4, rows=12, simd=8),
    "T5 DSP48E2 8x8": _packed(8, 8, 2, 2, multiplier=_DSP48E2),
    "T5 DSP48E2 4x8": _packed(4, 8, 3, 3, multiplier=_DSP48E2),
    "T5 DSP48E2 4x4": _packed(4, 4, 4, 4, multiplier=_DSP48E2),
}  # fmt: skip


@cache
def measured(name: str) -> tuple[int, int]:
    """Cycles a vector at full rate, and from the last element of a pass to the first output.

    :raises AssertionError: where the Verilog differs from the model.
    """
    kernel = SHAPES[name].kernel()
    rng = np.random.default_rng(0)
    inputs = rng.integers(kernel.i_lo, kernel.i_hi, (4, kernel.weights.shape[0]), endpoint=True)
    result = VerilatorEngine().run(SimTop.of_kernel(kernel), {"i": inputs})
    np.testing.assert_array_equal(result.outputs["o"], kernel.compute(inputs)[0])
    last = result.input_times["i"][kernel.inputs["i"].beats - 1]
    assert result.interval is not None, "four vectors have three intervals"
    return result.interval, int(result.output_times["o"][0] - last)


def count_dsp48e2(kernel: BroadcastMVAU | MVAU) -> int:
    """The DSP48E2 of the kernel; it has no other multiplier."""
    fragment = Fragment.get(kernel.create(), SimpleNamespace(dsp=_DSP48E2))
    fragment.add_domains(ClockDomain("sync"))
    text = rtlil.convert_fragment(fragment, {}, "top", emit_src=False)[0]
    if "cell $mul" in text:
        raise SystemExit("a product is outside the DSP48E2")
    return text.count("cell \\DSP48E2 ")


def figures() -> list[Figure]:
    """T5 and the shapes of T9; every one is simulated and compared with its model first."""
    found = []
    for name, shape in SHAPES.items():
        if shape.products:
            found.append(_products(name, shape))
        if shape.finn:
            found.append(_beside_finn(name, shape, shape.finn))
    return found


def _products(name: str, shape: Shape) -> Figure:
    kernel = shape.kernel()
    measured(name)
    primitive = shape.multiplier == _DSP48E2
    blocks = count_dsp48e2(kernel) if primitive else synthesise(kernel).dsp
    assert shape.products is not None, "asked for"
    return Figure(
        name,
        f"products a {shape.multiplier.upper()} and cycle of an MVAU, weights x activations of so "
        f"many bits, exact in simulation; {shape.made} products, {blocks} DSP "
        + ("counted in the RTLIL" if primitive else "by Yosys"),
        f">= {shape.products}",
        round(shape.made / blocks, 2),
        "products",
        shape.published,
        "FINN",
        shape.made >= shape.products * blocks,
    )


def _beside_finn(name: str, shape: Shape, finn: Finn) -> Figure:
    cycles, _ = measured(name)
    area = synthesise(shape.kernel())
    return Figure(
        name,
        "MVAU with its weight memory: LUT (SRL among them), DSP and cycles a vector, Yosys xc7 and "
        f"Verilator; {area.ff} FF, {area.bram:g} BRAM36",
        f"<= {finn.lut} LUT + SRL, {finn.dsp} DSP, {finn.cycles} cycles",
        f"{area.lut} LUT, {area.dsp} DSP, {cycles} cycles",
        "",
        shape.published,
        "FINN's RTL without weight memory, same flow",
        area.lut <= finn.lut and area.dsp <= finn.dsp and cycles <= finn.cycles,
    )


def show(name: str, shape: Shape, area: SynthResult | None) -> None:
    """Print a line."""
    cycles, latency = measured(name)
    print(f"{name:18} {cycles:4} cycles a vector, latency {latency}", end="")
    if area is not None:
        estimate = shape.kernel().resources()
        print(
            f"; {area.lut:5} LUT (est. {estimate.lut}), {area.srl} SRL, "
            f"{area.ff} FF (est. {estimate.ff}), {area.dsp} DSP (est. {estimate.dsp}), "
            f"{area.bram:g} BRAM36 (est. {estimate.bram18 / 2:g}), {area.path_ns} ns; "
            f"{shape.made / area.dsp:g} products a DSP and cycle",
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
        {
            n: s.kernel()
            for n, s in chosen.items()
            if s.multiplier != _DSP48E2 and not (s.slow and options.quick)
        }
    )
    for name, shape in chosen.items():
        show(name, shape, areas.get(name))


if __name__ == "__main__":
    main()
