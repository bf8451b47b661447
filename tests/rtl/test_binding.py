"""Memories: the same values and cycles wherever they are, and what each place costs."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate

from thresher.rtl.argmax import Argmax
from thresher.rtl.binding import memory_style, memory_styles, with_memory
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.fanout import Fanout
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.reorder import Reorder
from thresher.rtl.repeat import Repeat
from thresher.rtl.step import Step
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.window import Window


def weights(k: int, n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-7, 8, (k, n))


def mvau(k: int = 8, n: int = 8, pe: int = 2) -> MVAU:
    return MVAU(weights=weights(k, n), pe=pe, simd=2, i_lo=-8, i_hi=7)


def step() -> Step:
    values = np.random.default_rng(0).integers(0, 8, (1, 1024))
    return Step(function=StepFunction.from_table(-512, values), lanes=2)


def reorder(count: int = 12) -> Reorder:
    return Reorder(index=tuple(range(count))[::-1], i_beats=count, lanes=2, lo=-8, hi=7)


KERNELS: dict[str, Kernel] = {
    "mvau": mvau(),
    "broadcast": BroadcastMVAU(weights=weights(6, 8), rows=4, lanes=2, i_lo=-8, i_hi=7),
    "step": step(),
    "reorder": reorder(),
    "window": Window(
        height=4,
        width=3,
        channels=2,
        lanes=1,
        kernel=(2, 2),
        pads=(1, 0, 0, 1),
        fill=3,
        lo=-2,
        hi=1,
    ),
    "repeat": Repeat(width=3, channels=1, rows=2, columns=2, lanes=1, lo=-2, hi=1),
    "fifo": Fifo(depth=5, lanes=2, lo=-8, hi=7),
    "fifo of a power of two": Fifo(depth=4, lanes=1, lo=0, hi=1),
}


@pytest.mark.parametrize("name", KERNELS)
def test_values_and_cycles_in_every_style(name: str, rng: np.random.Generator) -> None:
    kernel = KERNELS[name]
    assert memory_style(kernel) in memory_styles(kernel)
    for style in memory_styles(kernel):
        bound = with_memory(kernel, style)
        assert memory_style(bound) == style
        check_kernel(bound, rng, periods=40 if isinstance(kernel, Fifo) else 4)


@pytest.mark.parametrize("name", ["fifo", "fifo of a power of two", "reorder", "window", "repeat"])
def test_a_written_memory_moves_the_same_beats_everywhere(
    name: str, rng: np.random.Generator
) -> None:
    """Also where the head is being written while it is read."""
    kernel = KERNELS[name]
    inputs = random_inputs(kernel, 30, rng)
    patterns = {"i": [1, 1, 0, 1], "o": [0, 1, 1, 0, 1, 0, 0]}
    runs = [simulate(with_memory(kernel, s), inputs, patterns=patterns)
            for s in memory_styles(kernel)]  # fmt: skip
    for run in runs[1:]:
        assert run.times == runs[0].times
        np.testing.assert_array_equal(run.outputs["o"], runs[0].outputs["o"])


def test_what_each_style_costs() -> None:
    logic, block = (with_memory(mvau(64, 64, 4), s).resources() for s in ("logic", "block"))
    assert logic.bram18 == 0
    assert logic.lut > block.lut
    assert block.bram18 > 0
    lutram, block, ultra = (
        with_memory(reorder(3000), s).resources() for s in ("lutram", "block", "ultra")
    )
    assert (lutram.bram18, lutram.uram) == (0, 0)
    assert lutram.lutram > 100
    assert (block.lutram, block.uram) == (0, 0)
    assert block.bram18 == 4
    assert (ultra.lutram, ultra.bram18, ultra.uram) == (0, 0, 2)


def test_auto_is_the_cheaper() -> None:
    assert memory_style(mvau()) == "logic"
    assert memory_style(mvau(256, 256, 4)) == "block"
    assert memory_style(Fifo(depth=32, lanes=1, lo=0, hi=255)) == "lutram"
    assert memory_style(Fifo(depth=4096, lanes=1, lo=0, hi=255)) == "block"
    assert memory_style(reorder(3000)) == "block"


def test_some_have_no_memory() -> None:
    one_fold = MVAU(weights=weights(2, 2), pe=2, simd=2, i_lo=-8, i_hi=7)
    argmax = Argmax(elements=4, lanes=1, lo=0, hi=3, last=False, with_value=False)
    for kernel in (one_fold, Fifo(depth=2, lanes=2, lo=0, hi=1), argmax):
        assert memory_styles(kernel) == ()
        assert memory_style(kernel) is None
        with pytest.raises(ValueError, match="memory must be one of none, not 'block'"):
            with_memory(kernel, "block")


def test_under_a_fanout() -> None:
    both = Fanout(kernel=mvau(), port="o", branches=((0,), (1,)))
    assert memory_style(both) == "logic"


@pytest.mark.parametrize(
    ("kernel", "style", "words"),
    [
        (mvau(), "ultra", "memory must be one of logic, block, not 'ultra'"),
        (mvau(), "lutram", "memory must be one of logic, block, not 'lutram'"),
        (reorder(), "logic", "memory must be one of lutram, block, ultra, not 'logic'"),
    ],
)
def test_refuses(kernel: Kernel, style: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        with_memory(kernel, style)


@pytest.mark.parametrize("make", [lambda m: Fifo(depth=4, lanes=1, lo=0, hi=1, memory=m),
                                  lambda m: Reorder(index=(1, 0), i_beats=2, lanes=1, lo=0, hi=1,
                                                    memory=m)])  # fmt: skip
def test_an_unknown_memory(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="memory must be .*auto.*lutram.*block.*ultra.*'bram'"):
        make("bram")
