"""The automatic choice of foldings: every kernel the cheapest that keeps up with one budget.

A kernel's cycles a frame follow from its timing: no process fires twice in a cycle. Under a budget
of B cycles a frame every kernel takes its cheapest folding of at most B. What the whole design
then does in how many cycles the exact solver says; B is searched for the target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.requests import Request
from thresher.rtl.kernel import Kernel, Resources

__all__ = ["Choice", "Space", "area", "last_true"]


@dataclass(frozen=True)
class Choice:
    """One folding of one kernel.

    :param cycles: the least cycles a frame that it takes.
    """

    folding: Mapping[str, int]
    cycles: int
    resources: Resources


def area(resources: Resources) -> int:
    """One figure to compare: LUTs, where a DSP counts as 100, a RAMB18 as 150 and an FF as 1/4.

    About the ratio in which 7-series devices hold them.
    """
    return resources.lut + resources.ff // 4 + 100 * resources.dsp + 150 * resources.bram18


def period_cycles(kernel: Kernel) -> int:
    """The least cycles of one period."""
    return max(sum(f.repeat for f in p) for p in kernel.timing().processes)


class Space:
    """Choices per kernel; those that another one beats in cycles and area are left out.

    :param fixed: foldings that the user gave.
    """

    def __init__(self, lowered: Lowered, fixed: Folding) -> None:
        self.lowered = lowered
        self.choices = {
            name: self._choices(request, fixed.get(name))
            for name, request in lowered.requests.items()
        }

    def _choices(self, request: Request, fixed: Mapping[str, int] | None) -> list[Choice]:
        """Ascending in cycles, descending in area."""
        found = []
        for folding in request.foldings if fixed is None else [fixed]:
            kernel = request.kernel(folding)
            cycles = period_cycles(kernel) * self._periods(request, kernel)
            found.append(Choice(folding, cycles, kernel.resources()))
        found.sort(key=lambda c: (area(c.resources), c.cycles))
        best: list[Choice] = []
        for choice in found:
            if not best or choice.cycles < best[-1].cycles:
                best.append(choice)
        return best[::-1]

    def _periods(self, request: Request, kernel: Kernel) -> int:
        ports = {**kernel.inputs, **kernel.outputs}
        name, stream = next(iter({**request.inputs, **request.outputs}.items()))
        return self.lowered.streams[stream].elements // ports[name].elements

    @cached_property
    def budgets(self) -> list[int]:
        """The budgets that differ, ascending; the first is the least that all kernels can keep."""
        least = max((c[0].cycles for c in self.choices.values()), default=1)
        found = {choice.cycles for c in self.choices.values() for choice in c}
        return sorted({b for b in found if b > least} | {least})

    def under(self, budget: int) -> Folding:
        """Every kernel's cheapest folding of at most `budget` cycles a frame."""
        return {
            name: next(c for c in reversed(choices) if c.cycles <= budget).folding
            for name, choices in self.choices.items()
        }

    def slowest(self, folding: Folding) -> str:
        """The kernel with the most cycles a frame."""
        cycles = {
            name: next(c.cycles for c in choices if c.folding == folding[name])
            for name, choices in self.choices.items()
        }
        return max(cycles, key=lambda name: cycles[name])


T = TypeVar("T")


def last_true(values: list[T], holds: Callable[[T], bool]) -> T | None:
    """The last of `values` for which a property holds that holds up to some point only."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if holds(values[middle]):
            low = middle + 1
        else:
            high = middle
    return values[low - 1] if low else None
