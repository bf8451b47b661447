"""The serial core around small compiled networks, on Verilator: the line may do what it likes.

Whatever comes, every result equals the golden model's, and at the end of each scenario the
counters account for every packet that was sent.
"""

import contextlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cocotb_tools.check_results import get_results
from serial_model import byte_verilog, frames_and_results
from stream_bench import mutant

from cocotb_benches.simulators import build
from thresher.boards.shell import serial_shell
from thresher.boards.shell.serial_core import SERIAL_NAME, serial_identity, serial_verilog
from thresher.gen.compiled import Compiled
from zoo.rtl import compiled

WINDOW = 2
CLOCK_HZ, BAUD = 8_000_000, 1_000_000  # 8 clocks a bit
SCENARIOS: dict[str, dict[str, int]] = {
    "bytes": {
        "line_rate": 2000,
        "gaps": 300,
        "faults": 700,
        "resets": 300,
        "overrun": 240,
        "deaf": 40,
    },
    "uart": {"line_rate": 100, "gaps": 60, "baud": 80, "faults": 80, "resets": 40},
    "spi": {"line_rate": 80, "gaps": 60, "faults": 100, "resets": 40},
}
"""Transport -> scenario -> frames."""


@cache
def network(name: str) -> Compiled:
    return compiled(name)


def verilog(transport: str, model: Compiled) -> str:
    """The shell alone."""
    if transport == "bytes":
        return byte_verilog(model)
    baud = BAUD if transport == "uart" else None
    return serial_verilog(model, transport, CLOCK_HZ, baud, WINDOW)


def run(
    folder: Path,
    name: str,
    transport: str,
    scenarios: Mapping[str, int],
) -> str:
    """The log of these scenarios; what fails, fails here."""
    model = network(name)
    frames, results = frames_and_results(model, 64, seed=1)
    arrays = {k: np.array([list(r) for r in rows], np.uint8) for k, rows in
              (("frames", frames), ("results", results))}  # fmt: skip
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]
    clock = 1_000_000 if transport == "bytes" else CLOCK_HZ
    identity = serial_identity(model, clock, WINDOW).pack().hex()
    job = {"transport": transport, "window": WINDOW, "identity": identity, "seed": 3,
           "scenarios": dict(scenarios)}  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    text = verilog(transport, model) + model.verilog
    runner, built = build("verilator", text, SERIAL_NAME, fast=sum(scenarios.values()) > 300)
    log = folder / "log.txt"
    with contextlib.suppress(SystemExit):
        runner.test(
            test_module="serial_bench",
            hdl_toplevel=SERIAL_NAME,
            hdl_toplevel_lang="verilog",
            build_dir=built,
            test_dir=folder,
            extra_env={"THRESHER_BENCH": str(folder), "COCOTB_ANSI_OUTPUT": "0"},
            log_file=log,
            results_xml=str(folder / "results.xml"),
            timescale=("1ns", "1ps"),
        )
    count, failed = get_results(folder / "results.xml")
    assert (count, failed) == (len(scenarios), 0), log.read_text()[-8000:]
    print(log.read_text()[-3000:])
    return log.read_text()


@pytest.mark.parametrize("transport", SCENARIOS)
def test_conversation(transport: str, tmp_path: Path) -> None:
    run(tmp_path, "mlp_plain", transport, SCENARIOS[transport])


@pytest.mark.parametrize("transport, share", [("bytes", 16), ("uart", 8)])
def test_three_inputs_and_two_outputs(transport: str, share: int, tmp_path: Path) -> None:
    """A recurrent network, whose results are longer than its frames, so that they must wait."""
    scenarios = {name: frames // share for name, frames in SCENARIOS[transport].items()}
    scenarios.pop("deaf", None)
    scenarios["overrun"] = 36
    run(tmp_path, "lstm_init_input", transport, scenarios)


@pytest.mark.parametrize(
    "module, old, new, scenario",
    [
        ("receiver", "self._bad | (total != _LEAST) | ~crc.match", "~crc.match", "faults"),
        ("sender", "m.d.sync += index.eq(0)\n                with", "with", "resets"),
    ],
)
def test_bugs_are_found(
    module: str, old: str, new: str, scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = mutant(module, old, new)
    monkeypatch.setattr(serial_shell, module.capitalize(), getattr(broken, module.capitalize()))
    with pytest.raises(AssertionError):
        run(tmp_path, "mlp_plain", "bytes", {scenario: 60})
