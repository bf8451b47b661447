"""The MVAU against its model, a naive definition, and its timing."""

from typing import Any

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.checks import greatest_sum
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU


def naive(kernel: MVAU, rows: np.ndarray) -> list[list[int]]:
    """Row by row, weight by weight, in Python's ints."""
    k, n = kernel.weights.shape
    bias = [0] * n if kernel.bias is None else kernel.bias.tolist()
    return [
        [sum(int(row[a]) * int(kernel.weights[a, b]) for a in range(k)) + bias[b] for b in range(n)]
        for row in rows.tolist()
    ]


def build(
    fold: tuple[int, int, int, int],
    bits: int,
    interval: tuple[int, int],
    bias: bool,
    **more: object,
) -> MVAU:
    """An MVAU of (pe, simd, NF, SF) with random weights, a quarter of them 0."""
    pe, simd, nf, sf = fold
    rng = np.random.default_rng([*fold, bits])
    weights = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (simd * sf, pe * nf))
    weights[rng.random(weights.shape) < 0.25] = 0
    return MVAU(
        weights=weights, pe=pe, simd=simd, i_lo=interval[0], i_hi=interval[1],
        bias=rng.integers(-300, 300, pe * nf) if bias else None, **more,  # type: ignore[arg-type]
    )  # fmt: skip


@settings(max_examples=60)
@given(
    fold=st.tuples(*[st.integers(1, 4)] * 4),
    bits=st.integers(1, 8),
    interval=st.sampled_from([(0, 1), (0, 255), (-128, 127), (-3, 5), (-7, -2), (4, 9), (0, 0)]),
    bias=st.booleans(),
    memory=st.sampled_from(["auto", "logic", "block"]),
)
@example(fold=(2, 3, 1, 1), bits=4, interval=(-8, 7), bias=True, memory="auto")
@example(fold=(1, 1, 1, 1), bits=3, interval=(-8, 7), bias=False, memory="auto")
@example(fold=(2, 5, 3, 1), bits=4, interval=(-8, 7), bias=True, memory="block")
@example(fold=(2, 9, 1, 2), bits=4, interval=(-8, 7), bias=True, memory="logic")
@example(fold=(3, 2, 4, 3), bits=8, interval=(0, 255), bias=True, memory="block")
def test_model_and_cycles(
    fold: tuple[int, int, int, int], bits: int, interval: tuple[int, int], bias: bool, memory: str
) -> None:
    kernel = build(fold, bits, interval, bias, memory=memory)
    rng = np.random.default_rng(bits)
    rows = random_inputs(kernel, 3, rng)["i"]
    assert kernel.compute(rows)[0].tolist() == naive(kernel, rows)
    check_kernel(kernel, rng, inputs={"i": rows})


