"""A design of small area for a latency: one budget of cycles for all kernels, then balanced."""

from collections.abc import Sequence

from thresher.compiler.schedule.balance import balanced
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Limits, area
from thresher.compiler.schedule.choose import Family
from thresher.compiler.schedule.fits import excess
from thresher.compiler.schedule.search import last_true
from thresher.compiler.schedule.targets import ScheduleOptions

__all__ = ["for_latency"]

_ATTEMPTS = 6


def for_latency(
    families: Sequence[Family], options: ScheduleOptions, limits: Limits
) -> tuple[Family, Candidate] | None:
    """A small area whose latency, and interval if asked for, meet the targets.

    :param families: all of all forms of the network.
    :param limits: of all kernels together.
    """
    found: list[tuple[int, int, Family, Candidate]] = []
    kept: int | None = None
    for family in families:
        if kept is None or family.alternatives:
            budget = _greatest(family, options)
        else:  # a run of the solver takes long: the budget that another family keeps will do
            budget = max((b for b in family.budgets if b <= kept), default=None)
            folding = None if budget is None else family.at(budget, limits)
            if folding is None or family.area(folding) >= min(f[0] for f in found):
                continue
        made = None if budget is None else _within(family, budget, options, limits)
        if made is not None:
            kept = budget
            whole = area(made.resources) if family.alternatives else family.area(made.folding)
            found.append((whole, len(found), family, made))
    if not found:
        return _beyond(families, options, limits)
    _, _, family, candidate = min(found, key=lambda f: f[:2])
    if options.latency is not None:
        better = balanced(family, candidate, options.latency, limits)
        if better is not None and options.misses(better.final.predicted) is None:
            candidate = better
    return family, candidate


def _beyond(
    families: Sequence[Family], options: ScheduleOptions, limits: Limits
) -> tuple[Family, Candidate] | None:
    """Where no single budget is within the limits: balanced from one that is not."""
    for family in families if options.latency is not None else ():
        budget = _greatest(family, options)
        folding = None if budget is None else family.at(budget, {})
        if folding is None or options.latency is None:
            continue
        found = balanced(family, family.candidate(folding), options.latency, limits)
        if found is not None and options.misses(found.final.predicted) is None:
            return family, found
    return None


def _greatest(family: Family, options: ScheduleOptions) -> int | None:
    """The greatest budget for all kernels under which the targets are met, whatever the area."""

    def meets(budget: int) -> bool:
        folding = family.at(budget, {})
        assert folding is not None
        return options.misses(family.candidate(folding).ideal) is None

    return last_true(family.budgets, meets)


def _within(
    family: Family, budget: int, options: ScheduleOptions, limits: Limits
) -> Candidate | None:
    """The candidate of this budget, or the next less ones, that is within the limits."""
    tried = [b for b in family.budgets if b <= budget]
    for one in tried[: -_ATTEMPTS - 1 : -1]:
        folding = family.at(one, limits)
        if folding is None:
            return None
        candidate = family.candidate(folding)
        if excess(candidate.resources, limits):
            continue
        if options.misses(candidate.final.predicted) is None:
            return candidate
    return None
