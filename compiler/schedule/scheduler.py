"""`schedule`: from an integer graph to a design."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.text import to_text
from thresher.compiler.schedule.assemble import Lowered, lower
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Choice, Limits, area, figures
from thresher.compiler.schedule.choose import Family, families
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.fifofolding import check_fifos
from thresher.compiler.schedule.folding import Folding, check_folding, parted
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.search import Space, last_true
from thresher.compiler.schedule.targets import ScheduleOptions
from thresher.rtl.kernel import Resources

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

    def run(self) -> Design:
        options = self.options
        if options.max_latency_us is not None:
            return self._for_latency()
        if options.target_fps is not None:
            return self._for_interval()
        if options.capacity is not None:
            return self._fastest(self.limits)
        given = sum(products(f) for f in (options.folding or {}).values())
        return self._fastest({"products": given + DEFAULT_PRODUCTS})

    def _fastest(self, limits: Limits) -> Design:
        """The fastest design that the limits allow; its area, the FIFOs' included, is checked."""
        spare = dict(limits)
        for attempt in range(_ATTEMPTS):
            found = self._least(spare)
            if found is None:
                break
            candidate = found[0].candidate(found[1])
            over = _over(candidate.resources, self.limits)
            if not over:
                over = _over(estimate(candidate.final), self.limits)
                if not over:
                    return self._told(found[0], candidate)
            _tighten(spare, found[0], found[1], over, attempt)
        raise self._too_small(limits)

    def _least(self, limits: Limits) -> tuple[Family, Folding] | None:
        """The family and folding with the least interval, and of these the least area."""
        best: int | None = None
        found: tuple[Family, Folding] | None = None
        for family in sorted(self.families, key=lambda f: f.fastest):
            interval = family.least_interval(limits, best)
            if interval is not None:
                best = interval
                folding = family.for_interval(interval, limits) or family.at(interval, limits)
                assert folding is not None
                found = family, folding
        if found is None:
            folded = (
                (f, folding) for f in self.families
                if (folding := f.at(f.budgets[-1], limits)) is not None
            )  # fmt: skip
            return next(folded, None)
        return found

    def _too_small(self, limits: Limits) -> ThresherError:
        """Nothing fits: the resource that even the most folded design exceeds."""
        figure = ""
        for family in self.families:
            folding = family.at(family.budgets[-1], {})
            assert folding is not None
            over = _over(family.candidate(folding).resources, limits)
            for name, excess in over.items():
                label, limit, need = _shown(name, limits[name], limits[name] + excess)
                figure = f"{label} = {limit}, not take {need} even folded the most; allow {need}"
                break
        figure = figure or "these limits together; allow more of the scarcest"
        return ThresherError(f"capacity: the design must fit {figure}")

    def _for_interval(self) -> Design:
        """The least area that keeps the target's interval."""
        interval = self.options.interval
        assert interval is not None
        for family, folding in self._by_area(interval):
            design = self._meeting(family, folding, interval)
            if design is not None:
                return design
        if self.limits:
            nearest = self._fastest(self.limits)
            missed = self.options.misses(nearest.predicted)
            if missed is None:
                return nearest
            raise ThresherError(
                f"target: the design must reach {missed} within {self._scarcest(nearest)}; "
                f"{nearest.limit}"
            )
        nearest = self._fastest({})
        missed = self.options.misses(nearest.predicted)
        if missed is None:
            return nearest
        raise ThresherError(
            f"target: the design must reach {missed}; {nearest.limit}, even fully unrolled"
        )

    def _by_area(self, interval: int) -> Iterator[tuple[Family, Folding]]:
        """The families that can keep an interval, the one with the least area first."""
        found: list[tuple[int, int, Family, Folding]] = []
        for family in self.families:
            folding = family.for_interval(interval, self.limits)
            if folding is not None:
                kernels = (family.space.choice(n, f).area for n, f in folding.items())
                found.append((sum(kernels), len(found), family, folding))
        for _, _, family, folding in sorted(found, key=lambda f: f[:2]):
            yield family, folding

    def _meeting(self, family: Family, folding: Folding, interval: int) -> Design | None:
        """The design of the family that meets the targets and fits, if there is one."""
        spare, asked = dict(self.limits), interval
        for attempt in range(_ATTEMPTS):
            candidate = family.candidate(folding)
            late = candidate.ideal.interval - interval
            over = {} if late > 0 else _over(candidate.resources, self.limits)
            if late <= 0 and not over:
                late = candidate.final.predicted.interval - interval
                over = _over(estimate(candidate.final), self.limits)
                if late <= 0 and not over:
                    return self._relaxed(family, candidate)
            asked -= max(0, late)
            _tighten(spare, family, folding, over, attempt)
            again = family.for_interval(asked, spare) if asked > 0 else None
            if again is None:
                return None
            folding = again
        return None

    def _for_latency(self) -> Design:
        """The least area whose latency, and interval if asked for, meet the targets."""
        found: list[tuple[int, int, Family, Candidate]] = []
        for family in self.families:

            def meets(budget: int, family: Family = family) -> bool:
                folding = family.at(budget, {})
                assert folding is not None
                return self.options.misses(family.candidate(folding).ideal) is None

            budget = last_true(family.budgets, meets)
            tried = [b for b in family.budgets if budget is not None and b <= budget]
            for number, one in enumerate(reversed(tried)):
                folding = family.at(one, self.limits)
                if folding is None or number == _ATTEMPTS:
                    break
                candidate = family.candidate(folding)
                if _over(candidate.resources, self.limits):
                    continue
                if self.options.misses(candidate.final.predicted) is None:
                    found.append((area(candidate.resources), len(found), family, candidate))
                    break
        if found:
            _, _, family, candidate = min(found, key=lambda f: f[:2])
            return self._relaxed(family, candidate)
        nearest = self._fastest(self.limits)
        missed = self.options.misses(nearest.predicted)
        if missed is None:
            return nearest
        within = f" within {self._scarcest(nearest)}" if self.limits else ""
        raise ThresherError(f"target: the design must reach {missed}{within}; {nearest.limit}")

    def _relaxed(self, family: Family, chosen: Candidate) -> Design:
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
            fits = not _over(estimate(relaxed.final), self.limits)
            if fits and self.options.misses(relaxed.final.predicted) is None:
                return self._told(family, relaxed)
        return self._told(family, chosen)

    def _told(self, family: Family, candidate: Candidate) -> Design:
        """The final design, with what limits it."""
        design = candidate.final
        name = family.space.slowest(candidate.folding)
        if not name:
            return design
        cycles = family.space.choice(name, candidate.folding[name]).cycles
        limit = f"kernel '{name}' limits it with {cycles} of {design.predicted.interval} cycles"
        if self.limits:
            limit += f", {self._scarcest(design)}"
        return replace(design, limit=limit)

    def _scarcest(self, design: Design) -> str:
        """The limited resource of which least is left."""
        used = figures(estimate(design))
        name = max(self.limits, key=lambda n: used[n] / max(1, self.limits[n]))
        label, limit, _ = _shown(name, self.limits[name], used[name])
        return f"{label} = {limit}"


def _tighten(
    spare: dict[str, int], family: Family, folding: Folding, over: Limits, attempt: int
) -> None:
    """Leave the kernels less than they take in this folding, by the excess and ever more."""
    choices = [family.space.choice(name, f) for name, f in folding.items()]
    for name, excess in over.items():
        taken = sum(choice.used[name] for choice in choices)
        spare[name] = min(spare[name], taken) - (excess << attempt)


def _over(used: Resources, limits: Limits) -> dict[str, int]:
    """By resource how much is used beyond the limit."""
    found = figures(used)
    return {n: found[n] - most for n, most in limits.items() if n in found and found[n] > most}


def _shown(name: str, limit: int, need: int) -> tuple[str, int, int]:
    """A resource as users call it: block RAMs in units of 36 Kbit."""
    return ("bram", limit // 2, -(-need // 2)) if name == "bram18" else (name, limit, need)
