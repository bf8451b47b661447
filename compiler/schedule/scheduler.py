"""`schedule`: from an integer graph to a design."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.text import to_text
from thresher.compiler.schedule.assemble import Lowered, lower
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Choice, Limits
from thresher.compiler.schedule.choose import Family, families
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.exact import Target
from thresher.compiler.schedule.fifofolding import check_fifos
from thresher.compiler.schedule.fits import excess, scarcest, tighten, too_small
from thresher.compiler.schedule.folding import Folding, check_folding, parted
from thresher.compiler.schedule.latency import for_latency
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.proof import Found, Prover
from thresher.compiler.schedule.search import Space, last_true
from thresher.compiler.schedule.targets import ScheduleOptions

__all__ = ["ScheduleOptions", "schedule"]

DEFAULT_PRODUCTS = 64
_ATTEMPTS = 6


def schedule(
    graph: IntegerGraph,
    options: ScheduleOptions | None = None,
    *,
    alternatives: Sequence[IntegerGraph] = (),
) -> Design:
    """The design that meets the targets with the least area, or the fastest that fits.

    :param alternatives: other forms of the same network, any of which will do.
    :raises ThresherError: a folding that does not fit the design, a target that no folding
        meets, or a capacity that no folding fits; the message gives the nearest figure.
    :raises ModelError: the graph breaks a rule of the integer graph.
    """
    options = options or ScheduleOptions()
    return _Search(_spaces((graph, *alternatives), options), options).run()


def _spaces(graphs: Sequence[IntegerGraph], options: ScheduleOptions) -> list[Space]:
    """The foldings of every form that differs and that a given folding fits.

    :raises ThresherError: it fits none; what is wrong with the first that has its kernels.
    """
    forms: dict[str, Lowered] = {}
    for graph in graphs:
        text = to_text(graph)
        if text not in forms:
            forms[text] = lower(graph, options.samples)
    folding, asked = parted(options.folding or {})
    fitting = [f for f in forms.values() if set(folding) <= set(f.requests)]
    found = fitting or list(forms.values())[:1]
    ultra = bool(options.limits.get("uram"))
    fifos = check_fifos(asked, ultra)
    spaces: list[Space] = []
    refused: list[ThresherError] = []
    for form in found:
        try:
            given = check_folding(form.requests, folding, ultra)
        except ThresherError as e:
            refused.append(e)
        else:
            spaces.append(Space(form, given, options.limits, fifos))
    if not spaces:
        raise refused[0]
    return spaces


class _Search:
    def __init__(self, spaces: list[Space], options: ScheduleOptions) -> None:
        self.spaces, self.options = spaces, options
        self.families = [family for space in spaces for family in families(space)]
        self.limits = options.limits
        self.prover = Prover(spaces, options)

    def run(self) -> Design:
        options = self.options
        if options.max_latency_us is None and options.target_fps is None:
            given = sum(products(f) for f in (options.folding or {}).values())
            limits = self.limits if options.capacity else {"products": given + DEFAULT_PRODUCTS}
            return self._told(self._fastest(limits))
        found = self._for_interval() if options.max_latency_us is None else self._for_latency()
        target = Target(options.interval, options.latency)
        least = self.prover.least(found, target, self.limits)
        return self._told(least or self._nearest())

    def _nearest(self) -> Found:
        """The fastest, where it meets the target that the search has not met.

        :raises ThresherError: it misses it.
        """
        nearest = self._fastest(self.limits)
        missed = self.options.misses(nearest.candidate.final.predicted)
        if missed is None:
            return nearest
        limit = self._told(nearest).limit
        if self.limits:
            within = f" within {scarcest(nearest.candidate.final, self.limits)}"
            raise ThresherError(f"target: the design must reach {missed}{within}; {limit}")
        raise ThresherError(f"target: the design must reach {missed}; {limit}, even fully unrolled")

    def _fastest(self, limits: Limits) -> Found:
        """The fastest design that the limits allow; its area, the FIFOs' included, is checked."""
        spare, wider, least = dict(limits), dict(limits), 0
        for attempt in range(_ATTEMPTS):
            found = self._least(spare)
            if found is None and spare == wider:
                break
            if found is None:  # tightened too far: half the way back
                spare = {name: (most + wider[name]) // 2 for name, most in spare.items()}
                continue
            family, folding, interval = found
            least = least or interval
            candidate = family.candidate(folding)
            over = excess(candidate.resources, self.limits)
            if not over:
                over = excess(estimate(candidate.final), self.limits)
                if not over:
                    faster = self._faster(family, candidate, range(least, interval))
                    return self.prover.fastest(faster, limits)
            wider = dict(spare)
            tighten(spare, family, folding, over, attempt)
        raise too_small(self.families, limits)

    def _faster(self, chosen: Family, candidate: Candidate, intervals: range) -> Found:
        """The first of these intervals that a family can keep, or else what was chosen.

        The kernels alone would keep these intervals within the limits.
        """
        failed: set[tuple[int, int]] = set()
        for interval in intervals:
            for number, family in enumerate(self.families):
                folding = (
                    family.for_interval(interval, self.limits) if family.alternatives else None
                )
                if folding is None or (number, family.area(folding)) in failed:
                    continue
                failed.add((number, family.area(folding)))
                found = self._meeting(family, folding, interval)
                if found is not None:
                    return Found(family.space, found)
        return Found(chosen.space, candidate)

    def _least(self, limits: Limits) -> tuple[Family, Folding, int] | None:
        """(family, folding, interval): the least interval, and of these the least area."""
        best: int | None = None
        for family in sorted(self.families, key=lambda f: f.fastest):
            best = family.least_interval(limits, best) or best
        if best is not None:
            return *next(self._by_area(best, limits)), best
        for family in self.families:
            folding = family.at(family.budgets[-1], limits)
            if folding is not None:
                return family, folding, family.candidate(folding).ideal.interval
        return None

    def _for_interval(self) -> Found | None:
        """The least area that keeps the target's interval with one budget in a loop."""
        interval = self.options.interval
        assert interval is not None
        best: tuple[int, Family, Candidate] | None = None
        for family, folding in self._by_area(interval, self.limits):
            if best is not None and best[0] <= family.area(folding):
                break
            found = self._meeting(family, folding, interval)
            if found is not None and (best is None or family.area(found.folding) < best[0]):
                best = family.area(found.folding), family, found
        return None if best is None else self._relaxed(best[1], best[2])

    def _by_area(self, interval: int, limits: Limits) -> Iterator[tuple[Family, Folding]]:
        """The families that can keep an interval, the one with the least area first.

        A family is only looked at closely where no other one is known to take less.
        """
        waiting: list[tuple[int, int, Folding | None]] = []
        for number, family in enumerate(self.families):
            bound = family.least_area(interval, limits)
            if bound is not None:
                heappush(waiting, (bound, number, None))
        while waiting:
            _, number, folding = heappop(waiting)
            family = self.families[number]
            if folding is not None:
                yield family, folding
                continue
            folding = family.for_interval(interval, limits)
            if folding is not None:
                heappush(waiting, (family.area(folding), number, folding))

    def _meeting(self, family: Family, folding: Folding, interval: int) -> Candidate | None:
        """The family's candidate that keeps the interval and fits, if there is one.

        Where the FIFOs and all else between the kernels are too much, the next best folding is
        looked at, and the next; where these are not worth their time, or all too large, the kernels
        get less.
        """
        spare, asked = dict(self.limits), interval
        excluded: list[Folding] = []
        for attempt in range(_ATTEMPTS + family.alternatives):
            candidate = family.candidate(folding)
            late, over = self._misfit(candidate, interval)
            if late <= 0 and not over:
                return candidate
            if late <= 0 and attempt < family.alternatives:
                excluded.append(folding)
            else:
                asked -= max(0, late)
                shift = max(0, attempt - family.alternatives)
                tighten(spare, family, folding, over, shift)
            again = family.for_interval(asked, spare, excluded) if asked > 0 else None
            if again is None:
                return None
            folding = again
        return None

    def _misfit(self, candidate: Candidate, interval: int) -> tuple[int, dict[str, int]]:
        """(cycles above the interval, resources above their limits); the FIFOs' too."""
        late = candidate.ideal.interval - interval
        over = {} if late > 0 else excess(candidate.resources, self.limits)
        if late > 0 or over:
            return late, over
        late = candidate.final.predicted.interval - interval
        return late, excess(estimate(candidate.final), self.limits)

    def _for_latency(self) -> Found | None:
        """A small area whose latency, and interval if asked for, meet the targets."""
        found = for_latency(self.families, self.options, self.limits)
        return None if found is None else self._relaxed(*found)

    def _relaxed(self, family: Family, chosen: Candidate) -> Found:
        """Kernel by kernel, those with most to save first, slower while the targets are met."""
        space, folding = family.space, dict(chosen.folding)

        def meets(name: str, choice: Choice) -> bool:
            tried = family.candidate({**folding, name: choice.folding})
            return self.options.misses(tried.ideal) is None

        slower = {name: space.cheaper(name, folding[name]) for name in folding}
        saved = {
            name: space.choice(name, folding[name]).area - found[-1].area
            for name, found in slower.items() if found
        }  # fmt: skip
        for name in sorted(saved, key=lambda n: (-saved[n], n)):
            choice = last_true(slower[name], partial(meets, name))
            if choice is not None:
                folding[name] = choice.folding
        if folding != chosen.folding:
            relaxed = family.candidate(folding)
            fits = not excess(estimate(relaxed.final), self.limits)
            if fits and self.options.misses(relaxed.final.predicted) is None:
                return Found(space, relaxed)
        return Found(space, chosen)

    def _told(self, found: Found) -> Design:
        """The final design, with what limits it."""
        space, folding, design = found.space, found.candidate.folding, found.candidate.final
        name = space.slowest(folding)
        if not name:
            return design
        cycles = space.choice(name, folding[name]).cycles
        limit = f"kernel '{name}' limits it with {cycles} of {design.predicted.interval} cycles"
        if self.limits:
            limit += f", {scarcest(design, self.limits)}"
        return replace(design, limit=f"{limit}; {found.note}" if found.note else limit)
