"""Adder trees: their levels, their stages, and what they are estimated to take."""

import numpy as np
import pytest
from amaranth.hdl import Const
from hypothesis import given
from hypothesis import strategies as st

from thresher.rtl.addertree import (
    Term,
    join,
    leaves,
    levels_of,
    product_terms,
    signed_digits,
    tree_stages,
)
from thresher.rtl.kernel import Resources
from thresher.rtl.treearea import forest_resources


@given(st.integers(-(1 << 20), 1 << 20))
def test_signed_digits(number: int) -> None:
    digits = signed_digits(number)
    assert sum((-1 if negative else 1) << shift for shift, negative in digits) == number
    shifts = [shift for shift, _ in digits]
    assert all(b - a >= 2 for a, b in zip(shifts, shifts[1:], strict=False))


def test_tree_stages() -> None:
    def stages(*factors: int) -> int:
        return tree_stages([t for f in factors for t in product_terms(Const(0), 0, 1, f)])

    assert [stages(*[1] * n) for n in (0, 1, 2, 3, 4, 5, 16, 17)] == [0, 0, 1, 1, 1, 2, 2, 3]
    assert stages(-1) == 1  # needs a zero to subtract from
    assert stages(-1, 1) == 1


@pytest.mark.parametrize("after_dsp", [False, True])
def test_levels(after_dsp: bool) -> None:
    for count in range(1, 70):
        levels = levels_of(count, 0, after_dsp=after_dsp)
        assert sum(levels) == (count - 1).bit_length()
        assert all(level in (1, 2) for level in levels)
        assert not after_dsp or levels[:1] in ([], [1])
        assert len(levels) <= len(levels_of(count, 0)) + after_dsp


def test_a_single_level_comes_last() -> None:
    assert [levels_of(n, 0, single_last=True) for n in (1, 2, 4, 5, 16, 17)] == [
        [], [1], [2], [2, 1], [2, 2], [2, 2, 1]
    ]  # fmt: skip


def tree_resources(
    terms: list[Term], width: int, stages: int, in_dsp: bool, single_last: bool
) -> Resources:
    """Sum by sum and register by register: a LUT, and an FF, for each bit.

    A LUT more for a sum that takes a borrow in, an FF for one that goes on.
    """
    terms, lut, ff = leaves(terms), 0, 0
    split = levels_of(len(terms), stages, after_dsp=in_dsp, single_last=single_last)
    for stage, levels in enumerate(split):
        for step in range(levels):
            pairs = zip(terms[::2], terms[1::2], strict=False)
            sums = [join(a, b, width, made=False) for a, b in pairs]
            before = sum(term.borrow is not None for term in terms)
            lut -= sum(term.borrow is not None for term in sums + terms[2 * len(sums) :]) - before
            if not (in_dsp and stage == step == 0):
                lut += sum(total.shape(width).width for total in sums)
            terms = sums + terms[2 * len(sums) :]
        if not (in_dsp and stage == 0 and levels == 1):
            ff += sum(term.shape(width).width + (term.borrow is not None) for term in terms)
    return Resources(lut=lut, ff=ff)


@given(
    st.integers(1, 4), st.integers(0, 9), st.integers(1, 5), st.integers(0, 3), st.booleans(),
    st.booleans(), st.integers(0, 9), st.integers(0, 1 << 30),
)  # fmt: skip
def test_a_forest_is_its_trees(
    trees: int, terms: int, folds: int, spare: int, in_dsp: bool, single_last: bool, borrows: int,
    seed: int,
) -> None:  # fmt: skip
    borrows = min(borrows, terms) * (not in_dsp)  # a DSP block takes none in
    rng = np.random.default_rng(seed)
    most = 1 << int(rng.integers(1, 50))
    lo = rng.integers(-most, most, (trees, terms, folds))
    hi = lo + rng.integers(0, most, lo.shape)
    width = rng.integers(1, 60, trees)
    stages = max(1, terms - 1).bit_length() // 2 + 2 + spare
    alone = (
        tree_resources(
            [
                Term(Const(0), *ends, borrow=Const(0, 1) if n < borrows else None)
                for n, ends in enumerate(zip(lo[k], hi[k], strict=True))
            ],
            int(width[k]), stages, in_dsp, single_last,
        )
        for k in range(trees)
    )  # fmt: skip
    together = forest_resources(
        lo, hi, width=width, stages=stages, in_dsp=in_dsp, after_dsp=in_dsp,
        single_last=single_last, borrows=borrows,
    )  # fmt: skip
    assert together == sum(alone, Resources())
