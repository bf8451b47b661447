"""Area estimates against Yosys; benchmarks/estimates.py has the whole list."""

from statistics import median

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from areacases import area_cases

from thresher.gen.synth import SynthResult, synthesise_all
from thresher.rtl.kernel import Resources
from thresher.rtl.mvau import MVAU
from thresher.rtl.operators import in_dsp, sum_luts
from thresher.rtl.rom import column_resources, table_resources

SLICE = (
    "mvau 1", "mvau 4", "mvau_packed 0", "mvau_packed 3",
    *(f"mvau_unrolled {n}" for n in range(3)), "broadcast 3", "step 3",
    "step_narrow 1", "step_channels 3",
    "elementwise 5", "elementwise_constant 2", "fifo 0", "reorder 0", "loop_state 1", "argmax 0",
    "topk 1", "window_large 0",
)  # fmt: skip
MOST = 0.1


@pytest.fixture(scope="module")
def compared() -> dict[str, tuple[Resources, SynthResult]]:
    kernels = {name: kernel for name, kernel in area_cases().items() if name in SLICE}
    assert len(kernels) == len(SLICE)
    found = synthesise_all(kernels)
    return {name: (kernel.resources(), found[name]) for name, kernel in kernels.items()}


@pytest.mark.slow
def test_blocks_are_exact(compared: dict[str, tuple[Resources, SynthResult]]) -> None:
    for name, (estimate, found) in compared.items():
        blocks = found.dsp, found.bram18 + 2 * found.bram36
        assert (estimate.dsp, estimate.bram18) == blocks, name
    assert sum(found.dsp > 0 for _, found in compared.values()) >= 3
    assert sum(found.bram > 0 for _, found in compared.values()) >= 3


@pytest.mark.slow
def test_median_errors(compared: dict[str, tuple[Resources, SynthResult]]) -> None:
    pairs = compared.values()
    assert median(abs(e.lut - y.lut) / y.lut for e, y in pairs) <= MOST
    assert median(abs(e.ff - y.ff) / y.ff for e, y in pairs) <= MOST


@pytest.mark.slow
def test_constant_trees(compared: dict[str, tuple[Resources, SynthResult]]) -> None:
    pairs = [pair for name, pair in compared.items() if name.startswith("mvau_unrolled")]
    assert len(pairs) == 3
    for estimate, found in pairs:
        assert abs(estimate.lut - found.lut) <= MOST * found.lut
        assert abs(estimate.ff - found.ff) <= MOST * found.ff


def test_cases_are_the_same_each_time_and_others_with_another_seed() -> None:
    assert len(area_cases()) >= 60
    assert area_cases() == area_cases()
    assert area_cases() != area_cases(1)


def test_dsp_rule() -> None:
    assert in_dsp(signed(5), signed(4), 9)
    assert not in_dsp(signed(5), signed(4), 8)
    assert not in_dsp(unsigned(1), unsigned(9), 9)
    assert in_dsp(unsigned(1), signed(9), 9)  # the unsigned one gets a zero for its sign
    assert not in_dsp(signed(1), signed(9), 10)


def test_luts_of_sums() -> None:
    assert sum_luts("add", (signed(8), 0), (signed(6), 0), 9) == 8
    assert sum_luts("add", (signed(8), 0), (signed(6), 2), 9) == 6
    assert sum_luts("sub", (signed(8), 0), (signed(6), 2), 9) == 6
    assert sum_luts("rsub", (signed(8), 0), (signed(6), 2), 9) == 8
    assert sum_luts("add", (unsigned(4), 0), (signed(8), 0), 9) == 4


def unrolled(weights: list[list[int]], bias: list[int] | None = None) -> Resources:
    """The trees alone: an MVAU of one fold without its control."""
    array = np.array(weights)
    kernel = MVAU(
        weights=array, pe=array.shape[1], simd=len(array), i_lo=-128, i_hi=127,
        bias=None if bias is None else np.array(bias),
    )  # fmt: skip
    found = kernel.resources()
    return Resources(lut=found.lut - 2 * kernel.latency, ff=found.ff - kernel.latency)


def test_equal_sums_are_made_once() -> None:
    """Also where all is shifted alike; but not where signs differ, or one shift."""
    once = unrolled([[1], [1]])
    assert once == Resources(lut=8, ff=9)
    assert unrolled([[1, 1], [1, 1]]) == once
    assert unrolled([[1, 4], [1, 4]]) == once
    for other in ([[1, 1], [1, -1]], [[1, 1], [1, 2]], [[1, 1, 1], [1, 0, 1], [0, 1, 1]]):
        assert unrolled(other).lut > once.lut
        assert unrolled(other).ff > once.ff
    assert unrolled([[1, 2, 4]]) == Resources(ff=8)


def test_bits_of_a_constant() -> None:
    """Those that are 1 take a LUT; below a shift they take no register either."""
    assert unrolled([[1]], [37]) == Resources(lut=3, ff=9)
    assert unrolled([[8]], [37]) == Resources(lut=1, ff=9)


def test_contents_of_roms() -> None:
    address = np.arange(64)
    columns = [address & 1, address >> 5, address % 3 == 0, address % 3 == 0, address < 0]
    assert column_resources(np.stack(columns, axis=1).astype(bool)) == Resources(lut=1, ff=3)
    deep = (np.arange(256) * 37 % 11 < 5)[:, None]
    assert column_resources(deep) == Resources(lut=4, ff=1)
    assert table_resources(64, 3, "logic", lambda: [5] * 64) == Resources()
    assert table_resources(512, 36, "block", lambda: []) == Resources(bram18=1)
