"""Streams dealt out, put together, thinned out and dropped, beat by beat."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from thresher.rtl.checks import check_int
from thresher.rtl.router import Move, RoutingKernel
from thresher.rtl.sequencer import check_ints

__all__ = ["Concat", "Select", "Sink", "Split"]


@dataclass(frozen=True, kw_only=True)
class Split(RoutingKernel):
    """The first `segments[0]` beats of `i` go to `o0`, the next `segments[1]` to `o1`, ...

    :param segments: beats for each output, at least 1 each; their sum is the period of `i`.

    For the other parameters see RoutingKernel, for the hardware Router.
    """

    segments: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ints("segments", self.segments, least=1)

    def moves(self) -> Iterable[Move]:
        return tuple(Move("i", f"o{k}", count) for k, count in enumerate(self.segments))


@dataclass(frozen=True, kw_only=True)
class Concat(RoutingKernel):
    """`o` is `segments[0]` beats of `i0`, then `segments[1]` beats of `i1`, ...

    :param segments: beats from each input, at least 1 each; their sum is the period of `o`.

    For the other parameters see RoutingKernel, for the hardware Router.
    """

    segments: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ints("segments", self.segments, least=1)

    def moves(self) -> Iterable[Move]:
        return tuple(Move(f"i{k}", "o", count) for k, count in enumerate(self.segments))


@dataclass(frozen=True, kw_only=True)
class Select(RoutingKernel):
    """`o` is those beats of `i` that `keep` names; the others are dropped.

    :param keep: one bool per beat of the period, at least one of them True.

    For the other parameters see RoutingKernel, for the hardware Router. The hardware counts runs
    of equal entries within the shortest pattern that repeats, so `keep` may be long.
    """

    keep: tuple[bool, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.keep, tuple):
            raise TypeError(f"keep must be a tuple, not {self.keep!r}")
        for k, value in enumerate(self.keep):
            if not isinstance(value, bool):
                raise TypeError(f"keep[{k}] must be a bool, not {value!r}")
        if True not in self.keep:
            raise ValueError(f"keep must hold a True, not {self.keep!r}")

    def moves(self) -> Iterable[Move]:
        return tuple(
            Move("i", "o" if kept else None, len(list(run))) for kept, run in groupby(self.keep)
        )


@dataclass(frozen=True, kw_only=True)
class Sink(RoutingKernel):
    """Takes every beat of `i` at once and drops it; there is no output.

    :param beats: beats in one period.

    For the other parameters see RoutingKernel.
    """

    beats: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("beats", self.beats, 1)

    def moves(self) -> Iterable[Move]:
        return (Move("i", None, self.beats),)
