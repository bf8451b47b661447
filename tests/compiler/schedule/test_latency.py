"""An LSTM whose recurrence limits it: how few cycles a step takes, and from what hardware."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import pytest

from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import estimate
from thresher.gen.compiled import compile_model
from thresher.gen.options import CompileOptions
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fanout import core
from thresher.rtl.loopstate import LoopState
from thresher.rtl.skid import SKID_PIPE
from zoo.recurrent import recurrent

STEPS = 20


@cache
def designed(cycles: int) -> Design:
    """LSTM 6 -> 20 in 6 bits, a step within so many cycles."""
    zoo = recurrent(
        "t4", ("lstm",), bits=6, hidden=20, features=6, steps=STEPS, bias="int32"
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(zoo.model, path)
        return compile_model(path, CompileOptions(target_fps=100e6 / (cycles * STEPS))).design


@pytest.mark.parametrize("cycles", [12, 10])
def test_a_step_takes_few_cycles_and_no_table_a_block_ram(cycles: int) -> None:
    design = designed(cycles)
    assert design.predicted.interval <= cycles * STEPS
    assert estimate(design).bram18 == 0
    kernels = [core(kernel) for kernel in design.kernels.values()]
    states = [k for k in kernels if isinstance(k, LoopState)]
    assert {s.timing().pipes["o"] for s in states if s.bypass} == {SKID_PIPE}
    products = [k for k in kernels if isinstance(k, Elementwise) and k.op == "mul"]
    assert [k.latency for k in products] == [2, 2, 2]


def test_every_register_stage_of_the_recurrence_counts() -> None:
    """Product 3, sum and step 2, i * g and step 2, c and tanh 1, o * tanh and step 2."""
    assert designed(10).predicted.interval == 10 * STEPS
