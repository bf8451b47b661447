"""Which folding of which form of the network: the search behind `schedule`.

A *family* is one form of the graph with a dataflow for each product inside a loop, and the steps
there either small or fast. In a family, an interval of T cycles a frame asks of kernels outside
loops that they keep T; and of kernels inside to keep a budget B <= T, for a step takes B and the
latency round the loop. A kernel that cannot keep B is as fast as it can be. B is the largest one
with which the solver's count for the loop stays within T. Under these budgets `Space.cheapest`
gives the least area, exactly; that all kernels of a loop share B is what is not exact.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Choice, Limits
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.search import Space, first_true

__all__ = ["Family", "families"]

_ELEMENTS = 20_000  # of all streams together, in the next best foldings that are looked at
_MOST_FREE = 3  # products in loops whose dataflows are combined freely


class Family:
    """The foldings of one form of the network that have the same dataflows inside loops.

    :param dataflows: by kernel.
    """

    def __init__(self, space: Space, dataflows: Mapping[str, frozenset[str]]) -> None:
        self.space, self.dataflows = space, dataflows
        self._spent: dict[tuple[object, ...], int] = {}

    @property
    def lowered(self) -> Lowered:
        """The form of the network."""
        return self.space.lowered

    @cached_property
    def inner(self) -> list[str]:
        """Kernels inside loops."""
        return self.space.names(True)

    def choices(self, name: str) -> list[Choice]:
        """A kernel's foldings of this family's dataflow, the fastest first."""
        dataflow = self.dataflows.get(name)
        return [c for c in self.space.choices[name] if dataflow in (None, c.dataflow)]

    def _cycles(self, names: Sequence[str]) -> list[int]:
        """The budgets that differ for these kernels, ascending."""
        return sorted({c.cycles for n in names for c in self.choices(n)} or {1})

    def _budgets(self, names: Iterable[str], budget: int) -> dict[str, int]:
        """One budget for all of them; a kernel that cannot keep it is as fast as it can be."""
        return {n: max(budget, self.choices(n)[0].cycles) for n in names}

    @cached_property
    def inner_budgets(self) -> list[int]:
        """Budgets of the kernels inside loops."""
        return self._cycles(self.inner)

    @cached_property
    def budgets(self) -> list[int]:
        """Budgets of all kernels alike."""
        return self._cycles(list(self.space.choices))

    @cached_property
    def fastest(self) -> int:
        """No interval is below this one."""
        return max((self.choices(n)[0].cycles for n in self.space.choices), default=1)

    def _under(
        self, budgets: Mapping[str, int], limits: Limits, excluded: Collection[Folding] = ()
    ) -> Folding | None:
        return self.space.cheapest(budgets, self.dataflows, limits, excluded)

    @cached_property
    def _fastest_outer(self) -> Folding:
        """Kernels outside loops, each as fast as it can be."""
        return {n: self.choices(n)[0].folding for n in self.space.names(False)}

    def spent(self, budget: int) -> int:
        """Cycles a frame of the loops with this budget inside and all else as fast as can be."""
        folding = self._under(self._budgets(self.inner, budget), {})
        assert folding is not None
        key = tuple(tuple(sorted(folding[name].items())) for name in self.inner)
        if key not in self._spent:
            candidate = self.candidate({**self._fastest_outer, **folding})
            self._spent[key] = candidate.ideal.interval
        return self._spent[key]

    @cached_property
    def alternatives(self) -> int:
        """So many next best foldings are worth a look: few where a run of the solver is long."""
        streams = sum(stream.elements for stream in self.lowered.streams.values())
        return _ELEMENTS // streams

    def candidate(self, folding: Folding) -> Candidate:
        """The folding, to be looked at."""
        return Candidate(self.lowered, folding, self.space.capacity, self.space.fifos)

    def area(self, folding: Folding) -> int:
        """`Space.area`."""
        return self.space.area(folding)

    def least_area(self, interval: int, limits: Limits) -> int | None:
        """No folding that keeps this interval has less area; None where none keeps it.

        Of loops only that no kernel takes longer, whatever the way round takes.
        """
        if interval < self.fastest:
            return None
        folding = self.space.cheapest(
            dict.fromkeys(self.space.choices, interval), self.dataflows, limits
        )
        return None if folding is None else self.area(folding)

    def for_interval(
        self, interval: int, limits: Limits, excluded: Collection[Folding] = ()
    ) -> Folding | None:
        """The least area that keeps this interval within the limits; None where nothing does.

        :param excluded: foldings that are not wanted: the next best comes in their place.
        """
        budgets = dict.fromkeys(self.space.choices, interval)
        if interval < self.fastest:
            return None
        if self.inner:
            kept = (b for b in reversed(self.inner_budgets) if b <= interval)
            inner = next((b for b in kept if self.spent(b) <= interval), None)
            if inner is None:
                return None
            budgets |= self._budgets(self.inner, inner)
        return self._under(budgets, limits, excluded)

    def at(self, budget: int, limits: Limits) -> Folding | None:
        """The least area with one budget for all kernels."""
        return self._under(self._budgets(self.space.choices, budget), limits)

    def least_interval(self, limits: Limits, below: int | None = None) -> int | None:
        """The least interval that can be kept within the limits, and is below one if given."""
        if below is None and self.at(self.budgets[-1], limits) is None:
            return None
        if self.inner:
            most = max(self.budgets[-1], self.spent(self.inner_budgets[-1]))
        else:
            most = self.budgets[-1]
        if below is not None:
            if below <= self.fastest or self.for_interval(below - 1, limits) is None:
                return None
            most = min(most, below - 1)
        tried = range(self.fastest, most + 1)
        return first_true(tried, lambda t: self.for_interval(t, limits) is not None)


def families(space: Space) -> Iterator[Family]:
    """All families of one form of the network."""
    free: dict[str, list[frozenset[str]]] = {}
    steps: list[str] = []
    for name in space.names(True):
        flows = {c.dataflow for c in space.choices[name]}
        if len(flows) > 1 and any("fast" in flow for flow in flows):
            steps.append(name)
        elif len(flows) > 1:
            free[name] = sorted(flows, key=sorted)
    if len(free) > _MOST_FREE:
        combined = [[flows[k] for flows in free.values()] for k in range(2)]
    else:
        combined = [list(flows) for flows in product(*free.values())]
    forms = (frozenset({"lanes"}), frozenset({"lanes", "fast"}))
    for flows, form in product(combined, forms if steps else forms[:1]):
        yield Family(space, dict(zip(free, flows, strict=True)) | dict.fromkeys(steps, form))
