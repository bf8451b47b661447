"""One small configuration of every kernel, and all of them in one top, for one build."""

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring

from cocotb_benches.faulty import SOUND, Faulty
from thresher.rtl.argmax import Argmax
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.recurrence import Inject, Tap
from thresher.rtl.reorder import Reorder
from thresher.rtl.route import Concat, Select, Sink, Split
from thresher.rtl.step import Step
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.width import WidthConverter

__all__ = ["COMPONENTS", "FAULTS", "AllComponents", "random_inputs"]

_RNG = np.random.default_rng(7)
_SIGMOID = StepFunction.from_table(-20, (np.arange(41) // 6)[None])
_CLIP = StepFunction.from_table(-64 * 7, np.clip(np.arange(-64 * 7, 64 * 7 + 1) // 32, -8, 7)[None])

COMPONENTS: dict[str, Kernel] = {
    "fifo_memory": Fifo(depth=8, lanes=3, lo=-5, hi=9, beats=4),
    "fifo_registers": Fifo(depth=2, lanes=2, lo=0, hi=3, beats=3),
    "fork": Fork(branches=3, beats=2, lanes=2, lo=-4, hi=3),
    "width_up": WidthConverter(elements=12, i_lanes=1, o_lanes=4, lo=-8, hi=7),
    "width_down": WidthConverter(elements=12, i_lanes=6, o_lanes=2, lo=-8, hi=7),
    "split": Split(segments=(2, 1, 3), lanes=2, lo=-8, hi=7),
    "concat": Concat(segments=(1, 3), lanes=2, lo=-8, hi=7),
    "select": Select(keep=(True, False, False, True, True), lanes=1, lo=0, hi=15),
    "sink": Sink(beats=3, lanes=1, lo=0, hi=15),
    "reorder": Reorder(index=(3, 2, 1, 0, 0), i_beats=4, lanes=2, lo=-8, hi=7),
    "inject": Inject(steps=3, beats=2, lanes=2, lo=-8, hi=7),
    "inject_constant": Inject(steps=3, beats=2, initial=(1, -2, 3, 0), lanes=2, lo=-8, hi=7),
    "tap": Tap(steps=3, beats=2, final=True, lanes=2, lo=-8, hi=7),
    "mvau": MVAU(
        weights=_RNG.integers(-7, 8, (8, 6)),
        pe=2,
        simd=4,
        i_lo=-32,
        i_hi=31,
        bias=_RNG.integers(-99, 99, 6),
    ),
    "mvau_unfolded": MVAU(weights=_RNG.integers(-7, 8, (4, 3)), pe=3, simd=4, i_lo=0, i_hi=15),
    "step_comparators": Step(function=_CLIP, lanes=2, form="comparators"),
    "step_table": Step(function=_SIGMOID, lanes=1, form="table"),
    "multiply": Elementwise(op="mul", a=(-64, 64), b=(-7, 7), lanes=2, step=_CLIP),
    "add": Elementwise(op="add", a=(-64, 63), b=(-7, 7), shift_b=3, lanes=2),
    "argmax": Argmax(elements=10, lanes=2, lo=-50, hi=50),
}


def random_inputs(kernel: Kernel, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """int64 (frames, elements) by input port."""
    return {
        name: rng.integers(port.lo, port.hi, (frames, port.elements), endpoint=True)
        for name, port in kernel.inputs.items()
    }


FAULTS = ("change", "withdraw")
"""Faulty components, which the benches must catch."""


class AllComponents(wiring.Component):
    """Every kernel and faulty component side by side; port `x` of `k` is called `k_x`."""

    def __init__(self) -> None:
        members: dict[str, wiring.Member] = {}
        for name, kernel in (COMPONENTS | dict.fromkeys(FAULTS, SOUND)).items():
            signature = kernel.component_signature()
            members |= {f"{name}_{port}": member for port, member in signature.items()}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        components = {name: kernel.create() for name, kernel in COMPONENTS.items()}
        for name, component in (components | {f: Faulty(f) for f in FAULTS}).items():
            m.submodules[name] = component
            for port in component.signature.members:
                outer = getattr(self, f"{name}_{port}")
                wiring.connect(m, wiring.flipped(outer), getattr(component, port))
        return m
