"""The broadcast MVAU against its model, a naive definition, and its timing."""

from typing import Any

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.rtl.broadcast import BroadcastMVAU


def build(
    fold: tuple[int, int, int, int],
    bits: int,
    interval: tuple[int, int],
    bias: bool = True,
    extreme: bool = False,
    **more: object,
) -> BroadcastMVAU:
    """Of (K, lanes, groups, passes), with random weights or with those at the ends of `bits`."""
    k, lanes, groups, passes = fold
    rng = np.random.default_rng([*fold, bits])
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    shape = (k, lanes * groups * passes)
    weights = rng.integers(low, high, shape, endpoint=True)
    if extreme:
        # whole rows at one end, so that sums go as far as they can
        weights = np.tile(rng.choice([low, high], shape[1]), (k, 1))
    return BroadcastMVAU(
        weights=weights, rows=lanes * groups, lanes=lanes, i_lo=interval[0], i_hi=interval[1],
        bias=rng.integers(-300, 300, shape[1]) if bias else None, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def naive(kernel: BroadcastMVAU, rows: np.ndarray) -> list[list[int]]:
    """Row by row, weight by weight, in Python's ints."""
    k, n = kernel.weights.shape
    bias = kernel.biases.tolist()
    return [
        [sum(int(row[a]) * int(kernel.weights[a, b]) for a in range(k)) + bias[b] for b in range(n)]
        for row in rows.tolist()
    ]


@settings(max_examples=30)
@given(
    fold=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 7), st.integers(1, 3)),
    bits=st.integers(1, 8),
    interval=st.sampled_from([(0, 1), (0, 255), (-128, 127), (-3, 5), (-7, -2), (4, 9), (0, 0)]),
    bias=st.booleans(),
    memory=st.sampled_from(["auto", "logic", "block"]),
)
@example(fold=(1, 1, 1, 1), bits=3, interval=(-8, 7), bias=True, memory="auto")
@example(fold=(1, 4, 1, 3), bits=4, interval=(-8, 7), bias=True, memory="block")
@example(fold=(3, 1, 20, 2), bits=4, interval=(-8, 7), bias=True, memory="block")
@example(fold=(9, 3, 33, 1), bits=8, interval=(-8, 7), bias=False, memory="block")
def test_model_and_cycles(
    fold: tuple[int, int, int, int], bits: int, interval: tuple[int, int], bias: bool, memory: str
) -> None:
    kernel = build(fold, bits, interval, bias, memory=memory)
    rng = np.random.default_rng(bits)
    rows = random_inputs(kernel, 3, rng)["i"]
    assert kernel.compute(rows)[0].tolist() == naive(kernel, rows)
    check_kernel(kernel, rng, inputs={"i": rows})


@pytest.mark.parametrize(
    "lanes, bits, interval, multiplier, count, codes",
    [
        (2, 8, (-128, 127), "dsp48e1", 2, True),
        (2, 8, (0, 255), "dsp48e2", 2, True),
        (2, 6, (-2048, 2047), "dsp48e1", 2, True),
        (3, 4, (-8, 7), "dsp48e1", 3, True),
        (4, 4, (-8, 7), "dsp48e2", 4, False),
        (4, 3, (-8, 7), "dsp48e1", 4, True),
        (3, 4, (0, 255), "dsp48e2", 3, False),
    ],
)
@pytest.mark.parametrize("passes", [1, 2])
def test_fields_overflow(
    lanes: int, bits: int, interval: tuple[int, int], multiplier: str, count: int, codes: bool,
    passes: int, rng: np.random.Generator,
) -> None:  # fmt: skip
    """All weights and inputs at the ends of their ranges: carries of many fields are tracked."""
    kernel = build((70, lanes, 3, passes), bits, interval, extreme=True, multiplier=multiplier)
    cells = [cell for group in kernel.plan.cells for cell in group]
    assert {cell.count for cell in cells} == {count}
    assert any(cell.tracked[0] for cell in cells)
    assert all(cell.by_codes(0) == codes for cell in cells)
    lo, hi = interval
    inputs = rng.choice([lo, hi], (4, 70))
    inputs[0], inputs[1] = lo, hi
    run = simulate(kernel, {"i": inputs})
    np.testing.assert_array_equal(run.outputs["o"], kernel.compute(inputs)[0])


