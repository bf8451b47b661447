"""One folding of one kernel: what it takes, and the same with its memory elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from thresher.compiler.schedule.bounds import least, least_there
from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_styles
from thresher.rtl.kernel import Kernel, Resources
from thresher.rtl.reorder import Reorder

__all__ = ["MEMORIES", "Choice", "Limits", "Row", "area", "figures", "undominated"]

_SPARING = frozenset({"lut", "pack"})

MEMORIES = frozenset({"lut", "lutram", "bram18", "uram"})
"""Limits that a memory's style matters for."""

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
    :param rule: the same with its memory where the rule puts it, if this one tells where.
    """

    request: Request
    folding: Mapping[str, Any]
    cycles: int
    rule: "Choice | None" = None

    def elsewhere(self, limits: Limits) -> list["Choice"]:
        """The same with its memory in each style that there is, where limits make it matter.

        UltraRAM only where there is some.
        """
        if MEMORY in self.folding or not MEMORIES & set(limits):
            return []
        styles = [s for s in memory_styles(self.kernel) if s != "ultra" or limits.get("uram")]
        return [
            replace(self, folding={**self.folding, MEMORY: style}, rule=self) for style in styles
        ]

    @property
    def as_rule(self) -> bool:
        """Whether it is known to be the same as `rule`."""
        if self.rule is None or "_resources" not in vars(self.rule):
            return False
        kernel, block = self.rule.kernel, self.rule.used["bram18"] > 0
        style = kernel.bound if isinstance(kernel, Reorder) else "block" if block else "logic"
        return bool(style == self.folding[MEMORY])

    @property
    def kernel(self) -> Kernel:
        """The kernel with this folding."""
        return self.request.kernel(self.folding)

    @cached_property
    def _resources(self) -> Resources:
        return self.kernel.resources()

    @cached_property
    def area(self) -> int:
        """What the kernel alone takes."""
        return area(self._resources)

    @cached_property
    def used(self) -> Mapping[str, int]:
        """What the kernel alone takes, by resource; its products a cycle among them."""
        return {**figures(self._resources), "products": products(self.folding)}

    @cached_property
    def least(self) -> Resources:
        """A lower bound of what the kernel takes, found quickly."""
        return least(self.kernel) if self.rule is None else self.rule.least

    def bounds(self) -> Iterator[tuple[Resources, bool]]:
        """What it takes at least, ever closer; at last, and then True, what it takes."""
        yield self.least, False
        if "_resources" not in vars(self):
            yield least_there(self.kernel), False
        yield self._resources, True

    @property
    def sparing(self) -> frozenset[tuple[str, int]]:
        """What is asked of its products that they take fewer DSPs; none where DSPs abound."""
        return frozenset((key, self.folding[key]) for key in _SPARING & set(self.folding))

    @property
    def dataflow(self) -> frozenset[str]:
        """The names of its parameters, but for what products are built from and its memory."""
        return frozenset(self.folding) - _SPARING - {MEMORY}


@dataclass(frozen=True)
class Row:
    """A choice as the combination sees it: (area, limited resources)."""

    choice: Choice
    figures: tuple[int, ...]


def undominated(choices: Iterable[Choice], limits: Limits, known: Sequence[Row] = ()) -> list[Row]:
    """Those within the limits that no other one beats in area and all limited resources.

    By area; of equals the one of the fewest cycles. A choice is estimated only where its lower
    bounds leave it open.

    :param known: what this gave for other choices, which are among them too.
    """
    keys = sorted(limits)
    most = (1 << 62, *(limits[key] for key in keys))
    found = list(known)
    for choice in sorted(choices, key=lambda c: (area(c.least), c.cycles)):
        if choice.as_rule:
            continue
        for resources, exact in choice.bounds():
            used = {**figures(resources), "products": products(choice.folding)}
            row = Row(choice, (area(resources), *(used[key] for key in keys)))
            if not _fits(row, most) or any(_beats(other, row) for other in found):
                break
            if exact:
                found = [other for other in found if not _beats(row, other)] + [row]
    return sorted(found, key=lambda row: row.figures)


def _fits(row: Row, most: tuple[int, ...]) -> bool:
    return all(a <= b for a, b in zip(row.figures, most, strict=True))


def _beats(a: Row, b: Row) -> bool:
    """Whether a takes no more of anything; of equals, no more cycles."""
    if a.figures == b.figures:
        return a.choice.cycles <= b.choice.cycles
    return all(x <= y for x, y in zip(a.figures, b.figures, strict=True))
