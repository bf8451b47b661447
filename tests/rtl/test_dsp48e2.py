"""The DSP48E2 against plain arithmetic, and the primitive's connections."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Module
from amaranth.sim import Simulator

from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.dsp48e2 import Dsp48e2
from thresher.rtl.mac import PackedMac
from thresher.rtl.packing import PackedRows


def run(cell: PackedMac, words: list[int], xs: list[int], tags: list[tuple[int, int]]) -> list[int]:
    """`totals` in every cycle."""
    seen: list[int] = []

    async def bench(ctx):
        for word, x, (valid, first) in zip(words, xs, tags, strict=True):
            ctx.set(cell.word, word)
            ctx.set(cell.x, x)
            ctx.set(cell.valid, valid)
            ctx.set(cell.first, first)
            seen.append(ctx.get(cell.totals))
            await ctx.tick()

    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.cell = cell
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


@pytest.mark.parametrize("count, shift, bits, x_bits", [(2, 18, 8, 8), (3, 11, 4, 8), (4, 7, 4, 4)])
def test_cell_equals_plain_arithmetic(
    count: int, shift: int, bits: int, x_bits: int, rng: np.random.Generator
) -> None:
    end, x_end = 1 << bits - 1, 1 << x_bits - 1
    weights = rng.choice([-end, -1, 0, end - 1], (1, 200, count))
    rows = PackedRows(
        weights=weights, starts=rng.integers(-99, 99, (1, count)), lo=-x_end, hi=x_end - 1,
        shift=shift,
    )  # fmt: skip
    assert rows.is_exact
    assert rows.operand_width <= 27
    size = sum(rows.digit_widths)
    words = [int(v) for v in rng.integers(0, 1 << size, 300)]
    xs = rng.integers(-x_end, x_end, 300).tolist()
    tags = [(1, 1), *[(int(v), int(f)) for v, f in rng.random((299, 2)) < [0.7, 0.05]]]
    plain = run(PackedMac(rows), words, xs, tags)
    assert len(set(plain)) > 100
    assert run(PackedMac(rows, "dsp48e2"), words, xs, tags) == plain


def test_primitive_is_connected() -> None:
    fragment = Fragment.get(Dsp48e2(), SimpleNamespace(dsp="dsp48e2"))
    fragment.add_domains(ClockDomain("sync"))
    text = rtlil.convert_fragment(fragment, {}, "top", emit_src=False)[0]
    assert text.count("cell \\DSP48E2 ") == 1
    for port in ("A", "B", "C", "OPMODE", "CEP", "P", "CLK", "RSTALLCARRYIN"):
        assert f"connect \\{port} " in text
    assert "DSP48E2" not in rtlil.convert(Dsp48e2())


def test_array_of_primitives() -> None:
    kernel = BroadcastMVAU(
        weights=np.arange(-24, 24).reshape(4, 12), rows=12, lanes=4, i_lo=-8, i_hi=7,
        multiplier="dsp48e2",
    )  # fmt: skip
    fragment = Fragment.get(kernel.create(), SimpleNamespace(dsp="dsp48e2"))
    fragment.add_domains(ClockDomain("sync"))
    text = rtlil.convert_fragment(fragment, {}, "top", emit_src=False)[0]
    cells = [cell for group in kernel.plan.cells for cell in group]
    assert text.count("cell \\DSP48E2 ") == len(cells) < 12
