"""A latency shared out among kernels that take unlike parts in it.

With one budget of cycles for all, a kernel that works behind all others, and so adds all its cycles
to the latency, gets as many as one that works beside them and adds the cycles of a row. Here the
latency of a design is taken as linear in its neighbourhood,

    latency = b * interval + sum of a[k] * cycles[k] + rest,

where a[k] and b are differences that the solver gives, kernel by kernel. For each interval, an
integer program (`knapsack`) takes the foldings of least area whose linear latency is within the
target. The solver counts what that really takes, and moves `rest` where it is more or less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import numpy as np

from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Choice, Limits, area, figures
from thresher.compiler.schedule.choose import Family
from thresher.compiler.schedule.cycles import Deadlock
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.design import Predicted
from thresher.compiler.schedule.fits import excess
from thresher.compiler.schedule.knapsack import Rule, cheapest

__all__ = ["Balance", "balanced", "frontier"]

_SHARE = 200  # a kernel whose foldings differ by less than this part of the area stays as it is
_INTERVALS = 24  # that are looked at
_TRIALS = 30  # candidates that the solver counts
_FACTOR = 4 / 3  # by which a kernel's cycles differ, about, to see what that does
_CLOSE = 100  # of a latency so small a part may be left


def frontier(choices: Sequence[Choice], limits: Limits) -> list[Choice]:
    """By cycles, those within the limits that none beats in cycles, area and limited resources."""
    keys = sorted(limits)
    most = (1 << 62, *(limits[key] for key in keys))
    found: list[tuple[tuple[int, ...], Choice]] = []
    for choice in sorted(choices, key=lambda c: (c.cycles, area(c.least))):
        if choice.as_rule:
            continue
        for resources, exact in choice.bounds():
            used = {**figures(resources), "products": products(choice.folding)}
            mine = (area(resources), *(used[key] for key in keys))
            if not _within(mine, most) or any(_within(other, mine) for other, _ in found):
                break
            if exact:  # of as many cycles there may be worse ones
                found = [
                    (other, c) for other, c in found
                    if c.cycles < choice.cycles or not _within(mine, other)
                ]  # fmt: skip
                found.append((mine, choice))
    return [choice for _, choice in found]


def _within(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Balance:
    """The linear latency around a design.

    :param cycles: of the kernels that may change.
    :param slopes: by such a kernel, cycles of latency for each of its cycles.
    :param slope: cycles of latency for each of the interval.
    """

    at: Predicted
    cycles: Mapping[str, int]
    slopes: Mapping[str, float]
    slope: float

    def room(self, latency: int, interval: int) -> float:
        """What the kernels' parts may sum up to within this latency, if the interval is so."""
        mine = sum(self.slopes[name] * cycles for name, cycles in self.cycles.items())
        return latency - self.at.latency + mine - self.slope * (interval - self.at.interval)