def test_every_order_of_two_products_in_every_field(rng: np.random.Generator) -> None:
    """K = 2, so that a carry is made or not made by one product alone, at each pair of ends."""
    values = [-8, -1, 0, 7]
    weights = np.array(np.meshgrid(*[values] * 3)).reshape(3, -1).T.reshape(1, -1)
    kernel = BroadcastMVAU(
        weights=np.concatenate([weights, -weights.clip(-7)]), rows=weights.shape[1], lanes=16,
        i_lo=-8, i_hi=7, bias=np.full(weights.shape[1], 500),
    )  # fmt: skip
    inputs = np.array([(a, b) for a in (-8, 0, 7) for b in (-8, 1, 7)])
    run = simulate(kernel, {"i": inputs})
    np.testing.assert_array_equal(run.outputs["o"], kernel.compute(inputs)[0])


@pytest.mark.parametrize(
    "groups, k, passes, cycles, latency",
    [(4, 6, 1, 6, 3), (5, 6, 1, 6, 4), (6, 6, 2, 12, 4), (6, 2, 2, 12, 4), (32, 33, 1, 33, 4)],
)
def test_no_bubbles(groups: int, k: int, passes: int, cycles: int, latency: int) -> None:
    kernel = build((k, 2, groups, passes), 4, (-8, 7))
    rng = np.random.default_rng(1)
    times = simulate(kernel, random_inputs(kernel, 5, rng)).times
    starts = times["i"][::k]
    assert starts == [1 + cycles * n for n in range(5)]  # no element in the cycle after reset
    assert (kernel.cycles, kernel.latency) == (cycles, latency)
    lasts = times["i"][k - 1 :: k]
    firsts = times["o"][:: groups * passes]
    assert [b - a for a, b in zip(lasts, firsts, strict=True)] == [latency] * 5


@pytest.mark.parametrize("depth", [4, 8, 16])
def test_small_output_fifo(depth: int, rng: np.random.Generator) -> None:
    groups = 4 if depth > 4 else 3
    check_kernel(build((5, 2, groups, 2), 4, (-8, 7), depth=depth), rng)
    if depth > 4:
        check_kernel(build((5, 2, 8, 2), 4, (-8, 7), depth=depth), rng)


