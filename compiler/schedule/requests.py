"""Kernels to be: everything but the folding is fixed."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from thresher.rtl.binding import with_memory
from thresher.rtl.kernel import Kernel

__all__ = ["MEMORY", "Dataflow", "Names", "Request"]

MEMORY = "memory"
"""The key of a folding that tells where the kernel's memory is; "auto" without it."""

Dataflow = Mapping[str, tuple[int, ...]]
"""The folding parameters of one kind of hardware, each with its values, ascending."""


def _always(folding: Mapping[str, int]) -> bool:
    return True


def _nothing(folding: Mapping[str, int]) -> str:
    return ""


@dataclass(frozen=True, eq=False)
class Request:
    """A kernel without its folding.

    :param name: the kernel's name, a Verilog identifier.
    :param origin: name of the tensor that it computes.
    :param dataflows: the kinds of hardware that do it, told apart by their parameters' names.
    :param make: the kernel with these folding parameters.
    :param inputs: port -> stream.
    :param outputs: port -> stream.
    :param inner: it is part of a loop's body.
    :param broken: the rule by which the values of one folding do not go together, or "".
    :param searched: whether the search looks at a folding; others are there for whoever asks.
    :param cycles: of a folding, the cycles a period; default the beats of the busiest port.
    :param plain: it takes and gives as many beats on all ports.
    """

    name: str
    origin: str
    dataflows: tuple[Dataflow, ...]
    make: Callable[..., Kernel]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    inner: bool = False
    broken: Callable[[Mapping[str, int]], str] = _nothing
    searched: Callable[[Mapping[str, int]], bool] = _always
    cycles: Callable[[Mapping[str, int]], int] | None = None
    plain: bool = False

    @property
    def allowed(self) -> Dataflow:
        """The parameters of the first dataflow."""
        return self.dataflows[0]

    @property
    def foldings(self) -> Iterator[dict[str, int]]:
        """All foldings, serial ones first."""
        for dataflow in self.dataflows:
            for values in product(*dataflow.values()):
                folding = dict(zip(dataflow, values, strict=True))
                if not self.broken(folding):
                    yield folding

    @property
    def space(self) -> Iterator[dict[str, int]]:
        """Those that the search combines: it finds the best of these."""
        return filter(self.searched, self.foldings)

    @cached_property
    def _made(self) -> dict[tuple[tuple[str, Any], ...], Kernel]:
        return {}

    def kernel(self, folding: Mapping[str, Any]) -> Kernel:
        """The kernel with this folding, and its memory where "memory" says; made once.

        :raises ValueError: its memory cannot be there.
        """
        key = tuple(sorted(folding.items()))
        if key not in self._made:
            plain = {name: value for name, value in folding.items() if name != MEMORY}
            style = folding.get(MEMORY, "auto")
            made = self.kernel(plain) if MEMORY in folding else self.make(**plain)
            self._made[key] = made if style == "auto" else with_memory(made, style)
        return self._made[key]


class Names:
    """Verilog identifiers, each given out once."""

    def __init__(self, reserved: tuple[str, ...] = ()) -> None:
        self._used = {name.lower() for name in reserved}

    def of(self, *parts: str) -> str:
        """A name from these parts; letters, digits and single underscores, a letter first."""
        text = re.sub(r"[^0-9A-Za-z]+", "_", "_".join(parts)).strip("_")[:60].rstrip("_")
        if not text or not text[0].isalpha():
            text = f"t_{text}".rstrip("_")
        name, count = text, 1
        while name.lower() in self._used:
            count += 1
            name = f"{text}_{count}"
        self._used.add(name.lower())
        return name
