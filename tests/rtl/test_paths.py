"""The benchmark of critical paths: it looks at every kind of kernel, and names the worst."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from thresher.gen.synth import SynthResult
from thresher.rtl.fanout import Fanout, core
from thresher.rtl.kernel import Kernel
from thresher.rtl.step import Step
from thresher.rtl.stepforms import FORMS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
paths: Any = import_module("paths")


def _kinds(kind: type) -> set[type]:
    found: list[type] = type.__subclasses__(kind)
    below = {k for k in found if k.__module__.startswith("thresher.rtl.")}
    return below.union(*(_kinds(k) for k in below))


def test_every_kind_of_kernel_and_form_of_step_is_looked_at() -> None:
    items = paths.kernels()
    found = [k for k in items.values() if isinstance(k, Kernel)]
    looked = {type(core(k)) for k in found} | {type(k) for k in found}
    missing = {k.__name__ for k in _kinds(Kernel) - looked}
    assert missing == {"RoutingKernel"}  # abstract
    assert Fanout in looked
    steps = [k for k in found if isinstance(k, Step)]
    assert {k.form for k in steps} == set(FORMS)
    assert any(name.startswith("Rom ") for name in items)


@pytest.mark.parametrize("worst, met", [(3.5, True), (3.501, False)])
def test_the_worst_path_is_the_figure(
    worst: float, met: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synthesised(items: dict[str, object]) -> dict[str, SynthResult]:
        slow = next(reversed(items))
        return {n: SynthResult(path_ns=worst if n == slow else 1.0) for n in items}

    few = {n: k for n, k in paths.kernels().items() if n in ("Sink", "Skid")}
    monkeypatch.setattr(paths, "kernels", lambda: few)
    monkeypatch.setattr(paths, "DESIGNS", ())
    monkeypatch.setattr(paths, "synthesise_all", synthesised)
    (figure,) = paths.figures()
    assert (figure.name, figure.measured, figure.met) == ("T7", worst, met)
    assert figure.what.endswith("the worst is Sink")
