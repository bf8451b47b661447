"""Building simulations: what is kept, how much is optimised, and signals of every width."""

from pathlib import Path

import numpy as np
import pytest

from thresher.gen.cache import cache_root
from thresher.gen.tools import run_tool
from thresher.rtl.fifo import Fifo
from thresher.rtl.width import WidthConverter
from thresher.sim import verilate
from thresher.sim.engine import SimTop, Stalls
from thresher.sim.verilate import build
from thresher.sim.verilator import VerilatorEngine

KERNEL = Fifo(depth=2, lanes=1, lo=0, hi=9, beats=4)
SHORT, LONG = 1_000, 10_000_000
ONCE = ("verilator-header", "verilator-library", "verilator-harness")


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that holds no program, but what is made once for all of them."""
    top = SimTop.of_kernel(KERNEL)
    build(top, SHORT)
    for kind in ONCE:
        (tmp_path / kind).symlink_to(cache_root() / kind)
    monkeypatch.setenv("THRESHER_CACHE", str(tmp_path))


@pytest.mark.usefixtures("no_programs")
def test_only_long_runs_are_optimised() -> None:
    """And what is optimised already serves short runs too."""
    top = SimTop.of_kernel(KERNEL)
    short = build(top, SHORT)
    assert build(top, SHORT) == short
    long = build(top, LONG)
    assert long != short
    assert long.read_bytes() != short.read_bytes()
    assert build(top, SHORT) == long


@pytest.mark.parametrize("cycles", [SHORT, LONG])
def test_outputs_do_not_depend_on_it(
    cycles: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(SimTop, "cycles", lambda top, frames: cycles)
    inputs = {"i": rng.integers(0, 10, (50, 4))}
    result = VerilatorEngine().run(SimTop.of_kernel(KERNEL), inputs, stalls=Stalls(0.4, seed=1))
    np.testing.assert_array_equal(result.outputs["o"], inputs["i"])
    free = VerilatorEngine().run(SimTop.of_kernel(KERNEL), inputs)
    assert (free.latency, free.interval) == (5, 4)


@pytest.mark.parametrize("level", ["-O0", "-O1"])
def test_the_precompiled_header_is_taken(level: str, tmp_path: Path) -> None:
    """GCC takes none that was made for another level, and says nothing."""
    (tmp_path / "empty.cpp").touch()
    header = verilate._header(level) / "pch.h"
    options = ("-H", "-include", str(header), "-fsyntax-only", "empty.cpp")
    printed = run_tool([*verilate._command(level), *options], tmp_path, "g++")
    if "g++" in Path(verilate.compiler()).name:
        assert printed.splitlines()[0] == f"! {header}.gch"


@pytest.mark.parametrize("bits, lanes", [(8, 2), (9, 2), (16, 2), (31, 2), (32, 2), (33, 3)])
def test_signals_of_every_width(bits: int, lanes: int, rng: np.random.Generator) -> None:
    """Verilator holds 8, 16, 32 or 64 bits, or words of 32; one lane goes in and more come out."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    kernel = WidthConverter(elements=lanes, i_lanes=1, o_lanes=lanes, lo=low, hi=high)
    inputs = {"i": rng.integers(low, high, (20, lanes), endpoint=True)}
    inputs["i"][0], inputs["i"][1] = low, high
    result = VerilatorEngine().run(SimTop.of_kernel(kernel), inputs, stalls=Stalls(0.5, seed=3))
    np.testing.assert_array_equal(result.outputs["o"], inputs["i"])
