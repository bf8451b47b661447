"""The foldings that a design may have, and the cheapest choice among them.

A kernel takes as many cycles a frame as the busiest of its ports moves beats (an MVAU: as it has
folds). Under a budget of cycles every kernel keeps the foldings that are within it and that no
other one beats in area and in all limited resources; where LUTs or block RAMs are limited, each
with its memory in either. `Space.cheapest` combines them: the least area in which all kernels
together stay within the limits, by dynamic programming over the sets of kernels; nothing is given
up but what another combination beats in every respect.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_style, memory_styles
from thresher.rtl.kernel import Kernel, Resources

__all__ = ["Choice", "Limits", "Space", "area", "figures", "first_true", "last_true"]

_SMALL = 1024  # products; all foldings of a larger matrix are too many to estimate
_MEMORIES = {"lut", "lutram", "bram18", "uram"}  # limits that a memory's style matters for
_MOST_STATES = 200  # combinations kept between two kernels; a sample where there are more

T = TypeVar("T")
Limits = Mapping[str, int]
"""By resource (a key of `figures`, or "products") the most that may be used."""


def area(resources: Resources) -> int:
    """One figure to compare: LUTs, where a DSP counts as 100, a RAMB18 as 150 and an FF as 1/4.

    About the ratio in which 7-series devices hold them. An UltraRAM counts as the RAMB18 that hold
    as much.
    """
    blocks = resources.bram18 + 16 * resources.uram
    return resources.lut + resources.ff // 4 + 100 * resources.dsp + 150 * blocks


def figures(resources: Resources) -> dict[str, int]:
    """The resources by the names of `Capacity`, block RAMs in halves."""
    return {
        "lut": resources.lut, "ff": resources.ff, "lutram": resources.lutram,
        "dsp": resources.dsp, "bram18": resources.bram18, "uram": resources.uram,
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Choice:
    """One folding of one kernel.

    :param cycles: the least cycles a frame that it takes.
    """

    request: Request
    folding: Mapping[str, Any]
    cycles: int

    def elsewhere(self, limits: Limits) -> list["Choice"]:
        """The same with its memory in each other style whose limits are given.

        UltraRAM only where there is some.
        """
        if MEMORY in self.folding or not _MEMORIES & set(limits):
            return []
        kernel = self.kernel
        others = set(memory_styles(kernel)) - {memory_style(kernel)}
        if not limits.get("uram"):
            others -= {"ultra"}
        return [replace(self, folding={**self.folding, MEMORY: style}) for style in sorted(others)]

    @property
    def kernel(self) -> Kernel:
        """The kernel with this folding."""
        return self.request.kernel(self.folding)

    @cached_property
    def area(self) -> int:
        """What the kernel alone takes."""
        return area(self.kernel.resources())

    @cached_property
    def used(self) -> Mapping[str, int]:
        """What the kernel alone takes, by resource; its products a cycle among them."""
        return {**figures(self.kernel.resources()), "products": products(self.folding)}

    @property
    def dataflow(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(self.folding) - {MEMORY}


class Space:
    """The foldings of every kernel.

    :param fixed: foldings that the user gave.
    :param capacity: the most that a whole design may take.
    """

    def __init__(
        self, lowered: Lowered, fixed: Folding, capacity: Limits = MappingProxyType({})
    ) -> None:
        self.lowered, self.capacity = lowered, capacity
        self._moved: dict[tuple[int, bool, bool], list[Choice]] = {}
        self.choices = {
            name: self._choices(request, fixed.get(name))
            for name, request in lowered.requests.items()
        }

    def _choices(self, request: Request, fixed: Mapping[str, int] | None) -> list[Choice]:
        """By cycles, the fastest first."""
        found = [
            Choice(request, folding, self._cycles(request, folding))
            for folding in (request.foldings if fixed is None else [fixed])
        ]
        return sorted(found, key=lambda choice: choice.cycles)

    def _cycles(self, request: Request, folding: Mapping[str, int]) -> int:
        name, stream = next(iter({**request.inputs, **request.outputs}.items()))
        elements = self.lowered.streams[stream].elements
        if request.cycles is not None:
            some = request.kernel(next(request.foldings))
            port = {**some.inputs, **some.outputs}[name]
            return elements // port.elements * request.cycles(folding)
        if request.plain:
            return elements // folding["lanes"]
        kernel = request.kernel(folding)
        ports = {**kernel.inputs, **kernel.outputs}
        return elements // ports[name].elements * max(port.beats for port in ports.values())

    def names(self, inner: bool) -> list[str]:
        """Kernels inside loops, or outside."""
        return [n for n, r in self.lowered.requests.items() if r.inner == inner]

    def within(self, name: str, budget: int, dataflow: frozenset[str] | None) -> list[Choice]:
        """A kernel's foldings of at most `budget` cycles a frame, of one dataflow if given.

        Of large matrices only foldings up to twice as fast as needed are looked at; of output
        lanes, the fewest that are fast enough and waste no DSP.
        """
        found = [
            c for c in self.choices[name]
            if c.cycles <= budget and dataflow in (None, c.dataflow)
        ]  # fmt: skip
        if not found:
            return []
        least = found[-1].cycles
        if not products(found[-1].folding):
            return [c for c in found if c.cycles == least]
        found = [c for c in found if 2 * c.cycles > least] if len(found) > 8 else found
        fewest: dict[int, Choice] = {}
        for c in found:
            if "rows" in c.folding:
                best = fewest.setdefault(c.folding["rows"], c)
                fewest[c.folding["rows"]] = min(best, c, key=_lanes_key)
        return [c for c in found if "rows" not in c.folding or c in fewest.values()]

    def cheapest(
        self, budgets: Mapping[str, int], dataflows: Mapping[str, frozenset[str]], limits: Limits
    ) -> Folding | None:
        """The least area within the limits; None where nothing is within them.

        :param budgets: by kernel, cycles a frame.
        :param dataflows: by kernel, where only one is wanted.
        """
        keys = tuple(sorted(limits))
        states: list[_State] = [_State(0, (0,) * len(keys), None, None)]
        for name, budget in budgets.items():
            choices = self.within(name, budget, dataflows.get(name))
            choices = _undominated([d for c in choices for d in (c, *self.moved(c, limits))], keys)
            states = _combined(states, choices, keys, limits)
        if not states:
            return None
        return dict(zip(list(budgets)[::-1], states[0].foldings(), strict=True))

    def moved(self, choice: Choice, limits: Limits) -> list[Choice]:
        """`choice.elsewhere`, made once."""
        key = id(choice), bool(_MEMORIES & set(limits)), bool(limits.get("uram"))
        if key not in self._moved:
            self._moved[key] = choice.elsewhere(limits)
        return self._moved[key]

    def choice(self, name: str, folding: Mapping[str, Any]) -> Choice:
        """The choice with this folding."""
        for choice in self.choices[name]:
            if choice.folding == folding:
                return choice
            if {**choice.folding, MEMORY: folding.get(MEMORY, "auto")} == folding:
                return replace(choice, folding=folding)
        raise KeyError(f"{name} has no folding {folding}")

    def cheaper(self, name: str, folding: Mapping[str, int]) -> list[Choice]:
        """The slower choices that take less area, by cycles, none beaten in both by another."""
        current = self.choice(name, folding)
        memory = folding.get(MEMORY, "auto")
        found: list[Choice] = []
        best = current.area
        slower = [c for c in self.choices[name] if c.cycles > current.cycles]
        for choice in slower if len(slower) < _SMALL else []:
            if memory in memory_styles(choice.kernel) and MEMORY not in choice.folding:
                choice = replace(choice, folding={**choice.folding, MEMORY: memory})
            if choice.dataflow == current.dataflow and choice.area < best:
                found.append(choice)
                best = choice.area
        return found

    def slowest(self, folding: Folding) -> str:
        """The kernel with the most cycles a frame."""
        cycles = {name: self.choice(name, folding[name]).cycles for name in self.choices}
        return max(cycles, key=lambda name: cycles[name], default="")


@dataclass(frozen=True, eq=False)
class _State:
    """A folding of some kernels, the last one first.

    :param used: of the limited resources.
    """

    area: int
    used: tuple[int, ...]
    choice: Choice | None
    before: "_State | None"

    def foldings(self) -> Iterable[Mapping[str, int]]:
        state: _State | None = self
        while state is not None and state.choice is not None:
            yield state.choice.folding
            state = state.before


def _lanes_key(choice: Choice) -> tuple[int, int]:
    """Of broadcasts of equal rows: rows of one beat cannot share a DSP, and few lanes are best."""
    return choice.used["dsp"], choice.folding["lanes"]


def _undominated(choices: list[Choice], keys: Sequence[str]) -> list[Choice]:
    """Those that no other one beats, or equals, in area and all of `keys`."""
    ordered = sorted(choices, key=lambda c: (c.area, c.cycles, *(c.used[k] for k in keys)))
    found: list[Choice] = []
    for choice in ordered:
        if not any(all(f.used[k] <= choice.used[k] for k in keys) for f in found):
            found.append(choice)
    return found


def _combined(
    states: list[_State], choices: list[Choice], keys: Sequence[str], limits: Limits
) -> list[_State]:
    made = []
    for choice in choices:
        more = tuple(choice.used[k] for k in keys)
        for state in states:
            used = tuple(a + b for a, b in zip(state.used, more, strict=True))
            if all(u <= limits[k] for u, k in zip(used, keys, strict=True)):
                made.append(_State(state.area + choice.area, used, choice, state))
    made.sort(key=lambda s: (s.area, s.used))
    kept: list[_State] = []
    for state in made:
        if not any(all(a <= b for a, b in zip(k.used, state.used, strict=True)) for k in kept):
            kept.append(state)
    step = -(-len(kept) // _MOST_STATES)
    return kept[:: max(1, step)]


def last_true(values: Sequence[T], holds: Callable[[T], bool]) -> T | None:
    """The last of `values` for which a property holds that holds up to some point only."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if holds(values[middle]):
            low = middle + 1
        else:
            high = middle
    return values[low - 1] if low else None


def first_true(values: Sequence[T], holds: Callable[[T], bool]) -> T | None:
    """The first of `values` for which a property holds that holds from some point on."""
    return last_true(values[::-1], holds)