@settings(max_examples=15)
@given(
    fold=st.tuples(*[st.integers(1, 3)] * 4),
    groups=st.integers(1, 4),
    bias=st.booleans(),
    memory=st.sampled_from(["logic", "block"]),
)
def test_groups(fold: tuple[int, int, int, int], groups: int, bias: bool, memory: str) -> None:
    """Vector g of a period is multiplied by the weights of its group."""
    pe, simd, nf, sf = fold
    rng = np.random.default_rng([*fold, groups])
    k, n = simd * sf, pe * nf
    weights = rng.integers(-8, 8, (k, groups * n))
    biases = rng.integers(-300, 300, groups * n) if bias else None
    kernel = MVAU(
        weights=weights, pe=pe, simd=simd, groups=groups, i_lo=-8, i_hi=7, bias=biases,
        memory=memory,
    )  # fmt: skip
    inputs = random_inputs(kernel, 3, rng)
    parts = [
        MVAU(weights=w, pe=n, simd=k, i_lo=-8, i_hi=7, bias=b)
        for w, b in zip(
            np.split(weights, groups, axis=1), np.split(kernel.biases, groups), strict=True
        )
    ]
    wanted = [
        naive(p, x) for p, x in zip(parts, np.split(inputs["i"], groups, axis=1), strict=True)
    ]
    np.testing.assert_array_equal(kernel.compute(inputs["i"])[0], np.concatenate(wanted, axis=1))
    check_kernel(kernel, rng, inputs=inputs)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"groups": 4}, "groups must divide the 6 columns of weights, not 4"),
        ({"pe": 3}, "pe must divide the N = 2 columns of weights of each group, not 3"),
    ],
)
def test_groups_are_refused(change: dict[str, int], words: str) -> None:
    parameters = {"pe": 1, "simd": 1, "groups": 3, "i_lo": 0, "i_hi": 1} | change
    with pytest.raises(ValueError, match=words):
        MVAU(weights=np.ones((2, 6), int), **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("weight", [-1, 0, 1])
@pytest.mark.parametrize("fold", [(2, 3, 1, 1), (2, 3, 2, 1), (2, 3, 2, 2)])
def test_weights_all_equal(
    fold: tuple[int, int, int, int], weight: int, bias: bool, rng: np.random.Generator
) -> None:
    pe, simd, nf, sf = fold
    weights = np.full((simd * sf, pe * nf), weight)
    biases = np.arange(pe * nf) - 2 if bias else None
    kernel = MVAU(weights=weights, pe=pe, simd=simd, i_lo=-4, i_hi=3, bias=biases)
    check_kernel(kernel, rng)


def test_output_interval_is_reached() -> None:
    weights = np.array([[3, -5], [-7, 0], [2, 6]])
    kernel = MVAU(weights=weights, pe=1, simd=3, i_lo=-4, i_hi=9, bias=np.array([10, -20]))
    port = kernel.outputs["o"]
    assert (port.lo, port.hi) == (-89, 83)
    corners = np.array(np.meshgrid(*[[-4, 9]] * 3)).reshape(3, -1).T
    result = kernel.compute(corners)[0]
    assert (port.lo, port.hi) == (result.min(), result.max())


@pytest.mark.parametrize("pe, simd, cycles, latency", [(1, 1, 24, 2), (2, 2, 6, 3), (4, 6, 1, 2)])
def test_no_bubbles(pe: int, simd: int, cycles: int, latency: int) -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(-2, 2, (6, 4))
    weights[0] = 1
    kernel = MVAU(weights=weights, pe=pe, simd=simd, i_lo=0, i_hi=3, memory="logic")
    times = simulate(kernel, random_inputs(kernel, 5, rng)).times
    starts = times["i"][:: 6 // simd]
    assert starts == [cycles * k for k in range(5)]
    firsts = times["o"][:: 4 // pe]
    assert [b - a for a, b in zip(starts, firsts, strict=True)] == [firsts[0]] * 5
    assert kernel.latency == latency
    assert firsts[0] == latency + (6 // simd if simd < 6 else 0)


def test_an_input_that_is_always_0(rng: np.random.Generator) -> None:
    """Its product has fewer bits than the weight has zeros at its end."""
    kernel = MVAU(weights=np.array([[-16]]), pe=1, simd=1, i_lo=0, i_hi=0)
    assert kernel.resources().dsp == 0
    check_kernel(kernel, rng, periods=5)


def test_sums_beyond_float64_are_exact() -> None:
    weights = np.array([[(1 << 40) + 1], [1]])
    kernel = MVAU(weights=weights, pe=1, simd=1, i_lo=-(1 << 19), i_hi=(1 << 19) - 1)
    rows = np.array([[(1 << 19) - 1, 1], [-(1 << 19), -1]])
    assert kernel.compute(rows)[0].tolist() == naive(kernel, rows)


def test_equality_is_by_content() -> None:
    kernel = build((2, 2, 2, 2), 4, (0, 3), True)
    same = build((2, 2, 2, 2), 4, (0, 3), True)
    assert kernel == same
    assert hash(kernel) == hash(same)
    assert kernel != build((2, 2, 2, 2), 5, (0, 3), True)
    assert kernel != build((2, 2, 2, 2), 4, (0, 3), False)
    assert kernel != build((2, 2, 2, 2), 4, (0, 2), True)


@pytest.mark.parametrize("great", [1, 1 << 20, 1 << 61])
def test_greatest_sum(great: int) -> None:
    """Also where int64 does not hold it."""
    weights = np.array([[great, -3], [-great, 5], [great, 1]])
    biases = np.array([-7, great])
    assert greatest_sum(weights, biases, -8, 7) == max(24 * great + 7, 72 + great)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "pe, simd, interval, more",
    [
        (2, 2, (-128, 127), 0),
        (3, 6, (0, 63), 0),
        (1, 1, (0, 1), 0),
        (2, 6, (-600, 511), 1),  # the product takes a stage more in LUTs
        (2, 3, (-600, 511), 0),  # and the tree one more after DSP blocks
    ],
)
@pytest.mark.parametrize("memory", ["logic", "block"])
def test_products_in_luts(
    pe: int, simd: int, interval: tuple[int, int], more: int, bias: bool, memory: str
) -> None:
    rng = np.random.default_rng([pe, simd])
    parameters: dict[str, Any] = {
        "weights": rng.integers(-1 << 9 if more else -128, 128, (6, 6)), "pe": pe, "simd": simd,
        "i_lo": interval[0], "i_hi": interval[1], "memory": memory,
        "bias": rng.integers(-99, 99, 6) if bias else None,
    }  # fmt: skip
    kernel = MVAU(**parameters, multiplier="lut")
    assert kernel.resources().dsp == 0 < MVAU(**parameters).resources().dsp or interval == (0, 1)
    assert kernel.latency == MVAU(**parameters).latency + more
    check_kernel(kernel, rng, periods=4)


def test_estimate_counts_multipliers_and_memory() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 128, (64, 64))
    blocks = MVAU(weights=weights, pe=8, simd=8, i_lo=-128, i_hi=127, memory="block").resources()
    assert (blocks.dsp, blocks.bram18) == (64, 13)
    none = MVAU(weights=weights, pe=8, simd=8, i_lo=-128, i_hi=127, memory="logic").resources()
    assert (none.dsp, none.bram18) == (64, 0)
    assert none.lut > blocks.lut
    narrow = MVAU(weights=weights % 4, pe=8, simd=8, i_lo=0, i_hi=3).resources()
    assert narrow.dsp == 0
    assert MVAU(weights=weights, pe=64, simd=64, i_lo=0, i_hi=3).resources().dsp == 0


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"pe": 4}, ValueError, "pe must divide the N = 6 columns of weights, not 4"),
        ({"simd": 3}, ValueError, "simd must divide the K = 4 rows of weights, not 3"),
        ({"pe": 0}, ValueError, "pe must be at least 1, not 0"),
        ({"simd": 2.0}, TypeError, "simd must be an int, not 2.0"),
        ({"i_lo": 5}, ValueError, r"i must be a non-empty interval, not \[5, 3\]"),
        ({"i_hi": None}, TypeError, "i's hi must be an int, not None"),
        ({"weights": np.ones((4, 6))}, TypeError, "weights must be an array of integers, not of"),
        ({"weights": np.ones(6, int)}, ValueError, "weights must have 2 non-empty dimensions"),
        ({"weights": np.ones((0, 6), int)}, ValueError, "weights must have 2 non-empty dimensions"),
        ({"weights": np.full((4, 6), 1 << 60)}, ValueError, r"sums must stay below 2\*\*62"),
        ({"bias": np.ones(5, int)}, ValueError, r"bias must have shape \(6,\), not \(5,\)"),
        ({"bias": np.ones(6)}, TypeError, "bias must be an array of integers"),
        ({"memory": "uram"}, ValueError, "memory must be one of auto, logic, block, not 'uram'"),
        ({"multiplier": "dsp48e1"}, ValueError, "multiplier must be one of dsp, lut, not 'dsp48e1"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"weights": np.ones((4, 6), int), "pe": 2, "simd": 2, "i_lo": 0, "i_hi": 3}
    with pytest.raises(error, match=words):
        MVAU(**parameters | change)  # type: ignore[arg-type]


WEIGHTS = np.ones((4, 6), int)


@pytest.mark.parametrize(
    "kernel",
    [
        MVAU(weights=WEIGHTS, pe=2, simd=2, i_lo=0, i_hi=3),
        BroadcastMVAU(weights=WEIGHTS, rows=2, lanes=2, i_lo=0, i_hi=3),
    ],
    ids=lambda kernel: type(kernel).__name__,
)
@pytest.mark.parametrize(
    "rows, words",
    [
        (np.zeros((2, 5), int), r"i must have shape \(N, 4\), not \(2, 5\)"),
        (np.full((1, 4), 9), r"i must lie in \[0, 3\], not \[9, 9\]"),
    ],
)
def test_model_refuses(kernel: Kernel, rows: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kernel.compute(rows)
