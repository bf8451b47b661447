"""Every kernel under cocotb: data, protocol and cycles, with and without stalls and resets."""

from pathlib import Path

import numpy as np
import pytest

from cocotb_benches.components import COMPONENTS, FAULTS, AllComponents, random_inputs
from cocotb_benches.faulty import SOUND
from cocotb_benches.simulators import build, run_bench, write_job
from thresher.gen import tools
from thresher.gen.verilog import to_verilog
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel
from thresher.sim.amaranth import AmaranthEngine
from thresher.sim.engine import SimTop

FRAMES = 6
ON_ICARUS = ("fifo_memory", "width_up", "inject", "mvau", "step_table")
icarus = pytest.mark.skipif(tools.icarus() is None, reason="Icarus Verilog is not installed")


def check(simulator: str, name: str, folder: Path, kernel: Kernel | None = None) -> None:
    kernel = kernel or COMPONENTS[name]
    inputs = random_inputs(kernel, FRAMES, np.random.default_rng(3))
    write_job(folder, SimTop.of_kernel(kernel), inputs, AmaranthEngine(), prefix=f"{name}_")
    runner, built = build(simulator, to_verilog(AllComponents(), "components"), "components")
    run_bench(runner, built, "components", folder)


@pytest.mark.parametrize("name", COMPONENTS)
def test_on_verilator(name: str, tmp_path: Path) -> None:
    check("verilator", name, tmp_path)


@icarus
@pytest.mark.parametrize("name", ON_ICARUS)
def test_on_icarus(name: str, tmp_path: Path) -> None:
    check("icarus", name, tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=f"ProtocolError: {fault}_o: (changed|withdrew)"):
        check("verilator", fault, tmp_path, SOUND)


def test_wrong_codes_are_caught(tmp_path: Path) -> None:
    class Inverted(Fork):
        def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
            first, *rest = super().compute(*inputs)
            return (-1 - first, *rest)

    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check("verilator", "fork", tmp_path, Inverted(branches=3, beats=2, lanes=2, lo=-4, hi=3))
