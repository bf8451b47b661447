"""A whole recurrent network under cocotb: data, protocol and cycles."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from cocotb_benches.simulators import build, run_bench, write_job
from thresher.gen import tools
from thresher.gen.compiled import compile_model
from thresher.sim.engine import SimTop
from thresher.sim.top import top_of
from thresher.sim.verilator import VerilatorEngine
from zoo.models import load

FRAMES = 4


def compiled_top(name: str, folder: Path) -> SimTop:
    model = load(name)
    onnx.save(model.model, folder / "model.onnx")
    return top_of(compile_model(folder / "model.onnx"))


@pytest.mark.parametrize(
    "name, simulator",
    [
        ("lstm_init_input", "verilator"),
        ("lstm_4bit", "verilator"),
        pytest.param(
            "lstm_4bit",
            "icarus",
            marks=pytest.mark.skipif(
                tools.icarus() is None, reason="Icarus Verilog is not installed"
            ),
        ),
    ],
)
def test_network(name: str, simulator: str, tmp_path: Path) -> None:
    top = compiled_top(name, tmp_path)
    rng = np.random.default_rng(5)
    inputs = {
        p.name: rng.integers(p.port.lo, p.port.hi, (FRAMES, p.port.elements), endpoint=True)
        for p in top.inputs
    }
    write_job(tmp_path, top, inputs, VerilatorEngine())
    runner, built = build(simulator, top.verilog, top.name)
    run_bench(runner, built, top.name, tmp_path)
