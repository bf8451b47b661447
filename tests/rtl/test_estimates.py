"""Area estimates against Yosys; benchmarks/estimates.py has the whole list."""

from statistics import median

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from areacases import area_cases

from thresher.gen.synth import SynthResult, synthesise_all
from thresher.rtl.kernel import Resources
from thresher.rtl.operators import in_dsp, sum_luts
from thresher.rtl.rom import column_resources, table_resources

SLICE = (
    "mvau 1", "mvau 4", "broadcast 3", "step 3", "step_narrow 1", "step_channels 3",
    "elementwise 5", "elementwise_constant 2", "fifo 0", "reorder 0", "loop_state 1", "argmax 0",
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


def test_contents_of_roms() -> None:
    address = np.arange(64)
    columns = [address & 1, address >> 5, address % 3 == 0, address % 3 == 0, address < 0]
    assert column_resources(np.stack(columns, axis=1).astype(bool)) == Resources(lut=1, ff=3)
    deep = (np.arange(256) * 37 % 11 < 5)[:, None]
    assert column_resources(deep) == Resources(lut=4, ff=1)
    assert table_resources(64, 3, "logic", lambda: [5] * 64) == Resources()
    assert table_resources(512, 36, "block", lambda: []) == Resources(bram18=1)
