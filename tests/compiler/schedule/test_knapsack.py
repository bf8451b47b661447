"""The multiple-choice knapsack against all combinations."""

import os
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.compiler.schedule import knapsack
from thresher.compiler.schedule.knapsack import cheapest

ROW = st.tuples(*[st.integers(0, 9)] * 3)
GROUPS = st.lists(st.lists(ROW, min_size=1, max_size=4), min_size=1, max_size=4)
LIMITS = st.tuples(st.integers(0, 25), st.integers(0, 25))


def sums(
    groups: list[list[tuple[int, ...]]], limits: tuple[int, ...]
) -> dict[tuple[int, ...], int]:
    """Every solution within the limits -> its cost."""
    found = {}
    for chosen in product(*(range(len(group)) for group in groups)):
        total = np.sum([group[k] for group, k in zip(groups, chosen, strict=True)], axis=0)
        if (total[1:] <= limits).all():
            found[chosen] = int(total[0])
    return found


@pytest.mark.parametrize("few", [1, 200])
def test_the_least_cost(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By sums, and with few of them by integer programming."""
    monkeypatch.setattr(knapsack, "_FEW", few)

    @settings(max_examples=80, derandomize=True, deadline=None)
    @given(GROUPS, LIMITS)
    def check(groups: list[list[tuple[int, ...]]], limits: tuple[int, ...]) -> None:
        every = sums(groups, limits)
        found = cheapest([np.array(group) for group in groups], limits)
        if not every:
            assert found is None
        else:
            assert found is not None
            assert every[found] == min(every.values())

    check()


@settings(max_examples=40, derandomize=True, deadline=None)
@given(GROUPS, LIMITS)
def test_the_next_best(groups: list[list[tuple[int, ...]]], limits: tuple[int, ...]) -> None:
    """Excluding what was found gives all solutions, in ascending order of cost."""
    every = sums(groups, limits)
    excluded: list[tuple[int, ...]] = []
    for cost in sorted(every.values())[:5]:
        found = cheapest([np.array(group) for group in groups], limits, excluded)
        assert found is not None
        assert found not in excluded
        assert every[found] == cost
        excluded.append(found)
    if len(excluded) == len(every):
        assert cheapest([np.array(group) for group in groups], limits, excluded) is None


def test_many_groups_by_integer_programming() -> None:
    """Three limits and more sums than are kept: no single change makes what is found better."""
    rng = np.random.default_rng(0)
    groups = [rng.integers(0, 1000, (6, 4)) for _ in range(20)]
    limits = [int(sum(group[:, k].mean() for group in groups) * 0.6) for k in (1, 2, 3)]
    found = cheapest(groups, limits)
    assert found is not None
    used = np.sum([group[k] for group, k in zip(groups, found, strict=True)], axis=0)
    assert (used[1:] <= limits).all()
    for at, group in enumerate(groups):
        for row in group:
            other = used - groups[at][found[at]] + row
            assert other[0] >= used[0] or (other[1:] > limits).any()
    assert found == cheapest(groups, limits)


def test_what_the_solver_prints_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with knapsack._silent():
        os.write(1, b"a line of HiGHS\n")
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"
