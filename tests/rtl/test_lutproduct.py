"""Products from LUTs: every value, their area and their longest path."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from thresher.gen.synth import synthesise_all
from thresher.rtl.kernel import element_shape
from thresher.rtl.lutproduct import lut_product, lut_product_resources, lut_product_stages

Interval = tuple[int, int]

NARROW: list[tuple[Interval, Interval]] = [
    ((0, 15), (-8, 7)), ((-8, 7), (-8, 7)), ((0, 1), (-20, 20)), ((-20, 20), (0, 1)),
    ((0, 63), (-32, 31)), ((-1, 0), (-1, 0)), ((-2, 1), (0, 3)), ((0, 0), (0, 5)),
    ((-5, -2), (3, 9)), ((-3, 100), (-7, 2)), ((-9, 70), (-60, 3)),
]  # fmt: skip
WIDE: list[tuple[Interval, Interval]] = [
    ((0, 255), (-128, 127)), ((-128, 127), (-128, 127)), ((0, 511), (-512, 511)),
    ((-(1 << 24), (1 << 24) - 1), (-32, 31)), ((0, 65535), (0, 65535)), ((-8, 7), (-128, 127)),
    ((-(1 << 17), 1 << 16), (-(1 << 17), (1 << 17) - 1)),
]  # fmt: skip


class Product(wiring.Component):
    """Both factors in registers, and their product."""

    def __init__(self, a: Interval, b: Interval) -> None:
        self.ends = a, b
        self.stages = lut_product_stages(a, b)
        products = [x * y for x in a for y in b]
        shape = element_shape(min(products), max(products))
        factors = {"a": In(element_shape(*a)), "b": In(element_shape(*b))}
        super().__init__({**factors, "enable": In(1), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        a, b = Signal.like(self.a), Signal.like(self.b)
        with m.If(self.enable):
            m.d.sync += [a.eq(self.a), b.eq(self.b)]
        enables = [self.enable] * self.stages
        product = lut_product(m, a, b, ends=self.ends, enables=enables, name="product")
        m.d.comb += self.o.eq(product)
        assert len(product) <= len(self.o)
        return m


def products(a: Interval, b: Interval, pairs: list[tuple[int, int]]) -> list[int]:
    """What the hardware makes of these pairs, one a cycle."""
    dut = Product(a, b)
    found: list[int] = []

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        for k in range(len(pairs) + dut.stages):
            x, y = pairs[min(k, len(pairs) - 1)]
            ctx.set(dut.a, x)
            ctx.set(dut.b, y)
            await ctx.tick()
            found.append(ctx.get(dut.o))

    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return found[dut.stages :]


@pytest.mark.parametrize("a, b", NARROW)
def test_every_product(a: Interval, b: Interval) -> None:
    pairs = [(x, y) for x in range(a[0], a[1] + 1) for y in range(b[0], b[1] + 1)]
    assert products(a, b, pairs) == [x * y for x, y in pairs]


@pytest.mark.parametrize("a, b", WIDE)
def test_many_products(a: Interval, b: Interval, rng: np.random.Generator) -> None:
    def some(ends: Interval) -> list[int]:
        inside = rng.integers(*ends, 24, endpoint=True).tolist()
        return [*ends, *{0, 1, -1, ends[0] + 1, ends[1] // 2, *inside} & {*range(*ends)}]

    pairs = [(x, y) for x in some(a) for y in some(b)]
    assert products(a, b, pairs) == [x * y for x, y in pairs]


@pytest.mark.parametrize(
    "a, b, stages",
    [
        ((0, 1), (0, 1), 1), ((-128, 127), (-255, 255), 1), ((-128, 127), (-1024, 1023), 2),
        ((-129, 127), (-255, 255), 2), ((-32, 31), (-(1 << 24), 1 << 20), 3),
    ],
)  # fmt: skip
def test_stages(a: Interval, b: Interval, stages: int) -> None:
    assert lut_product_stages(a, b) == lut_product_stages(b, a) == stages


def test_area_and_path() -> None:
    cases = [*WIDE[:4], NARROW[4], ((-1024, 1023), (-128, 127)), ((-32768, 32767), (-8, 7))]
    found = synthesise_all({str(case): Product(*case) for case in cases})
    for a, b in cases:
        result, estimate = found[str((a, b))], lut_product_resources(a, b)
        widths = element_shape(*a).width, element_shape(*b).width
        assert result.dsp == estimate.dsp == 0
        assert result.lut <= widths[0] * widths[1]
        assert abs(result.lut - estimate.lut) <= 0.2 * result.lut
        assert abs(result.ff - sum(widths) - estimate.ff) <= 4
        assert (result.path_ns or 9) <= 3.5
