"""The foldings that a design may have, and the cheapest choice among them.

A kernel takes as many cycles a frame as the busiest of its ports moves beats (an MVAU: as it has
folds). Under a budget of cycles every kernel keeps the foldings of its space (`Request.space`) that
are within it and that no other one beats in area and in all limited resources; where LUTs or block
RAMs are limited, each with its memory in either. `Space.cheapest` combines them: the least sum of
areas with which all kernels together stay within the limits, exactly (`knapsack`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from thresher.compiler.schedule.assemble import Lowered
from thresher.compiler.schedule.choice import MEMORIES, Choice, Limits, Row, undominated
from thresher.compiler.schedule.fifofolding import FifoFolding
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.knapsack import cheapest
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_styles

__all__ = ["Space", "first_true", "last_true"]

_SMALL = 1024  # products; all foldings of a larger matrix are too many to estimate

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
        self._rows: dict[tuple[object, ...], dict[int, list[Row]]] = {}
        self.choices = {
            name: self._choices(request, fixed.get(name))
            for name, request in lowered.requests.items()
        }

    def _choices(self, request: Request, fixed: Mapping[str, int] | None) -> list[Choice]:
        """The fastest first."""
        found = [
            Choice(request, folding, self._cycles(request, folding))
            for folding in (request.space if fixed is None else [fixed])
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

    def within(
        self,
        name: str,
        budget: int,
        dataflow: frozenset[str] | None,
        limits: Limits,
    ) -> list[Row]:
        """A kernel's foldings of at most `budget` cycles, of one dataflow if given, undominated."""
        found = [
            c for c in self.choices[name]
            if c.cycles <= budget and dataflow in (None, c.dataflow)
        ]  # fmt: skip
        without = "dsp" not in limits and any(not c.sparing for c in found)
        if without:
            found = [c for c in found if not c.sparing]
        known = self._rows.setdefault((name, dataflow, without, *sorted(limits.items())), {})
        if len(found) not in known:
            # what other choices beat within fewer cycles they beat within more
            fewer = max((n for n in known if n < len(found)), default=0)
            moved = (d for c in found[fewer:] for d in (c, *self.moved(c, limits)))
            known[len(found)] = undominated(moved, limits, known.get(fewer, ()))
        return known[len(found)]

    def cheapest(
        self,
        budgets: Mapping[str, int],
        dataflows: Mapping[str, frozenset[str]],
        limits: Limits,
        excluded: Collection[Folding] = (),
    ) -> Folding | None:
        """The least area within the limits; None where nothing is within them.

        :param budgets: by kernel, cycles a frame.
        :param dataflows: by kernel, where only one is wanted.
        :param excluded: foldings that are not wanted.

        Products share DSPs or are built from LUTs only where DSPs are limited.
        """
        rows = {
            name: self.within(name, budget, dataflows.get(name), limits)
            for name, budget in budgets.items()
        }
        groups = [np.array([row.figures for row in found], np.int64) for found in rows.values()]
        indices = [_indices(rows, folding) for folding in excluded]
        chosen = cheapest(
            groups, [limits[key] for key in sorted(limits)], [i for i in indices if i is not None]
        )
        if chosen is None:
            return None
        return {
            name: found[k].choice.folding
            for (name, found), k in zip(rows.items(), chosen, strict=True)
        }

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

    def area(self, folding: Folding) -> int:
        """Of all kernels; without FIFOs and what stands between kernels of unlike lanes."""
        return sum(self.choice(n, f).area for n, f in folding.items())

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
            alike = choice.dataflow == current.dataflow and choice.sparing == current.sparing
            if alike and choice.area < best:
                found.append(choice)
                best = choice.area
        return found

    def slowest(self, folding: Folding) -> str:
        """The kernel with the most cycles a frame."""
        cycles = {name: self.choice(name, folding[name]).cycles for name in self.choices}
        return max(cycles, key=lambda name: cycles[name], default="")


def _indices(rows: Mapping[str, Sequence[Row]], folding: Folding) -> tuple[int, ...] | None:
    """Where each kernel's folding stands among its rows; None where one is not there."""
    found = []
    for name, choices in rows.items():
        at = [k for k, row in enumerate(choices) if row.choice.folding == folding[name]]
        if not at:
            return None
        found += at
    return tuple(found)


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
