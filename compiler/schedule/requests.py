"""Kernels to be: everything but the folding is fixed."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from thresher.rtl.kernel import Kernel

__all__ = ["Names", "Request"]


@dataclass(frozen=True, eq=False)
class Request:
    """A kernel without its folding.

    :param name: the kernel's name, a Verilog identifier.
    :param origin: name of the tensor that it computes.
    :param allowed: values of each folding parameter, ascending.
    :param make: the kernel with these folding parameters.
    :param inputs: port -> stream.
    :param outputs: port -> stream.
    """

    name: str
    origin: str
    allowed: Mapping[str, tuple[int, ...]]
    make: Callable[..., Kernel]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def foldings(self) -> Iterator[dict[str, int]]:
        """All foldings, serial ones first."""
        for values in product(*self.allowed.values()):
            yield dict(zip(self.allowed, values, strict=True))

    @cached_property
    def _made(self) -> dict[tuple[int, ...], Kernel]:
        return {}

    def kernel(self, folding: Mapping[str, int]) -> Kernel:
        """The kernel with this folding, made once."""
        key = tuple(folding[p] for p in self.allowed)
        if key not in self._made:
            self._made[key] = self.make(**dict(zip(self.allowed, key, strict=True)))
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
