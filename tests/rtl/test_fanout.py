"""Outputs with several readers against their model and their timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate

from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fanout import Fanout
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.recurrence import Tap


def _mvau(rng: np.random.Generator, simd: int) -> Kernel:
    weights = rng.integers(-4, 4, (4, 4))
    return MVAU(weights=weights, pe=2, simd=simd, i_lo=-4, i_hi=3)


@pytest.mark.parametrize("branches", [((0, 1), (0, 1)), ((0,), (1,)), ((1, 0), (1,), (0,))])
@pytest.mark.parametrize("simd", [1, 4])
def test_mvau(simd: int, branches: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> None:
    check_kernel(Fanout(kernel=_mvau(rng, simd), port="o", branches=branches), rng, periods=12)


def test_several_stages(rng: np.random.Generator) -> None:
    inner = Elementwise(op="mul", a=(-9, 9), b=(-300, 300), lanes=2)
    kernel = Fanout(kernel=inner, port="o", branches=((0,), (1,), (0, 1)))
    check_kernel(kernel, rng, periods=20)


def test_a_port_among_others(rng: np.random.Generator) -> None:
    inner = Tap(steps=3, beats=2, final=True, lanes=1, lo=-3, hi=5)
    check_kernel(Fanout(kernel=inner, port="feedback", branches=((0,), (0,))), rng, periods=8)


def test_no_latency_and_no_waiting(rng: np.random.Generator) -> None:
    inner = Fifo(depth=1, lanes=1, lo=0, hi=9)
    kernel = Fanout(kernel=inner, port="o", branches=((0,), (0,)))
    run = simulate(kernel, random_inputs(kernel, 3, rng), patterns={"o1": [0, 0, 0, 0, 0, 1]})
    assert run.times == {"i": [0, 6, 12], "o0": [1, 7, 13], "o1": [5, 11, 17]}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"port": "x"}, "port must be one of o, not 'x'"),
        ({"kernel": Fifo(depth=3, lanes=1, lo=0, hi=9)}, "port must end in a register"),
        ({"branches": ()}, "branches must not be empty"),
        ({"branches": ((0,), (1,))}, r"branches\[1\] must name lanes below 1, not \(1,\)"),
        ({"branches": ((),)}, r"branches\[0\] must name lanes"),
    ],
)
def test_refuses(change: dict[str, object], words: str) -> None:
    given = {"kernel": Fifo(depth=1, lanes=1, lo=0, hi=9), "port": "o", "branches": ((0,),)}
    with pytest.raises(ValueError, match=words):
        Fanout(**given | change)  # type: ignore[arg-type]
