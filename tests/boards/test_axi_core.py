"""The AXI core around small compiled networks under cocotb: every packet, counter, flag, cycle."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cocotb_benches.axi_plan import packets, write_axi_job
from cocotb_benches.axi_results import FAULTS, Packet
from cocotb_benches.axi_wrapper import wrapper
from cocotb_benches.simulators import build, run_bench
from thresher.boards.host.registers import Register
from thresher.boards.shell.axi_core import axi_verilog, constants
from thresher.gen.compiled import Compiled
from zoo.rtl import compiled

MODEL = cache(compiled)
ROUND = 9  # packets of a round of resets


def drawn(model: Compiled, count: int, faults: float, rng: np.random.Generator) -> list[Packet]:
    """Packets, of which some are wrong."""
    wrong = rng.random(count) < faults
    kinds = [FAULTS[rng.integers(len(FAULTS))] if w else "right" for w in wrong]
    return packets(model, kinds, rng)


def traffic(model: Compiled, frames: int, rng: np.random.Generator) -> Mapping[str, list[Packet]]:
    """Jobs of all tests of `axi_bench`, about so many frames in all."""
    rounds = max(6, frames // (4 * ROUND))
    resets = {
        name: [
            packet
            for _ in range(rounds)
            for packet in drawn(model, ROUND - 1, 0.3, rng) + packets(model, ["right"], rng)
        ]
        for name in ("resets", "forget")
    }
    return resets | {
        "line_rate": packets(model, ["right"] * max(24, frames // 16), rng),
        "traffic_0.4": drawn(model, frames // 4, 0.4, rng),
        "traffic_0.05": drawn(model, frames // 4, 0.1, rng),
        "hardware": drawn(model, 12, 0.3, rng),
    }


def run(model: Compiled, shell: str, folder: Path, frames: int) -> None:
    """All tests of the bench on this text of the shell."""
    rng = np.random.default_rng(11)
    write_axi_job(folder, model, traffic(model, frames, rng))
    text = shell + model.verilog
    text += wrapper(shell, constants(model)[Register.RESULT_WORDS])
    runner, built = build("verilator", text, "axi_bench")
    run_bench(runner, built, "axi_bench", folder, module="axi_bench", runs=None)


@pytest.mark.parametrize(
    "name, frames", [("finn_mlp_logits", 6000), ("lstm_one_step", 600), ("lstm_init_input", 100)]
)
def test_traffic(name: str, frames: int, tmp_path: Path) -> None:
    run(MODEL(name), axi_verilog(MODEL(name)), tmp_path, frames)