class _Balancer:
    def __init__(self, family: Family, start: Candidate, latency: int, limits: Limits) -> None:
        self.family, self.start, self.latency, self.limits = family, start, latency, limits
        space = family.space
        self.now = {name: space.choice(name, f) for name, f in start.folding.items()}
        self.least = sum(choice.area for choice in self.now.values())
        fits = not excess(start.resources, limits)
        self.found = {name: self._frontier(name) for name in self.now}
        self.free = [
            name for name, found in self.found.items()
            if len(found) > 1
            and (not fits or found[0].area - found[-1].area > self.least // _SHARE)
        ]  # fmt: skip
        if not fits:
            self.least = 1 << 62

    def _frontier(self, name: str) -> list[Choice]:
        """Of the family's dataflow, with no more cycles than the latency."""
        choices = [c for c in self.family.choices(name) if c.cycles <= self.latency]
        if "dsp" not in self.limits and any(not c.sparing for c in choices):
            choices = [c for c in choices if not c.sparing]
        moved = [d for c in choices for d in (c, *self.family.space.moved(c, self.limits))]
        return frontier(moved, self.limits)

    def _changed(self, changed: Mapping[str, Choice]) -> Candidate:
        """The start with these kernels changed."""
        folding = {**self.start.folding, **{n: choice.folding for n, choice in changed.items()}}
        return self.family.candidate(folding)

    def _counted(self, changed: Mapping[str, Choice]) -> Predicted | None:
        """The cycles with these kernels changed."""
        try:
            return self._changed(changed).ideal
        except Deadlock:
            return None

    def balance(self) -> Balance:
        """The linear latency, from one run of the solver for each kernel and one for all."""
        at = self.start.ideal
        slopes = {}
        for name in self.free:
            mine = self.now[name].cycles
            choice = self._other(name, at.interval)
            counted = None if choice is None else self._counted({name: choice})
            if counted is None or choice is None:
                slopes[name] = 1.0
            else:
                slope = (counted.latency - at.latency) / (choice.cycles - mine)
                slopes[name] = min(1.0, max(0.0, slope))
        cycles = {name: self.now[name].cycles for name in self.free}
        slower = {
            name: next((c for c in self.found[name] if c.cycles >= _FACTOR * cycles[name]), None)
            for name in self.free if cycles[name] > at.interval / _FACTOR
        }  # fmt: skip
        changed = {name: choice for name, choice in slower.items() if choice is not None}
        slope, counted = 1.0, self._counted(changed)
        if counted is not None and counted.interval > at.interval:
            more = sum(slopes[n] * (c.cycles - cycles[n]) for n, c in changed.items())
            more = counted.latency - at.latency - more
            slope = min(1.0, max(0.0, more / (counted.interval - at.interval)))
        return Balance(at, cycles, slopes, slope)

    def _other(self, name: str, interval: int) -> Choice | None:
        """A folding whose cycles differ, slower ones first, but none that limits the interval."""
        mine = self.now[name].cycles
        slower = [c for c in self.found[name] if mine * _FACTOR <= c.cycles <= interval]
        faster = [c for c in self.found[name] if c.cycles * _FACTOR <= mine]
        return slower[0] if slower else faster[-1] if faster else None

    def intervals(self) -> list[int]:
        """Intervals that some kernel has, spread evenly over all of them."""
        least = max((found[0].cycles for found in self.found.values() if found), default=1)
        every = sorted({c.cycles for n in self.free for c in self.found[n] if c.cycles >= least})
        at = np.linspace(0, len(every) - 1, min(_INTERVALS, len(every)))
        return [every[k] for k in np.unique(at.astype(int)).tolist()]

    def solved(self, balance: Balance, interval: int, rest: float) -> dict[str, Choice] | None:
        """The least area within this interval and the linear latency; None where there is none."""
        allowed = {n: [c for c in self.found[n] if c.cycles <= interval] for n in self.free}
        if not all(self.found.values()) or not all(allowed.values()):
            return None
        keys = sorted(self.limits)
        fixed = [choice for name, choice in self.now.items() if name not in allowed]
        left = [self.limits[key] - sum(c.used[key] for c in fixed) for key in keys]
        if any(spare < 0 for spare in left):
            return None
        groups = [
            np.array([(c.area, *(c.used[key] for key in keys)) for c in choices], np.int64)
            for choices in allowed.values()
        ]
        parts = {
            k: np.array([round(balance.slopes[n] * c.cycles) for c in choices], np.int64)
            for k, (n, choices) in enumerate(allowed.items())
        }
        room = int(balance.room(self.latency, interval) - rest)
        chosen = cheapest(groups, left, rules=[Rule(parts, room)])
        if chosen is None:
            return None
        return {n: found[k] for (n, found), k in zip(allowed.items(), chosen, strict=True)}

    def search(self) -> Candidate | None:
        """The least area of those that are looked at; None where none is less than the start's."""
        balance = self.balance()
        numbers = count()
        waiting: list[tuple[int, int, int, float, dict[str, Choice] | None]] = [
            (0, next(numbers), interval, 0.0, None) for interval in self.intervals()
        ]
        best: tuple[int, Candidate] | None = None
        trials = _TRIALS
        while waiting and trials:
            whole, _, interval, rest, chosen = heappop(waiting)
            if whole >= (self.least if best is None else best[0]):
                break
            if chosen is None:
                chosen = self.solved(balance, interval, rest)
                if chosen is not None:
                    whole = sum(choice.area for choice in {**self.now, **chosen}.values())
                    heappush(waiting, (whole, next(numbers), interval, rest, chosen))
                continue
            trials -= 1
            candidate = self._changed(chosen)
            spare = self.latency - candidate.ideal.latency
            if spare >= 0 and not excess(candidate.resources, self.limits):
                best = whole, candidate
            if spare < 0 or spare > self.latency // _CLOSE:
                heappush(waiting, (0, next(numbers), interval, rest - spare, None))
        return None if best is None else best[1]


def balanced(family: Family, start: Candidate, latency: int, limits: Limits) -> Candidate | None:
    """A candidate of less area that keeps the latency, or None.

    :param start: a candidate that keeps it, within the limits or not.
    :param limits: of all kernels together.
    """
    return _Balancer(family, start, latency, limits).search()
