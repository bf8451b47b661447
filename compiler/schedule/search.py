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
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.choice import MEMORIES, Choice, Limits
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.fifofolding import FifoFolding
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_styles

__all__ = ["Space", "first_true", "last_true"]

_SMALL = 1024  # products; all foldings of a larger matrix are too many to estimate
_MOST_STATES = 200  # combinations kept between two kernels; a sample where there are more

T = TypeVar("T")


class Space:
    """The foldings of every kernel.

    :param fixed: foldings that the user gave.
    :param capacity: the most that a whole design may take.
    :param fifos: what the user asks of FIFOs.
    """

    def __init__(
        self,
        lowered: Lowered,
        fixed: Folding,
        capacity: Limits = MappingProxyType({}),
        fifos: FifoFolding = MappingProxyType({}),
    ) -> None:
        self.lowered, self.capacity, self.fifos = lowered, capacity, fifos
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
        lanes, the fewest that are fast enough and waste no DSP, built from LUTs or not.
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
        if sum("lut" not in c.folding for c in found) > 8:
            found = [c for c in found if 2 * c.cycles > least]
        fewest: dict[int, Choice] = {}
        for c in found:
            if "rows" in c.folding and ("lut" not in c.folding or len(found) == 1):
                best = fewest.setdefault(c.folding["rows"], c)
                fewest[c.folding["rows"]] = min(best, c, key=_lanes_key)
        lanes = {rows: c.folding["lanes"] for rows, c in fewest.items()}
        return [
            c for c in found
            if "rows" not in c.folding or c.folding["lanes"] == lanes[c.folding["rows"]]
        ]  # fmt: skip

    def cheapest(
        self, budgets: Mapping[str, int], dataflows: Mapping[str, frozenset[str]], limits: Limits
    ) -> Folding | None:
        """The least area within the limits; None where nothing is within them.

        :param budgets: by kernel, cycles a frame.
        :param dataflows: by kernel, where only one is wanted.

        Products are built from LUTs only where DSPs are limited.
        """
        keys = tuple(sorted(limits))
        states: list[_State] = [_State(0, (0,) * len(keys), None, None)]
        for name, budget in budgets.items():
            choices = self.within(name, budget, dataflows.get(name))
            most = limits.get("lut", 1 << 62) if "dsp" in limits else 0
            if any(not c.lut for c in choices):
                choices = [c for c in choices if not c.lut or most > c.least_lut]
            choices = _undominated([d for c in choices for d in (c, *self.moved(c, limits))], keys)
            states = _combined(states, choices, keys, limits)
        if not states:
            return None
        return dict(zip(list(budgets)[::-1], states[0].foldings(), strict=True))

    def moved(self, choice: Choice, limits: Limits) -> list[Choice]:
        """`choice.elsewhere`, made once."""
        key = id(choice), bool(MEMORIES & set(limits)), bool(limits.get("uram"))
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
            alike = choice.dataflow == current.dataflow and choice.lut == current.lut
            if alike and choice.area < best:
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


def _lanes_key(choice: Choice) -> tuple[int, bool, int]:
    """Of broadcasts of equal rows: rows of one beat cannot share a DSP, and few lanes are best.

    Inside loops as many as there are outputs for an input, though: a step waits for all of them.
    """
    kernel = choice.kernel
    late = choice.request.inner and kernel.outputs["o"].beats > kernel.inputs["i"].beats
    return choice.used["dsp"], late, choice.folding["lanes"]


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
    """Every state with every choice, but for those over a limit and those that another one beats.

    Beaten is what takes no less of anything; of those kept, areas ascend.
    """
    before = np.array([s.used for s in states], np.int64).reshape(1, len(states), len(keys))
    more = np.array([[c.used[k] for k in keys] for c in choices], np.int64)
    used = before + more.reshape(len(choices), 1, len(keys))
    fits = np.nonzero((used <= np.array([limits[k] for k in keys], np.int64)).all(axis=-1))
    chosen, state = (index.tolist() for index in fits)
    used = used[fits]
    areas = [choices[c].area + states[s].area for c, s in zip(chosen, state, strict=True)]
    kept, count = np.empty_like(used), 0
    found: list[_State] = []
    for k in np.lexsort((*used.T[::-1], areas)).tolist():
        if not (kept[:count] <= used[k]).all(axis=1).any():
            kept[count] = used[k]
            count += 1
            total = tuple(used[k].tolist())
            found.append(_State(areas[k], total, choices[chosen[k]], states[state[k]]))
    step = -(-len(found) // _MOST_STATES)
    return found[:: max(1, step)]


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
