"""MVAUs whose PEs share DSP blocks: exact whatever the signs, and which products fit."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from thresher.rtl.mvau import MVAU
from thresher.rtl.packedproducts import PackedProducts

Rng = np.random.Generator
_U6, _S8 = (0, 63), (-128, 127)


def mvau(
    weights: np.ndarray, pe: int, simd: int, ends: tuple[int, int], *, pack: int = 2,
    bias: np.ndarray | None = None, memory: str = "auto",
) -> MVAU:  # fmt: skip
    return MVAU(
        weights=weights, pe=pe, simd=simd, i_lo=ends[0], i_hi=ends[1], pack=pack, bias=bias,
        memory=memory,
    )  # fmt: skip


def rows_of(kernel: MVAU) -> list[int]:
    """PEs in each multiplier."""
    assert kernel.multipliers.packed is not None
    return [cell.count for cell in kernel.multipliers.packed.cells]


@settings(max_examples=40)
@given(
    fold=st.tuples(st.integers(2, 5), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4)),
    bits=st.integers(2, 8),
    ends=st.sampled_from([(0, 63), (0, 255), (-128, 127), (-3, 5), (-7, -2), (4, 9), (0, 1)]),
    pack=st.integers(2, 4),
    zeros=st.sampled_from([0.1, 0.7]),
    bias=st.booleans(),
    memory=st.sampled_from(["logic", "block"]),
)
@example(fold=(2, 5, 2, 1), bits=8, ends=(0, 63), pack=2, zeros=0.1, bias=False, memory="logic")
@example(fold=(2, 1, 2, 1), bits=2, ends=(0, 63), pack=2, zeros=0.1, bias=False, memory="logic")
@example(fold=(5, 2, 1, 3), bits=4, ends=(-8, 7), pack=3, zeros=0.7, bias=True, memory="block")
def test_model_and_cycles(
    fold: tuple[int, int, int, int], bits: int, ends: tuple[int, int], pack: int, zeros: float,
    bias: bool, memory: str,
) -> None:  # fmt: skip
    pe, simd, nf, sf = fold
    assume(nf * sf > 1)
    rng = np.random.default_rng([*fold, bits])
    weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, (simd * sf, pe * nf))
    weights[rng.random(weights.shape) < zeros] = 0
    biases = rng.integers(-300, 300, pe * nf) * (rng.random(pe * nf) < 0.7) if bias else None
    products = PackedProducts(
        weights=weights.reshape(sf, simd, nf, pe).transpose(2, 0, 3, 1).reshape(-1, pe, simd),
        lo=ends[0], hi=ends[1], most=pack,
    )  # fmt: skip
    assume(products.shared)
    kernel = mvau(weights, pe, simd, ends, pack=pack, bias=biases, memory=memory)
    inputs = random_inputs(kernel, 3, rng)
    wanted = inputs["i"] @ weights + kernel.biases
    np.testing.assert_array_equal(kernel.compute(inputs["i"])[0], wanted)
    check_kernel(kernel, rng, inputs=inputs)


@pytest.mark.parametrize("folds", [(1, 4), (4, 1), (2, 2)])
@pytest.mark.parametrize("ends, least", [(_U6, -128), (_S8, -127), ((-1024, 1023), -16)])
@pytest.mark.parametrize("odd", [False, True])
def test_corners(
    ends: tuple[int, int], least: int, odd: bool, folds: tuple[int, int], rng: Rng
) -> None:
    """Only the greatest weights and inputs, and 0: every field is full to its ends."""
    pe, (nf, sf) = 2 + odd, folds
    most = min(-least, 127)
    weights = rng.choice([least, most, 0], (4 * sf, pe * nf), p=[0.5, 0.4, 0.1])
    weights[:2, :2] = [least, most]
    kernel = mvau(weights, pe, 4, ends)
    assert rows_of(kernel) == [2, 1][: 1 + odd]
    corners = rng.choice([ends[0], ends[1], 0], (6, 4 * sf), p=[0.4, 0.4, 0.2])
    corners[:2] = [[ends[0]], [ends[1]]]
    check_kernel(kernel, rng, inputs={"i": corners}, periods=6)


def test_a_field_is_used_to_its_ends(rng: Rng) -> None:
    """Two products of -64 give the least number of eight bits; one product more does not fit."""
    weights = np.array([[-8, 7], [-8, 7], [1, -8], [3, -8]])
    kernel = mvau(weights, 2, 2, (-8, 8))
    assert kernel.multipliers.packed is not None
    (cell,) = kernel.multipliers.packed.cells
    assert cell.sums[0].min() == -128
    assert cell.sums[1].max() == 128
    assert cell.shift == 9
    cell = mvau(weights, 2, 2, (-7, 8)).multipliers.packed.cells[0]  # type: ignore[union-attr]
    assert cell.shift == 8
    grid = np.array(np.meshgrid(*[[-7, 0, 1, 8]] * 4)).reshape(4, -1).T
    check_kernel(mvau(weights, 2, 2, (-7, 8)), rng, inputs={"i": grid[::8]}, periods=32)


@pytest.mark.parametrize("folds", [(2, 1), (1, 2)])
@pytest.mark.parametrize("simd", [2, 3, 8, 9])
def test_a_borrow_from_the_least_sum(folds: tuple[int, int], simd: int, rng: Rng) -> None:
    """Sums of -128, and all that they add up to, less 1 take a bit more."""
    nf, sf = folds
    weights = np.full((simd * sf, 2 * nf), -8)
    weights[:, 2:] = 0  # a second fold, with which the weights are no constants
    kernel = mvau(weights, 2, simd, (-7, 8))
    rows = np.array([[8], [-7], [0]]).repeat(simd * sf, axis=1)
    assert kernel.compute(rows)[0][0, :2].tolist() == [-64 * simd * sf] * 2
    check_kernel(kernel, rng, inputs={"i": rows})


@pytest.mark.parametrize(
    "bits, ends, narrow, pack, rows",
    [
        (8, _U6, False, 2, 2),
        (8, (-32, 31), False, 2, 2),
        (8, _S8, True, 2, 2),
        (8, (0, 255), True, 2, 2),
        (4, (-8, 7), False, 4, 3),
        (4, (-8, 7), True, 4, 3),
        (4, (0, 7), False, 4, 3),
        (2, (-2, 1), False, 4, 4),
    ],
)
def test_rows_in_a_multiplier(
    bits: int, ends: tuple[int, int], narrow: bool, pack: int, rows: int, rng: Rng
) -> None:
    end = 1 << bits - 1
    weights = rng.integers(narrow - end, end, (64, 24))
    weights[:2] = narrow - end
    kernel = mvau(weights, 12, 16, ends, pack=pack)
    assert rows_of(kernel) == [rows] * (12 // rows)
    assert kernel.resources().dsp == 12 // rows * 16


def test_a_pair_that_does_not_fit_has_blocks_of_its_own(rng: Rng) -> None:
    weights = rng.integers(-127, 128, (8, 6))
    weights[:2, 2:4] = -128  # 2 * 128 * 128 takes a bit more, and so does the digit above
    kernel = mvau(weights, 6, 4, _S8)
    assert rows_of(kernel) == [2, 1, 2, 1]
    assert kernel.resources().dsp == 4 * 4
    check_kernel(kernel, rng, inputs={"i": rng.choice(_S8, (3, 8))})


def test_packing_costs_little(rng: Rng) -> None:
    """Half the DSP blocks, no stage more, less than a LUT for each product."""
    weights = rng.integers(-127, 128, (64, 16))
    one, two = (mvau(weights, 8, 16, _U6, pack=pack) for pack in (1, 2))
    assert one.resources().dsp == 2 * two.resources().dsp == 128
    assert one.latency == two.latency
    assert two.resources().lut - one.resources().lut < 128


@pytest.mark.parametrize(
    "change, words",
    [
        ({"pack": 0}, "pack must be at least 1, not 0"),
        ({"multiplier": "lut"}, "pack must be 1, not 2: products in LUTs have no DSP block"),
        ({"simd": 8, "pe": 4}, "pack must be 1, not 2: without folds nothing is multiplied"),
        ({"pe": 1}, "pack must be 1, not 2: no products of two neighbouring PEs fit"),
        ({"i_lo": -4000}, "pack must be 1, not 2: no products of two neighbouring PEs fit"),
    ],
)
def test_refuses(change: dict[str, object], words: str) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (8, 4))
    parameters = {"weights": weights, "pe": 2, "simd": 4, "pack": 2, "i_lo": 0, "i_hi": 63}
    with pytest.raises(ValueError, match=words):
        MVAU(**parameters | change)  # type: ignore[arg-type]


def test_pack_must_be_an_int() -> None:
    with pytest.raises(TypeError, match="pack must be an int, not 2.0"):
        mvau(np.ones((4, 4), int), 2, 2, _U6, pack=2.0)  # type: ignore[arg-type]
