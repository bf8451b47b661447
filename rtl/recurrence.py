"""The ends of a loop: where a state enters its body and where it leaves it.

    init --> Inject --> body --> Tap --> final
               ^                  |
               +---- feedback <---+

One period is one sequence of `steps` steps. Inject goes on to the initial state of the next
sequence as soon as it has passed the last state of this one, so sequences follow each other
without a gap. The feedback path must hold a whole state where the body takes all of it before it
gives the first beat of the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from thresher.rtl.checks import check_int
from thresher.rtl.router import Move, RoutingKernel
from thresher.rtl.sequencer import check_ints

__all__ = ["Inject", "Tap"]


@dataclass(frozen=True, kw_only=True)
class Inject(RoutingKernel):
    """The state before each step: the initial one, then the `steps` - 1 that come back.

    Ports: `init` (`beats` a period), only where `initial` is None; `feedback`
    ((`steps` - 1) * `beats`), only where `steps` > 1; `o` (`steps` * `beats`).

    :param steps: steps of one sequence, at least 1.
    :param beats: beats of one state.
    :param initial: the elements of a constant initial state, `beats` * `lanes` of them, or None:
        it comes on `init`.

    For the other parameters see RoutingKernel, for the hardware Router. A constant with equal
    beats costs nothing, any other one a ROM. With `steps` 1 and a constant there is no input:
    `o` gives the constant over and over.
    """

    steps: int
    beats: int
    initial: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("steps", self.steps, 1)
        check_int("beats", self.beats, 1)
        if self.initial is None:
            return
        check_ints("initial", self.initial, least=self.lo, most=self.hi)
        if len(self.initial) != self.beats * self.lanes:
            raise ValueError(
                f"initial must have beats * lanes = {self.beats * self.lanes} elements, "
                f"not {len(self.initial)!r}"
            )

    def moves(self) -> Iterable[Move]:
        first = Move("init" if self.initial is None else None, "o", self.beats)
        if self.steps == 1:
            return (first,)
        return (first, Move("feedback", "o", (self.steps - 1) * self.beats))

    def constant(self) -> np.ndarray | None:
        return None if self.initial is None else np.array(self.initial, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Tap(RoutingKernel):
    """The state after each step: all but the last go back, the last goes out.

    Ports: `i` (`steps` * `beats` a period); `feedback` ((`steps` - 1) * `beats`), only where
    `steps` > 1; `final` (`beats`), only where `final` is True.

    :param steps: steps of one sequence, at least 1.
    :param beats: beats of one state.
    :param final: whether the last state is given; else it is dropped.

    For the other parameters see RoutingKernel, for the hardware Router.
    """

    steps: int
    beats: int
    final: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("steps", self.steps, 1)
        check_int("beats", self.beats, 1)
        if not isinstance(self.final, bool):
            raise TypeError(f"final must be a bool, not {self.final!r}")

    def moves(self) -> Iterable[Move]:
        last = Move("i", "final" if self.final else None, self.beats)
        if self.steps == 1:
            return (last,)
        return (Move("i", "feedback", (self.steps - 1) * self.beats), last)
