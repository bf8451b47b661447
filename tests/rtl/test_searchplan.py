"""Plans of a search find the number of thresholds reached, for every argument."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stepcases import activation, requantise

from thresher.rtl.searchplan import SearchPlan, plan_search
from thresher.rtl.searchstep import SearchStep


def counts(plan: SearchPlan, lo: int, hi: int) -> np.ndarray:
    return np.array([plan.count(a) for a in range(lo, hi + 1)])


@settings(max_examples=150)
@given(
    lo=st.integers(-300, 200),
    size=st.integers(1, 500),
    bits=st.integers(1, 5),
    bisections=st.integers(0, 5),
    spread=st.sampled_from([3, 40, 1000]),
    seed=st.integers(0, 10**6),
)
@example(lo=-7, size=500, bits=4, bisections=1, spread=3, seed=0)  # far outside of all
@example(lo=0, size=1, bits=2, bisections=0, spread=3, seed=0)
def test_every_argument(
    lo: int, size: int, bits: int, bisections: int, spread: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hi, centre = lo + size - 1, int(rng.integers(lo, lo + size))
    marks = np.sort(rng.integers(centre - spread, centre + spread, (1 << bits) - 1))
    plan = plan_search(
        np.clip(marks, lo, hi + 1).tolist(), bits, lo, hi, bisections=min(bisections, bits)
    )
    if plan is not None:
        expected = np.searchsorted(marks, np.arange(lo, hi + 1), side="right")
        np.testing.assert_array_equal(counts(plan, lo, hi), expected)


@pytest.mark.parametrize("bisections", range(7))
@pytest.mark.parametrize("kind", ["sigmoid", "tanh", "requantise"])
def test_a_wide_accumulator(kind: str, bisections: int) -> None:
    f = requantise(1 / 811.3) if kind == "requantise" else activation(kind, 1 / 3000.7)
    step = SearchStep(function=f, lanes=1, memory="auto")
    marks = step.columns[0].tolist()
    plan = plan_search(marks, 6, f.lo, f.hi, bisections=bisections)
    assert plan is not None
    assert (plan.guess is None) == (bisections == 6)
    near = np.array(marks)[:, None] + np.arange(-2, 3)
    far = np.random.default_rng(1).integers(f.lo, f.hi, 500)
    arguments = np.clip(np.concatenate([near.ravel(), far, [f.lo, f.hi]]), f.lo, f.hi)
    expected = np.searchsorted(marks, arguments, side="right")
    assert [plan.count(a) for a in arguments.tolist()] == expected.tolist()


def test_comparisons_are_as_narrow_as_the_cells() -> None:
    """Steps of 2**15 in 21 bits: cells of 16 bits, compared a cell farther on each side."""
    marks = [(k << 15) - (1 << 14) for k in range(-31, 32)]
    plan = plan_search(marks, 6, -1 << 20, (1 << 20) - 1, bisections=1)
    assert plan is not None
    assert plan.guess is not None
    assert plan.guess.cell_bits == 5
    assert not plan.guess.below | plan.guess.above
    assert [r.width for r in plan.rounds] == [18, 17]


def test_no_guess_from_too_many_cells() -> None:
    marks = [0, 1, 2, 1 << 20, 1 << 21, 1 << 22, 1 << 23]
    assert plan_search(marks, 3, -1 << 24, 1 << 24, bisections=0) is None
    assert plan_search(marks, 3, -1 << 24, 1 << 24, bisections=3) is not None
