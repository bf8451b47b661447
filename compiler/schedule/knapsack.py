"""One choice of each group, the least cost within several limits: a multiple-choice knapsack.

Solved exactly. Groups are added one after the other to partial sums of (cost, weights); a sum is
dropped where its weights with the least of all groups to come are beyond a limit, and where another
sum takes no more of anything. That is fast while few sums are left, as where limits are few or
loose. Where many are left, or solutions are excluded, HiGHS solves the same as an integer program
with a gap of zero; all its coefficients are integers, and what it finds is checked as integers.
So it does under rules (`Rule`) too.
"""

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Pair", "Rule", "cheapest"]

_STDOUT = 1  # its file descriptor
_FEW = 200  # sums between two groups; with more HiGHS is the faster one


@dataclass(frozen=True, eq=False)
class Pair:
    """Two groups whose choices say something together.

    :param kinds: int (choices,) of each of the two: the kinds of its choices, from 0.
    """

    groups: tuple[int, int]
    kinds: tuple[np.ndarray, np.ndarray]

    def of(self, solution: Sequence[int]) -> tuple[int, int]:
        """The kinds of a solution's two choices."""
        a, b = (int(k[solution[group]]) for group, k in zip(self.groups, self.kinds, strict=True))
        return a, b

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of kinds."""
        return int(self.kinds[0].max()) + 1, int(self.kinds[1].max()) + 1


@dataclass(frozen=True, eq=False)
class Rule:
    """A solution is allowed only where its choices' numbers add up to `most` or less.

    :param numbers: by index of a group, int64 (choices,); groups without add nothing.
    :param together: by index of a pair, int64 of its shape.
    """

    numbers: Mapping[int, np.ndarray]
    most: int
    together: Mapping[int, np.ndarray] = field(default_factory=dict)

    def holds(self, solution: Sequence[int], pairs: Sequence[Pair]) -> bool:
        """Whether it allows a solution."""
        total = sum(int(n[solution[group]]) for group, n in self.numbers.items())
        total += sum(int(n[pairs[pair].of(solution)]) for pair, n in self.together.items())
        return total <= self.most


def cheapest(
    groups: Sequence[np.ndarray],
    limits: Sequence[int],
    excluded: Collection[tuple[int, ...]] = (),
    rules: Sequence[Rule] = (),
    pairs: Sequence[Pair] = (),
) -> tuple[int, ...] | None:
    """The index chosen in each group; None where nothing is within the limits.

    :param groups: int64 (choices, 1 + limits) each: cost, weights; none negative.
    :param excluded: solutions that are not wanted.
    :param pairs: that the rules speak of.
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
    return _by_program(groups, most, [*rules, *alike], pairs)


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
    groups: Sequence[np.ndarray],
    limits: np.ndarray,
    rules: Sequence[Rule],
    pairs: Sequence[Pair],
) -> tuple[int, ...] | None:
    """The same by integer programming: a variable for each choice, 1 where it is taken.

    So there is for each two kinds of a pair; these follow from the others.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # it takes long to import
    from scipy.sparse import csr_array

    rows = np.concatenate(groups)
    sizes = [len(group) for group in groups] + [int(np.prod(pair.shape)) for pair in pairs]
    starts = np.cumsum([0, *sizes])
    chosen = np.arange(starts[-1]) < len(rows)
    equal, sums = _equalities(groups, pairs, starts)
    wanted = [LinearConstraint(csr_array(equal), sums, sums)]
    if len(limits):
        used = np.zeros((len(limits), starts[-1]))
        used[:, : len(rows)] = rows[:, 1:].T
        wanted.append(LinearConstraint(used, -np.inf, limits.astype(float)))
    if rules:
        numbers = np.zeros((len(rules), starts[-1]))
        for row, rule in zip(numbers, rules, strict=True):
            together = {len(groups) + pair: found for pair, found in rule.together.items()}
            for at, found in {**rule.numbers, **together}.items():
                row[starts[at] : starts[at + 1]] = found.ravel()
        wanted.append(LinearConstraint(csr_array(numbers), -np.inf, [r.most for r in rules]))
    cost = np.zeros(starts[-1])
    cost[: len(rows)] = rows[:, 0]
    with _silent():
        solved = milp(
            cost, integrality=chosen.astype(int), bounds=Bounds(0, 1), constraints=wanted,
            options={"mip_rel_gap": 0.0},
        )  # fmt: skip
    if solved.x is None:
        return None
    parts = np.split(np.round(solved.x[: len(rows)]), starts[1 : len(groups)])
    solution = tuple(int(part.argmax()) for part in parts)
    used = np.sum([group[k, 1:] for group, k in zip(groups, solution, strict=True)], axis=0)
    assert (used <= limits).all()
    assert all(rule.holds(solution, pairs) for rule in rules)
    return solution


@contextmanager
def _silent() -> Iterator[None]:
    """What a library prints past Python goes nowhere: HiGHS tells of some repairs, asked or not."""
    sys.stdout.flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:  # it is closed
        yield
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), _STDOUT)
    try:
        yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _equalities(
    groups: Sequence[np.ndarray], pairs: Sequence[Pair], starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, sums): one choice of each group; of a pair the two kinds that are chosen."""
    rows: list[np.ndarray] = []
    for at in range(len(groups)):
        rows.append(np.zeros(starts[-1]))
        rows[-1][starts[at] : starts[at + 1]] = 1
    for at, pair in enumerate(pairs, len(groups)):
        for axis, (group, kinds) in enumerate(zip(pair.groups, pair.kinds, strict=True)):
            for kind in range(pair.shape[axis]):
                taken = np.zeros(pair.shape)
                taken[(slice(None),) * axis + (kind,)] = 1
                rows.append(np.zeros(starts[-1]))
                rows[-1][starts[at] : starts[at + 1]] = taken.ravel()
                rows[-1][starts[group] : starts[group + 1]] -= kinds == kind
    return np.array(rows), np.array([1.0] * len(groups) + [0.0] * (len(rows) - len(groups)))
