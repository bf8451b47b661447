"""Forms of step functions equal their definition for all arguments, thresholds being constant.

The definition is 63 comparisons with constants, added up. Each proof is by induction over the whole
pipeline, for all arguments of 21 bits; a threshold moved by one must be found.
"""

from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Assert, Const, Module, Mux, Signal, Value, signed
from proof import counterexample, proved
from stepcases import activation, requantise

from thresher.rtl.registers import delay
from thresher.rtl.stepforms import step_pipeline
from thresher.rtl.stepfunction import StepFunction


def definition(f: StepFunction, a: Value) -> Value:
    """The value of the last threshold reached."""
    result: Value = Const(int(f.values[0, 0]), signed(9))
    for t, value in zip(f.thresholds[0].tolist(), f.values[0, 1:].tolist(), strict=True):
        result = Mux(a >= t, Const(value, signed(9)), result)
    return result


def check(
    f: StepFunction, form: str, expected: StepFunction | None = None
) -> tuple[Module, list[Value], int]:
    """A pipeline that never waits against the definition, once it is full."""
    pipeline = step_pipeline(f, lanes=1, form=form)
    m, a = Module(), Signal(signed(21))
    count = Signal(range(pipeline.latency + 1))
    enables: list[Value] = [Const(1)] * pipeline.latency
    (result,) = pipeline.elaborate_into(m, [a], Const(0, 0), enables, "step")
    full = count == pipeline.latency
    m.d.sync += count.eq(Mux(full, count, count + 1))
    before = delay(m, a, enables, "before")
    with m.If(full):
        m.d.comb += Assert(result == definition(expected or f, before))
    return m, [a], pipeline.latency + 2


CASES = [
    ("search", activation("sigmoid", 1 / 4096.3)),
    ("search", activation("tanh", 3 / 2**20)),
    ("search", requantise(64 / 2**21 * 1.37)),
    ("shift", requantise(1 / 1024)),
    ("affine", requantise(1 / 57.3)),
]


@pytest.mark.parametrize("form, f", CASES)
def test_form_is_its_definition(tmp_path: Path, form: str, f: StepFunction) -> None:
    assert f.thresholds.shape == (1, 63)
    top, free, depth = check(f, form)
    assert proved(tmp_path, top, free, depth)


@pytest.mark.parametrize("form, f", [CASES[0], CASES[3], CASES[4]])
def test_a_moved_threshold_is_found(tmp_path: Path, form: str, f: StepFunction) -> None:
    moved = f.thresholds.copy()
    moved[0, np.argmax(np.diff(moved[0]) > 1) + 1] -= 1
    top, free, depth = check(f, form, StepFunction(f.lo, f.hi, moved, f.values))
    assert counterexample(tmp_path, top, free, depth)
