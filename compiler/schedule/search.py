"""The automatic choice of foldings: every kernel the cheapest that keeps up with one budget.

A kernel takes as many cycles a frame as the busiest of its ports moves beats (an MVAU: as it has
folds). Under a budget of B cycles a frame every kernel takes its cheapest folding of at most B.
What the whole design then does in how many cycles the exact solver says; B is searched for the
target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.requests import Request
from thresher.rtl.kernel import Kernel, Resources
from thresher.rtl.mvau import MVAU

__all__ = ["Choice", "Space", "area", "last_true"]

_SMALL = 1024  # products; all foldings of a larger matrix are too many to estimate

T = TypeVar("T")


def area(resources: Resources) -> int:
    """One figure to compare: LUTs, where a DSP counts as 100, a RAMB18 as 150 and an FF as 1/4.

    About the ratio in which 7-series devices hold them.
    """
    return resources.lut + resources.ff // 4 + 100 * resources.dsp + 150 * resources.bram18


@dataclass(frozen=True, eq=False)
class Choice:
    """One folding of one kernel.

    :param cycles: the least cycles a frame that it takes.
    """

    folding: Mapping[str, int]
    kernel: Kernel
    cycles: int

    @cached_property
    def area(self) -> int:
        """What the kernel alone takes."""
        return area(self.kernel.resources())


class Space:
    """The foldings of every kernel.

    :param fixed: foldings that the user gave.
    """

    def __init__(self, lowered: Lowered, fixed: Folding) -> None:
        self.lowered = lowered
        self.choices = {
            name: self._choices(request, fixed.get(name))
            for name, request in lowered.requests.items()
        }
        self._chosen: dict[tuple[str, int], Choice] = {}

    def _choices(self, request: Request, fixed: Mapping[str, int] | None) -> list[Choice]:
        """By cycles, the fastest first."""
        found = []
        for folding in request.foldings if fixed is None else [fixed]:
            kernel = request.kernel(folding)
            found.append(Choice(folding, kernel, self._cycles(request, kernel)))
        return sorted(found, key=lambda choice: choice.cycles)

    def _cycles(self, request: Request, kernel: Kernel) -> int:
        ports = {**kernel.inputs, **kernel.outputs}
        name, stream = next(iter({**request.inputs, **request.outputs}.items()))
        periods = self.lowered.streams[stream].elements // ports[name].elements
        if isinstance(kernel, MVAU):
            return periods * kernel.folds
        return periods * max(port.beats for port in ports.values())

    @cached_property
    def budgets(self) -> list[int]:
        """The budgets that differ, ascending; the first is the least that all kernels can keep."""
        least = max((c[0].cycles for c in self.choices.values()), default=1)
        found = {choice.cycles for c in self.choices.values() for choice in c}
        return sorted({b for b in found if b > least} | {least})

    def under(self, budget: int) -> Folding:
        """Every kernel's cheapest folding of at most `budget` cycles a frame."""
        return {name: self._cheapest(name, budget).folding for name in self.choices}

    def _cheapest(self, name: str, budget: int) -> Choice:
        """Of large matrices only foldings up to twice as fast as needed are looked at."""
        if (name, budget) not in self._chosen:
            within = [c for c in self.choices[name] if c.cycles <= budget]
            kernel = within[-1].kernel
            if isinstance(kernel, MVAU) and kernel.weights.size > _SMALL:
                within = [c for c in within if 2 * c.cycles > within[-1].cycles]
            best = min(within, key=lambda choice: (choice.area, choice.cycles))
            self._chosen[name, budget] = best
        return self._chosen[name, budget]

    def _choice(self, name: str, folding: Mapping[str, int]) -> Choice:
        return next(c for c in self.choices[name] if c.folding == folding)

    def area_of(self, name: str, folding: Mapping[str, int]) -> int:
        """Area of a kernel with this folding."""
        return self._choice(name, folding).area

    def cheaper(self, name: str, folding: Mapping[str, int]) -> list[Choice]:
        """The slower choices that take less area, by cycles, none beaten in both by another."""
        current = self._choice(name, folding)
        found: list[Choice] = []
        best = current.area
        for choice in self.choices[name]:
            if choice.cycles > current.cycles and choice.area < best:
                found.append(choice)
                best = choice.area
        return found

    def slowest(self, folding: Folding) -> str:
        """The kernel with the most cycles a frame."""
        cycles = {name: self._choice(name, folding[name]).cycles for name in self.choices}
        return max(cycles, key=lambda name: cycles[name])


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
