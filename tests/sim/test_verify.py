"""`verify`: what it counts of the RTL, and its cycles."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import Compiled
from thresher.rtl.mvau import MVAU
from thresher.sim.amaranth import AmaranthEngine
from thresher.sim.engine import SimResult, Stalls
from thresher.sim.inputs import random_inputs
from thresher.sim.verify import verify
from zoo.rtl import compiled


@pytest.fixture(scope="module")
def small() -> Compiled:
    return compiled("mlp_plain")


def test_passes(small: Compiled) -> None:
    inputs = random_inputs(small.streamlined.graph, 3, 0)
    said: list[str] = []
    outcome = verify(small, inputs, AmaranthEngine(), stalls=True, say=said.append)
    assert outcome.passed
    assert outcome.latency == small.design.predicted.latency
    assert len(said) == 3
    assert outcome.to_dict()["passed"] is True


class Shaky(AmaranthEngine):
    """Wrong in sample 1 where there are stalls."""

    def run(self, *args: Any, stalls: Stalls | None = None, **how: Any) -> SimResult:
        found = super().run(*args, stalls=stalls, **how)
        if stalls is not None:
            for array in found.outputs.values():
                array[1] += 1
        return found


def test_stalls_count(small: Compiled) -> None:
    inputs = random_inputs(small.streamlined.graph, 3, 0)
    assert verify(small, inputs, Shaky()).passed
    outcome = verify(small, inputs, Shaky(), stalls=True)
    assert (outcome.mismatches, outcome.passed) == (1, False)
    assert outcome.first is not None
    assert outcome.first.sample == 1


def test_the_first_mismatch_is_named(small: Compiled) -> None:
    name, kernel = [(n, k) for n, k in small.design.kernels.items() if isinstance(k, MVAU)][-1]
    upside = replace(kernel, weights=kernel.weights[:, ::-1].copy())
    design = replace(small.design, kernels={**small.design.kernels, name: upside})
    inputs = random_inputs(small.streamlined.graph, 3, 0)
    outcome = verify(replace(small, design=design), inputs, AmaranthEngine())
    assert outcome.mismatches == 3
    assert outcome.first is not None
    assert not outcome.passed
    assert outcome.equality.differing == 0
    golden = next(iter(small.golden.run_model(inputs).values()))
    assert outcome.first.sample == 0
    assert outcome.first.at < golden.shape[1:]


def test_every_frame_is_timed(small: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames behind those that are solved must keep the interval."""
    inputs = random_inputs(small.streamlined.graph, 9, 0)
    monkeypatch.setattr("thresher.sim.verify._SOLVED_FRAMES", 6)
    assert verify(small, inputs, AmaranthEngine()).cycles_agree
    late = replace(small.design.predicted, interval=small.design.predicted.interval + 1)
    wrong = replace(small, design=replace(small.design, predicted=late))
    solved: list[int] = []

    def solve(design: object, frames: int) -> np.ndarray:
        solved.append(frames)
        ends = np.arange(1, frames + 1) * late.interval
        return ends

    monkeypatch.setattr("thresher.sim.verify.completion_times", solve)
    assert not verify(wrong, inputs, AmaranthEngine()).cycles_agree
    assert solved == [6]


def test_wrong_inputs_are_refused(small: Compiled) -> None:
    with pytest.raises(ThresherError, match="inputs must hold 'x', which is missing"):
        verify(small, {}, AmaranthEngine())
