"""One choice of each group, the least cost within several limits: a multiple-choice knapsack.

Solved exactly. Groups are added one after the other to partial sums of (cost, weights); a sum is
dropped where its weights with the least of all groups to come are beyond a limit, and where another
sum takes no more of anything. That is fast while few sums are left, as where limits are few or
loose. Where many are left, or solutions are excluded, HiGHS solves the same as an integer program
with a gap of zero; all its coefficients are integers, and what it finds is checked as integers.
So it does under rules (`Rule`) too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Rule", "cheapest"]

_FEW = 200  # sums between two groups; with more HiGHS is the faster one


@dataclass(frozen=True, eq=False)
class Rule:
    """A solution is allowed only where its choices' numbers add up to `most` or less.

    :param numbers: by index of a group, int64 (choices,); groups without add nothing.
    """

    numbers: Mapping[int, np.ndarray]
    most: int

    def holds(self, solution: Sequence[int]) -> bool:
        """Whether it allows a solution."""
        return sum(int(n[solution[group]]) for group, n in self.numbers.items()) <= self.most


def cheapest(
    groups: Sequence[np.ndarray],
    limits: Sequence[int],
    excluded: Collection[tuple[int, ...]] = (),
    rules: Sequence[Rule] = (),
) -> tuple[int, ...] | None:
    """The index chosen in each group; None where nothing is within the limits.

    :param groups: int64 (choices, 1 + limits) each: cost, weights; none negative.
    :param excluded: solutions that are not wanted.
    :returns: a solution of least cost; equal arguments give equal results.
    """
    if any(len(group) == 0 for group in groups):
        return None
    most = np.array(limits, np.int64)
    if not excluded and not rules:
        try:
            return _by_sums(groups, most)
        except _TooManyError:
            pass
    every = range(len(groups))
    alike = [
        Rule({k: np.arange(len(groups[k])) == solution[k] for k in every}, len(groups) - 1)
        for solution in excluded
    ]
    return _by_program(groups, most, [*rules, *alike])


class _TooManyError(Exception):
    """More partial sums than `_FEW`."""


def _by_sums(groups: Sequence[np.ndarray], limits: np.ndarray) -> tuple[int, ...] | None:
    """Of equal costs, the solution with the least first weight, and so on.

    :raises _TooManyError: it would take long.
    """
    least = np.array([group[:, 1:].min(axis=0) for group in groups])
    least = least.reshape(len(groups), len(limits))
    left = limits - least.sum(axis=0)
    sums = np.zeros((1, 1 + len(limits)), np.int64)
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for group, lowest in zip(groups, least, strict=True):
        left = left + lowest
        trial = (sums[:, None] + group[None]).reshape(-1, sums.shape[1])
        kept = np.nonzero((trial[:, 1:] <= left).all(axis=1))[0]
        kept = kept[_undominated(trial[kept])]
        if not len(kept):
            return None
        made.append(np.divmod(kept, len(group)))
        sums = trial[kept]
    chosen, at = [], 0
    for before, choice in reversed(made):
        chosen.append(int(choice[at]))
        at = int(before[at])
    return tuple(reversed(chosen))


def _undominated(sums: np.ndarray) -> np.ndarray:
    """The indices, sums ascending, of those that no other one equals or beats in everything.

    :raises _TooManyError: there are more than `_FEW`.
    """
    order = np.lexsort(sums.T[::-1])
    ordered = sums[order, 1:]
    kept = np.empty((_FEW, ordered.shape[1]), np.int64)
    found: list[int] = []
    for k, row in enumerate(ordered):
        if not (kept[: len(found)] <= row).all(axis=1).any():
            if len(found) == _FEW:
                raise _TooManyError
            kept[len(found)] = row
            found.append(k)
    return order[found]


def _by_program(
    groups: Sequence[np.ndarray], limits: np.ndarray, wanted: Sequence[Rule]
) -> tuple[int, ...] | None:
    """The same by integer programming: a variable for each choice, 1 where it is taken."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # it takes long to import
    from scipy.sparse import csr_array

    rows = np.concatenate(groups)
    sizes = [len(group) for group in groups]
    starts = np.cumsum([0, *sizes])
    columns = np.arange(len(rows))
    of_group = csr_array((np.ones(len(rows)), (np.repeat(np.arange(len(groups)), sizes), columns)))
    rules = [LinearConstraint(of_group, 1, 1)]
    if len(limits):
        rules.append(LinearConstraint(rows[:, 1:].T.astype(float), -np.inf, limits.astype(float)))
    if wanted:
        numbers = np.zeros((len(wanted), len(rows)))
        for row, rule in zip(numbers, wanted, strict=True):
            for group, found in rule.numbers.items():
                row[starts[group] : starts[group + 1]] = found
        rules.append(LinearConstraint(numbers, -np.inf, np.array([r.most for r in wanted])))
    solved = milp(
        rows[:, 0].astype(float), integrality=np.ones(len(rows)), bounds=Bounds(0, 1),
        constraints=rules, options={"mip_rel_gap": 0.0},
    )  # fmt: skip
    if solved.x is None:
        return None
    parts = np.split(np.round(solved.x), starts[1:-1])
    chosen = tuple(int(part.argmax()) for part in parts)
    used = sum(group[k, 1:] for group, k in zip(groups, chosen, strict=True))
    assert (used <= limits).all()
    assert all(rule.holds(chosen) for rule in wanted)
    return chosen
