"""When a kernel moves its beats: processes that fire, and the pipes between them.

Every kernel is built from two things only, and so its cycles can be foretold exactly:

- A *process* fires at most once a cycle. One firing takes one beat from each of some pipes and
  puts one beat into each of some others, all in the same cycle, as soon as all of them allow it.
  What a process takes and gives is a fixed sequence that repeats every period and never depends
  on data.
- A *pipe* holds at most `capacity` beats. The k-th beat, put in cycle p[k], can be taken in any
  cycle t >= p[k] + forward; the put of beat k must satisfy p[k] >= t[k - capacity] + backward.

The constraints are max-plus linear (a timed event graph), so the earliest schedule is unique and
is what the RTL does: see `thresher.compiler.schedule.cycles` for the solver.

| hardware | pipe |
|---|---|
| L elastic register stages, ready passing through in the same cycle | Pipe(L, L, 0) |
| FIFO of depth D whose flags are registered | Pipe(D, 1, 1) |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Firing", "Pipe", "Timing", "register_stages", "fifo_pipe"]


@dataclass(frozen=True)
class Firing:
    """`repeat` equal firings in a row, each taking and giving one beat on each named pipe."""

    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    repeat: int = 1

    def __post_init__(self) -> None:
        if self.repeat < 1:
            raise ValueError(f"repeat must be at least 1, not {self.repeat!r}")


@dataclass(frozen=True)
class Pipe:
    """A bounded channel; see the module's text for the three numbers (beats, cycles, cycles)."""

    capacity: int
    forward: int
    backward: int

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.forward < 0 or self.backward < 0:
            raise ValueError(f"Pipe must have capacity >= 1 and latencies >= 0, not {self!r}")


@dataclass(frozen=True)
class Timing:
    """The processes and pipes of one kernel.

    :param processes: each a sequence of firings that repeats for ever.
    :param pipes: internal pipes and, under the port's name, the pipe behind each output port.
        Input ports have no pipe here: what feeds them brings it.
    :param initial: beats that are in a pipe from the reset on.
    """

    processes: tuple[tuple[Firing, ...], ...]
    pipes: Mapping[str, Pipe]
    initial: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, *processes: Iterable[Firing], **pipes: Pipe) -> "Timing":
        """Build from processes as positional and pipes as keyword arguments."""
        return cls(tuple(tuple(p) for p in processes), dict(pipes))

    def gives_unasked(self, outputs: Iterable[str]) -> bool:
        """Whether a period starts with a beat on one of these ports before any input."""
        firsts = (process[0] for process in self.processes)
        return any(not f.takes and set(f.gives) & set(outputs) for f in firsts)


def register_stages(count: int) -> Pipe:
    """The pipe that `count` elastic register stages make (see `thresher.rtl.elastic`)."""
    return Pipe(count, count, 0)


def fifo_pipe(depth: int) -> Pipe:
    """The pipe that a `thresher.rtl.fifo.Fifo` of this depth makes."""
    return Pipe(depth, 1, 1)
