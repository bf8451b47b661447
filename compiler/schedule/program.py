"""An integer program over the choices of all kernels."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from thresher.compiler.schedule.choice import Choice
from thresher.compiler.schedule.knapsack import Pair, Rule
from thresher.compiler.schedule.rounds import Link

__all__ = ["Program"]


@dataclass
class Program:
    """The choices of every kernel, by name in the order of the graph, and the rules so far."""

    choices: Mapping[str, Sequence[Choice]]
    kinds: Mapping[str, Sequence[Hashable]]
    groups: Sequence[np.ndarray]
    limits: Sequence[int]
    rules: list[Rule] = field(default_factory=list)
    links: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)

    @property
    def variables(self) -> int:
        """Of the integer program."""
        return sum(map(len, self.groups)) + sum(a * b for a, b in (p.shape for p in self.pairs))

    def add(self, name: str, link: Link) -> None:
        """A link: how many lanes there are on its two sides follows from the two choices."""
        (source, out), (target, port) = link.source, link.target
        sides = (
            [choice.kernel.outputs[out].lanes for choice in self.choices[source]],
            [choice.kernel.inputs[port].lanes for choice in self.choices[target]],
        )
        lanes = tuple(sorted(set(side)) for side in sides)
        kinds = tuple(np.searchsorted(u, side) for u, side in zip(lanes, sides, strict=True))
        names = list(self.choices)
        self.links[name] = lanes[0], lanes[1]
        groups = names.index(source), names.index(target)
        self.pairs.append(Pair(groups, (kinds[0], kinds[1])))