@pytest.mark.parametrize(
    "bits, interval, multiplier, narrow, count",
    [
        (8, (-128, 127), "dsp48e1", False, 2),
        (6, (-32, 31), "dsp48e1", False, 2),
        (7, (0, 127), "dsp48e1", False, 2),
        (4, (-8, 7), "dsp48e1", False, 3),
        (4, (0, 15), "dsp48e1", True, 4),
        (8, (-128, 127), "dsp48e2", False, 2),
        (4, (-128, 127), "dsp48e2", False, 3),
        (8, (-8, 7), "dsp48e2", False, 2),
        (4, (-8, 7), "dsp48e2", False, 4),
    ],
)
def test_rows_in_a_multiplier(
    bits: int, interval: tuple[int, int], multiplier: str, narrow: bool, count: int
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(narrow - (1 << bits - 1), 1 << bits - 1, (100, 60))
    kernel = BroadcastMVAU(
        weights=weights, rows=60, lanes=12, i_lo=interval[0], i_hi=interval[1],
        multiplier=multiplier,
    )  # fmt: skip
    assert {cell.count for group in kernel.plan.cells for cell in group} == {count}


def test_output_interval_is_reached() -> None:
    weights = np.array([[3, -5], [-7, 0], [2, 6]])
    kernel = BroadcastMVAU(
        weights=weights, rows=2, lanes=1, i_lo=-4, i_hi=9, bias=np.array([10, -20])
    )
    port = kernel.outputs["o"]
    corners = np.array(np.meshgrid(*[[-4, 9]] * 3)).reshape(3, -1).T
    result = kernel.compute(corners)[0]
    assert (port.lo, port.hi) == (result.min(), result.max())


def test_equality_is_by_content() -> None:
    kernel = build((2, 2, 2, 2), 4, (0, 3))
    same = build((2, 2, 2, 2), 4, (0, 3))
    assert kernel == same
    assert hash(kernel) == hash(same)
    assert kernel != build((2, 2, 2, 2), 5, (0, 3))
    assert kernel != build((2, 2, 2, 2), 4, (0, 3), False)
    assert kernel != build((2, 2, 2, 2), 4, (0, 3), pack=1)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"rows": 5}, ValueError, "rows must divide the N = 8 columns of weights, not 5"),
        ({"lanes": 3}, ValueError, "lanes must divide the 4 rows, not 3"),
        ({"rows": 0}, ValueError, "rows must be at least 1, not 0"),
        ({"lanes": 2.0}, TypeError, "lanes must be an int, not 2.0"),
        ({"pack": 0}, ValueError, "pack must be at least 1, not 0"),
        ({"lut_groups": -1}, ValueError, "lut_groups must be at least 0, not -1"),
        ({"lut_groups": 3}, ValueError, "lut_groups must be at most 2, not 3"),
        ({"depth": 2}, ValueError, "depth must be at least 3, not 2"),
        ({"depth": 6}, ValueError, "depth must be a power of two, not 6"),
        ({"i_lo": 5}, ValueError, r"i must be a non-empty interval, not \[5, 3\]"),
        ({"i_hi": 1 << 17}, ValueError, r"i must fit 18 signed bits, not reach \[0, 131072\]"),
        ({"weights": np.ones((4, 8))}, TypeError, "weights must be an array of integers, not of"),
        ({"weights": np.ones(8, int)}, ValueError, "weights must have 2 non-empty dimensions"),
        ({"weights": np.full((4, 8), 1 << 24)}, ValueError, "weights must fit 25 bits, not reach"),
        ({"bias": np.full(8, 1 << 47)}, ValueError, r"sums must stay below 2\*\*47, not reach"),
        ({"bias": np.ones(5, int)}, ValueError, r"bias must have shape \(8,\), not \(5,\)"),
        ({"bias": np.ones(8)}, TypeError, "bias must be an array of integers"),
        ({"memory": "uram"}, ValueError, "memory must be one of auto, logic, block, not 'uram'"),
        ({"multiplier": "lut"}, ValueError, "multiplier must be one of dsp48e1, dsp48e2, not"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"weights": np.ones((4, 8), int), "rows": 4, "lanes": 2, "i_lo": 0, "i_hi": 3}
    with pytest.raises(error, match=words):
        BroadcastMVAU(**parameters | change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fold, bits, interval, lut_groups, stages",
    [
        ((20, 4, 3, 2), 8, (-32, 31), 1, 1),
        ((20, 4, 6, 1), 8, (0, 63), 4, 1),
        ((9, 6, 2, 2), 4, (-8, 7), 1, 1),
        ((7, 3, 1, 2), 8, (-128, 127), 1, 1),
        ((6, 2, 18, 1), 3, (0, 3), 17, 1),
        ((10, 4, 2, 1), 10, (-500, 400), 1, 2),
        ((10, 2, 2, 2), 10, (-500, 400), 2, 2),
    ],
)
@pytest.mark.parametrize("multiplier", ["dsp48e1", "dsp48e2"])
def test_groups_in_luts(
    fold: tuple[int, int, int, int], bits: int, interval: tuple[int, int], lut_groups: int,
    stages: int, multiplier: str,
) -> None:  # fmt: skip
    kernel = build(fold, bits, interval, lut_groups=lut_groups, multiplier=multiplier)
    plain = build(fold, bits, interval, multiplier=multiplier)
    assert kernel.latency == plain.latency + stages
    rng = np.random.default_rng(bits)
    check_kernel(kernel, rng, periods=4)


def test_estimate_of_groups_in_luts() -> None:
    dsps = [build((64, 4, 8, 1), 8, (-32, 31), lut_groups=g).resources().dsp for g in (0, 1, 3, 8)]
    assert dsps == [16, 14, 10, 0]


def test_estimate_counts_multipliers_and_memory() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (64, 64))
    more: dict[str, Any] = {"rows": 64, "lanes": 8, "i_lo": -128, "i_hi": 127}
    blocks = BroadcastMVAU(weights=weights, memory="block", **more).resources()
    assert (blocks.dsp, blocks.bram18) == (32, 15)
    single = BroadcastMVAU(weights=weights, memory="logic", pack=1, **more).resources()
    assert (single.dsp, single.bram18) == (64, 0)
    narrow = BroadcastMVAU(weights=weights // 32, rows=64, lanes=8, pack=1, i_lo=0, i_hi=3)
    assert narrow.resources().dsp == 0
