"""Every engine gives the model's outputs, and the two that count cycles count the same."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cocotb_benches.faulty import SOUND, Faulty
from thresher.compiler.errors import ThresherError
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.width import WidthConverter
from thresher.sim.amaranth import AmaranthEngine
from thresher.sim.engine import Engine, SimTop, SimulationError, Stalls
from thresher.sim.golden import GoldenEngine
from thresher.sim.verilator import VerilatorEngine

ENGINES = [GoldenEngine(), AmaranthEngine(), VerilatorEngine()]
TIMED = ENGINES[1:]
KERNELS: dict[str, Kernel] = {
    "narrow": SOUND,
    "quad": Fork(branches=2, beats=3, lanes=5, lo=-100, hi=100),
    "wide": WidthConverter(elements=60, i_lanes=3, o_lanes=20, lo=-(2**20), hi=2**20),
    "mvau": MVAU(
        weights=np.arange(-12, 12).reshape(6, 4), pe=2, simd=3, i_lo=-8, i_hi=7,
        bias=np.array([5, -5, 0, 100]),
    ),
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "full rate": {},
    "stalls": {"stalls": Stalls(0.5, seed=1)},
    "slow sink": {"stalls": Stalls(0, patterns={"o": [0, 0, 1], "o0": [0, 0, 0, 1]})},
    "reset": {"reset_at": 7},
    "reset and stalls": {"reset_at": 23, "stalls": Stalls(0.3, seed=2)},
}


def random_inputs(kernel: Kernel, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        n: rng.integers(p.lo, p.hi, (frames, p.elements), endpoint=True)
        for n, p in kernel.inputs.items()
    }


@pytest.mark.parametrize("name", KERNELS)
def test_engines_agree(name: str, rng: np.random.Generator) -> None:
    kernel = KERNELS[name]
    top = SimTop.of_kernel(kernel)
    inputs = random_inputs(kernel, 9, rng)
    expected = dict(zip(kernel.outputs, kernel.compute(*inputs.values()), strict=True))
    for run, options in RUNS.items():
        golden, slow, fast = (e.run(top, inputs, **options) for e in ENGINES)
        for result in (golden, slow, fast):
            assert result.outputs.keys() == expected.keys()
            for port, rows in expected.items():
                np.testing.assert_array_equal(result.outputs[port], rows, err_msg=f"{run} {port}")
        for port, times in slow.input_times.items():
            np.testing.assert_array_equal(fast.input_times[port], times, err_msg=f"{run} {port}")
        for port, times in slow.output_times.items():
            np.testing.assert_array_equal(fast.output_times[port], times, err_msg=f"{run} {port}")


def test_latency_and_interval(rng: np.random.Generator) -> None:
    kernel = Fifo(depth=2, lanes=1, lo=0, hi=9, beats=4)
    for engine in TIMED:
        result = engine.run(SimTop.of_kernel(kernel), random_inputs(kernel, 5, rng))
        assert (result.latency, result.interval) == (5, 4)
        assert result.frame_ends.tolist() == [4, 8, 12, 16, 20]


def test_golden_counts_no_cycles(rng: np.random.Generator) -> None:
    result = GoldenEngine().run(
        SimTop.of_kernel(KERNELS["narrow"]), random_inputs(KERNELS["narrow"], 2, rng)
    )
    with pytest.raises(ValueError, match="counts no cycles"):
        _ = result.latency


def test_interval_needs_two_frames(rng: np.random.Generator) -> None:
    kernel = KERNELS["narrow"]
    result = AmaranthEngine().run(SimTop.of_kernel(kernel), random_inputs(kernel, 1, rng))
    with pytest.raises(ValueError, match="at least 2 frames"):
        _ = result.interval


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
def test_progress_ends_at_all_frames(engine: Engine, rng: np.random.Generator) -> None:
    seen: list[tuple[int, int]] = []
    kernel = KERNELS["narrow"]
    engine.run(
        SimTop.of_kernel(kernel), random_inputs(kernel, 400, rng),
        progress=lambda done, frames: seen.append((done, frames)),
    )  # fmt: skip
    assert seen[-1] == (400, 400)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "inputs, error, words",
    [
        ({}, ValueError, r"inputs must be \['i'\], not \[\]"),
        ({"x": np.zeros((1, 4), int)}, ValueError, r"inputs must be \['i'\], not \['x'\]"),
        ({"i": np.zeros((0, 4), int)}, ValueError, "at least 1"),
        ({"i": np.zeros((2, 3), int)}, ValueError, r"input 'i' must be \(N, 4\), not \(2, 3\)"),
        ({"i": np.zeros((2, 4))}, TypeError, "input 'i' must hold integers, not float64"),
        ({"i": np.full((2, 4), 2)}, ValueError, r"must stay in \[0, 1\], not reach \[2, 2\]"),
    ],
)
def test_refuses(inputs: dict[str, np.ndarray], error: type[Exception], words: str) -> None:
    for engine in ENGINES:
        with pytest.raises(error, match=words):
            engine.run(SimTop.of_kernel(KERNELS["narrow"]), inputs)


def test_refuses_stalls_that_never_end() -> None:
    with pytest.raises(ValueError, match=r"probability must be in \[0, 1\), not 1"):
        Stalls(1)
    with pytest.raises(ValueError, match="pattern of 'o' must hold a 1"):
        Stalls(patterns={"o": [0, 0]})


FAULTS = {
    "change": r"output 'o' changed a beat that waited \(cycle \d+\)",
    "withdraw": r"output 'o' withdrew a beat that waited",
    "listen": r"output 'o' lets valid depend on ready",
    "follow": r"output 'o' lets its payload depend on ready",
    "repeat": r"output 'o' gave a beat too many",
    "stop": r"'faulty' is stuck in cycle \d+; waiting: "
    r"i after \d+ of 400 beats \(valid, not ready\), o after \d+ of 400 beats \(not valid, ",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("engine", TIMED, ids=lambda e: e.name)
def test_broken_rules_are_named(engine: Engine, fault: str, rng: np.random.Generator) -> None:
    kernel = KERNELS["narrow"]
    sound = SimTop.of_kernel(kernel)
    top = SimTop("faulty", sound.inputs, sound.outputs, lambda: Faulty(fault), kernel.compute)
    inputs = random_inputs(kernel, 100, rng)
    stalls = Stalls(0.5) if fault not in ("repeat", "stop") else None
    with pytest.raises(SimulationError, match=FAULTS[fault]):
        engine.run(top, inputs, stalls=stalls, timeout=50)


def test_an_output_is_no_function_of_its_model(rng: np.random.Generator) -> None:
    """The engines run the hardware: a wrong model is seen."""
    kernel = KERNELS["narrow"]
    sound = SimTop.of_kernel(kernel)
    wrong: Callable[..., tuple[np.ndarray, ...]] = lambda i: (1 - i,)  # noqa: E731
    top = SimTop("top", sound.inputs, sound.outputs, kernel.create, wrong)
    inputs = random_inputs(kernel, 3, rng)
    golden = GoldenEngine().run(top, inputs).outputs["o"]
    for engine in TIMED:
        assert (engine.run(top, inputs).outputs["o"] != golden).all()


def test_an_interrupt_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []

    def interrupt(done: int, frames: int) -> None:
        seen.append(done)
        raise KeyboardInterrupt

    inputs = random_inputs(SOUND, 1_000_000, rng)
    with pytest.raises(KeyboardInterrupt):
        VerilatorEngine().run(SimTop.of_kernel(SOUND), inputs, progress=interrupt)
    assert len(seen) == 1
    assert seen[0] < 1_000_000
    assert list(tmp_path.iterdir()) == []


def test_verilator_absent(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    with pytest.raises(ThresherError, match="Verilator is not installed"):
        VerilatorEngine().run(SimTop.of_kernel(SOUND), random_inputs(SOUND, 1, rng))


def test_compiler_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ThresherError, match=r"no C\+\+ compiler"):
        VerilatorEngine().run(SimTop.of_kernel(SOUND), random_inputs(SOUND, 1, rng))


def test_a_top_needs_an_input() -> None:
    with pytest.raises(ValueError, match="top 'x' must have an input"):
        SimTop("x", (), (), SOUND.create, SOUND.compute)
