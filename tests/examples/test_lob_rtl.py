"""The shipped ConvLSTM in RTL: a slice of benchmarks/convlstm.py, and how that judges figures."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import Compiled, compile_model
from thresher.gen.options import CompileOptions
from thresher.gen.synth import SynthResult

FOLDED: Mapping[str, Mapping[str, int]] = {
    "mvau_convolutions_convolutions_0_Conv_output_0_1": {"rows": 8, "lanes": 2},
    "mvau_convolutions_convolutions_3_Conv_output_0_1": {"pe": 32, "simd": 6},
    "mvau_convolutions_convolutions_6_Conv_output_0_1": {"pe": 8, "simd": 12},
    "mvau_convolutions_convolutions_9_Conv_output_0_1": {"rows": 64, "lanes": 2},
    "mvau_convolutions_convolutions_12_Conv_output_0_1": {"pe": 2, "simd": 12},
    "mvau_convolutions_convolutions_15_Conv_output_0_1": {"pe": 1, "simd": 2},
    "mvau_lstm_l0_input_sum_1_merged": {"pe": 4, "simd": 2},
    "mvau_dense_Gemm_output_0_MatMul_1": {"rows": 1, "lanes": 1},
    "mvau_logits_MatMul_1": {"pe": 1, "simd": 1},
}
"""A window in some 130,000 cycles; what is not a product is folded as it comes."""
CYCLES = {"C1": 64_500, "C2": 10_000, "C3": 1_000_000}
MOST = {"C1": (101_489, 265, 127), "C2": (230_400, 1_728, 312), "C3": (32_600, 120, 75)}


@pytest.fixture
def bench(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(repo / "benchmarks")
    return import_module("convlstm")


@pytest.mark.slow
def test_a_window_in_rtl(bench: Any) -> None:
    """No mismatch with golden, golden as onnxruntime, and cycles as predicted."""
    made = compile_model(bench.MODEL, CompileOptions(folding=FOLDED))
    x = np.load(bench.EXAMPLE / "convlstm_lob.npz")["x"][:1]
    lines: list[str] = []
    found = bench.checked(made, x, lines.append)
    assert (found.wrong, found.cycles_agree, found.equality.differing) == (0, True, 0)
    assert lines == ["1 of 1 windows simulated, 0 mismatches"]
    assert made.design.predicted.interval == 96_000


def stand_in(
    bench: Any, name: str, monkeypatch: pytest.MonkeyPatch, *, cycles: int = 100,
    interval: int = 90, wall: float = 1.0, used: tuple[int, int, int] = (1, 1, 1),
    refusal: str = "",
) -> None:  # fmt: skip
    """As if the works had been compiled, run and synthesised with these results."""
    lut, dsp, bram = MOST[name]
    capacity = SimpleNamespace(lut=lut, dsp=dsp, bram36=bram)
    made = SimpleNamespace(options=SimpleNamespace(capacity=capacity))
    done = bench.Built(made, bench.Time(wall, wall), refusal)
    area = SynthResult(lut=used[0], dsp=used[1], bram36=used[2])
    monkeypatch.setattr(bench, "built", lambda _: done)
    monkeypatch.setattr(bench, "few", lambda _: SimpleNamespace(latency=cycles, interval=interval))
    monkeypatch.setattr(bench, "area", lambda _: area)


@pytest.mark.parametrize("name", CYCLES)
def test_limits_and_latency_are_judged(
    name: str, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, cycles = MOST[name], CYCLES[name]
    stand_in(bench, name, monkeypatch, used=most, cycles=cycles)
    (figure,) = bench.figures([name])
    assert (figure.met, figure.measured) == (True, cycles)
    for k in range(3):
        more = most[0] + (k == 0), most[1] + (k == 1), most[2] + (k == 2)
        stand_in(bench, name, monkeypatch, used=more, cycles=cycles)
        assert not bench.figures([name])[0].met
    stand_in(bench, name, monkeypatch, used=most, cycles=cycles + 1)
    assert bench.figures([name])[0].met == (name == "C3")


def test_time_and_overlap_are_judged(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def met(name: str, **found: Any) -> bool:
        stand_in(bench, "C1", monkeypatch, **found)
        return bool(bench.figures([name])[0].met)

    assert met("C5", wall=60.0)
    assert not met("C5", wall=60.1)
    assert not met("C5", wall=1.0, refusal="too much was asked for")
    assert met("C6", cycles=1000, interval=850)
    assert not met("C6", cycles=1000, interval=849)


@pytest.mark.parametrize("wrong, agree, unexplained", [(1, True, 0), (0, False, 0), (0, True, 1)])
def test_mismatches_are_judged(
    wrong: int, agree: bool, unexplained: int, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(bench, "C1", monkeypatch)
    monkeypatch.setattr(bench, "held_out", lambda count: np.zeros(count))

    def figure(wrong: int, agree: bool, unexplained: int) -> Any:
        found = SimpleNamespace(
            samples=bench.WINDOWS, engine="onnxruntime", differing=2, unexplained=unexplained
        )
        monkeypatch.setattr(bench, "checked", lambda *_: bench.Checked(wrong, agree, found))
        return bench.figures(["C4"])[0]

    assert figure(0, True, 0).met
    assert not figure(wrong, agree, unexplained).met


def test_a_refused_target_gives_the_fastest_within_the_limits(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def compiled(options: tuple[str, ...]) -> tuple[Compiled | None, Any]:
        asked.append(options)
        if "--max-latency-us" in options:
            raise ThresherError("the nearest is 131 us")
        return None, bench.Time(1.0, 1.0)

    monkeypatch.setattr(bench, "_compiled", compiled)
    bench.built.cache_clear()
    found = bench.built("C2")
    bench.built.cache_clear()
    assert found.refusal == "the nearest is 131 us"
    limits = ("--board", "zcu104", "--clock-mhz", "150")
    assert asked == [(*limits, "--max-latency-us", "66.6"), limits]


def test_held_out_windows(bench: Any) -> None:
    """Among them are those that ship, rounded to float16."""
    shipped = np.load(bench.EXAMPLE / "convlstm_lob.npz")["x"]
    found = bench.held_out(len(shipped))
    assert np.array_equal(found.astype(np.float16).astype(np.float32), shipped)
