"""One folding of one kernel: what it takes, and the same with its memory elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from thresher.compiler.schedule.dataflows import products
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_style, memory_styles
from thresher.rtl.kernel import Kernel, Resources
from thresher.rtl.mvau import MVAU

__all__ = ["MEMORIES", "Choice", "Limits", "area", "figures"]

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
    """

    request: Request
    folding: Mapping[str, Any]
    cycles: int

    def elsewhere(self, limits: Limits) -> list["Choice"]:
        """The same with its memory in each other style whose limits are given.

        UltraRAM only where there is some.
        """
        if MEMORY in self.folding or not MEMORIES & set(limits):
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
    def least_lut(self) -> int:
        """LUTs that it takes at least, found without the sums of an MVAU, which take long."""
        return self.kernel.multipliers.resources().lut if isinstance(self.kernel, MVAU) else 0

    @property
    def lut(self) -> int:
        """What is asked of its products: how many are built from LUTs, in its own measure."""
        return self.folding.get("lut", 0)

    @property
    def dataflow(self) -> frozenset[str]:
        """The names of its parameters, but for what products are built from and its memory."""
        return frozenset(self.folding) - {"lut", MEMORY}
