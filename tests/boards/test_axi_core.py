"""The AXI core around small compiled networks under cocotb: every packet, counter, flag, cycle."""

import re
from collections.abc import Mapping, Sequence
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
MUTATED = "lstm_one_step"
ROUND = 9  # packets of a round of resets


def drawn(model: Compiled, count: int, faults: float, rng: np.random.Generator) -> list[Packet]:
    """Packets, of which some are wrong."""
    wrong = rng.random(count) < faults
    kinds = [FAULTS[rng.integers(len(FAULTS))] if w else "right" for w in wrong]
    return packets(model, kinds, rng)


def traffic(model: Compiled, frames: int, rng: np.random.Generator) -> Mapping[str, list[Packet]]:
    """Jobs of all tests of `axi_bench`, about so many frames in all."""
    rounds = max(6, frames // (4 * ROUND), min(frames // ROUND, 40))
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


def bench_text(model: Compiled, shell: str) -> str:
    """Verilog of the bench's top: the watcher around the shell around the core."""
    return shell + model.verilog + wrapper(shell, constants(model)[Register.RESULT_WORDS])


def run(
    model: Compiled,
    text: str,
    folder: Path,
    frames: int,
    mutant: int = 0,
    arguments: Sequence[str] = (),
) -> None:
    """All tests of the bench on this text."""
    rng = np.random.default_rng(11)
    write_axi_job(folder, model, traffic(model, frames, rng), mutant)
    runner, built = build("verilator", text, "axi_bench")
    run_bench(
        runner, built, "axi_bench", folder, module="axi_bench", runs=None, arguments=arguments
    )


MUTANTS = [
    ("axis_in", "s_axis_tlast", "0"),  # packets never end
    ("axis_in", "forget", "0"),
    ("axis_out", "reset", "0"),  # a result that was cut is not filled up
    ("axis_out", "m_axis_tready", "1"),  # words are lost, TVALID falls
    ("core", "reset", "0"),  # frames that are counted as lost come out
    ("inflight", "bad", "0"),  # a wrong packet is not told of
    ("lite", "s_axi_bready", "1"),  # responses are lost
]
"""What goes wrong in each mutant: (instance, signal into it, what it gets instead)."""


@cache
def mutants() -> str:
    """The bench with all mutants in it, of which the signal `mutant` chooses one, or none at 0."""
    shell = axi_verilog(MODEL(MUTATED))
    for number, (instance, signal, instead) in enumerate(MUTANTS, start=1):
        start = shell.index(f"  \\thresher_axi.{instance}  {instance} (")
        end = shell.index(");\n", start)
        value = f"axi_bench.mutant == {number} ? 1'b{instead} : {signal}"
        part, count = re.subn(rf"\({signal}\)", f"({value})", shell[start:end])
        assert count == 1
        shell = shell[:start] + part + shell[end:]
    return bench_text(MODEL(MUTATED), shell)


@pytest.mark.parametrize(
    "name, frames", [("finn_mlp_logits", 6000), ("lstm_one_step", 600), ("lstm_init_input", 100)]
)
def test_traffic(name: str, frames: int, tmp_path: Path) -> None:
    model = MODEL(name)
    text = bench_text(model, axi_verilog(model)) if name != MUTATED else mutants()
    run(model, text, tmp_path, frames)


@pytest.mark.parametrize("mutant", range(1, len(MUTANTS) + 1))
def test_mutants_are_found(mutant: int, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run(MODEL(MUTATED), mutants(), tmp_path, 60, mutant)
