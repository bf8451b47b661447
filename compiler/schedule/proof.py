"""From a design that meets the targets to the one of least area, and whether it is proven to be so.

What the search has found is the bound below which `Exact` looks, form by form of the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Limits, area
from thresher.compiler.schedule.exact import Effort, Exact, Outcome, Target
from thresher.compiler.schedule.fits import excess
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.search import Space
from thresher.compiler.schedule.targets import ScheduleOptions

__all__ = ["Found", "Prover"]


@dataclass(frozen=True, eq=False)
class Found:
    """A candidate.

    :param space: of its form of the network.
    :param note: what is not proven of it, or "".
    """

    space: Space
    candidate: Candidate
    note: str = ""

    @property
    def area(self) -> int:
        """Of its kernels."""
        return self.space.area(self.candidate.folding)

    @property
    def whole(self) -> int:
        """Area of the whole design."""
        return area(estimate(self.candidate.final))


class Prover:
    """The forms of a network; each proof has an effort for all of them together."""

    def __init__(self, spaces: Sequence[Space], options: ScheduleOptions) -> None:
        self.options = options
        self._forms = [Exact(space) for space in spaces]

    def least(self, found: Found | None, target: Target, limits: Limits) -> Found | None:
        """The least area of all that meets the target; None where nothing is known to.

        :param found: a candidate that meets it, or None.
        :param limits: of all kernels together.
        """
        best = found
        bounds: list[int] = []
        effort = Effort()
        for form in self._forms:
            outcome = self._outcome(form, target, limits, best, effort)
            if not outcome.proven:
                bounds.append(outcome.least)
            if outcome.candidate is not None:
                best = Found(form.space, outcome.candidate)
        if best is None:
            return None
        least = min(*bounds, best.area) if bounds else best.area
        if found is not None and found.whole < best.whole:
            note = f"its kernels take {found.area}, others {best.area} but more with their FIFOs"
            best = replace(found, note=note)
        if not bounds or least == best.area:
            return best
        note = f"kernels' area {best.area} not proven least, which is no less than {least}"
        return replace(best, note=note)

    def fastest(self, found: Found, limits: Limits) -> Found:
        """The least interval within the limits, and of these the least area.

        :param found: a candidate within the limits.
        """
        effort = Effort()
        while True:
            interval = found.candidate.final.predicted.interval
            proven, faster = True, None
            for form in self._forms:
                outcome = self._outcome(form, Target(interval - 1), limits, None, effort)
                proven = proven and outcome.proven
                if outcome.candidate is not None:
                    faster = Found(form.space, outcome.candidate)
                    break
            if faster is None:
                break
            found = faster
        least = self.least(found, Target(interval), limits)
        assert least is not None
        if proven:
            return least
        notes = [f"interval of {interval} cycles not proven least", *filter(None, [least.note])]
        return Found(least.space, least.candidate, "; ".join(notes))

    def _outcome(
        self,
        form: Exact,
        target: Target,
        limits: Limits,
        found: Found | None,
        effort: Effort,
    ) -> Outcome:
        below = None if found is None else found.area
        return form.least(target, limits, below, partial(self._fits, target), effort)

    def _fits(self, target: Target, candidate: Candidate) -> bool:
        """Whether it will do, its FIFOs and all between its kernels included."""
        limits = self.options.limits
        if excess(candidate.resources, limits):
            return False
        final = candidate.final
        return target.is_met(final.predicted) and not excess(estimate(final), limits)
