"""Timings with fewer firings that move the same beats in the same cycles.

An accumulator takes a run of beats and gives one: process B fires (take p) n - 1 times, then
(take p, give o), and A, which feeds it, fires (give p). Let p have capacity c and latencies f <= c
and 0. Then of all the puts p[k] and takes t[k] only the ends e = n - 1, 2n - 1, ... of the runs
bind anyone else, for in between both go on at a beat a cycle:

- t[e] >= p[e] + f, and t[e] >= t[e - n] + n;
- p[k] >= t[k - c] binds for k - c = e alone, since p[k] >= p[k - c] + c holds by itself.

So B becomes one firing of n cycles a run. The same for those runs of A that give p and do nothing
else; the others stay, and the beat e + c waits for B's firing (a *credit*).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thresher.rtl.timing import Firing, Pipe, Timing

__all__ = ["Coarse", "Step", "coarse", "steps"]

_UNBOUNDED = 1 << 60


@dataclass(frozen=True)
class Step:
    """`repeat` equal firings.

    :param takes: (pipe, cycles that its beats take longer to this firing than the pipe says).
    :param gives: pipes.
    :param gap: cycles since the process fired before, at least.
    """

    takes: tuple[tuple[str, int], ...]
    gives: tuple[str, ...]
    repeat: int
    gap: int


@dataclass(frozen=True)
class Coarse:
    """A timing, with `initial` beats in some pipes from the start."""

    processes: tuple[tuple[Step, ...], ...]
    pipes: Mapping[str, Pipe]
    initial: Mapping[str, int]


def steps(process: Sequence[Firing]) -> tuple[Step, ...]:
    """The firings as they are."""
    return tuple(Step(tuple((n, 0) for n in f.takes), f.gives, f.repeat, 1) for f in process)


def coarse(timing: Timing) -> Coarse:
    """The timing with runs of accumulation made one firing each."""
    made = Coarse(tuple(steps(p) for p in timing.processes), timing.pipes, timing.initial)
    for name, pipe in timing.pipes.items():
        givers = [k for k, p in enumerate(timing.processes) if any(name in f.gives for f in p)]
        takers = [k for k, p in enumerate(timing.processes) if any(name in f.takes for f in p)]
        if name in timing.initial:
            continue
        if len(givers) == len(takers) == 1 and pipe.forward <= pipe.capacity and not pipe.backward:
            run = _run_length(timing.processes[takers[0]], name)
            giver = timing.processes[givers[0]]
            whole = run > 1 and sum(f.repeat for f in giver) % run == 0
            if whole and all(f.gives == (name,) for f in giver):
                made = _with_runs(made, name, givers[0], takers[0], run)
    return made


def _run_length(process: Sequence[Firing], name: str) -> int:
    """n, where the process is runs of n takes of `name` alone, the last of which gives; else 0."""
    if len(process) % 2 or any(f.takes != (name,) for f in process):
        return 0
    silent, giving = process[::2], process[1::2]
    alike = len({f.repeat for f in silent}) == 1 and all(f.repeat == 1 for f in giving)
    return silent[0].repeat + 1 if alike and not any(f.gives for f in silent) else 0


def _with_runs(made: Coarse, name: str, giver: int, taker: int, n: int) -> Coarse:
    pipe = made.pipes[name]
    token, credit = f"{name}~run", f"{name}~credit"
    ahead, place = divmod(n - 1 + pipe.capacity, n)
    processes = list(made.processes)
    processes[taker] = tuple(
        Step(((token, 0),), (*s.gives, credit), 1, n) for s in made.processes[taker] if s.gives
    )
    given: list[Step] = []
    for run in _runs(made.processes[giver], n):
        if len(run) == 1 and not run[0].takes:
            given.append(Step(((credit, n - 1 - place),), (token,), 1, n))
        else:
            given += _singly(run, n, place, token, credit)
    processes[giver] = tuple(given)
    pipes = {k: p for k, p in made.pipes.items() if k != name}
    pipes[token] = Pipe(_UNBOUNDED, pipe.forward, 0)
    pipes[credit] = Pipe(_UNBOUNDED, 0, 0)
    return Coarse(tuple(processes), pipes, {**made.initial, credit: ahead})


def _runs(process: Sequence[Step], n: int) -> list[list[Step]]:
    """The process cut into runs of n firings."""
    runs: list[list[Step]] = []
    room = 0
    for step in process:
        left = step.repeat
        while left:
            if room == 0:
                runs.append([])
                room = n
            count = min(left, room)
            runs[-1].append(Step(step.takes, step.gives, count, step.gap))
            left -= count
            room -= count
    return runs


def _singly(run: Sequence[Step], n: int, place: int, token: str, credit: str) -> list[Step]:
    """The run's firings one by one: the one at `place` needs the credit, the last gives."""
    found: list[Step] = []
    position = 0
    for step in run:
        inner = {k - position for k in (place, place + 1, n - 1)}
        cuts = sorted({0, step.repeat, *(c for c in inner if 0 < c < step.repeat)})
        for first, end in zip(cuts, cuts[1:], strict=False):
            takes = step.takes
            if position + first == place:
                takes = (*takes, (credit, 0))
            gives = (token,) if position + end == n else ()
            found.append(Step(takes, gives, end - first, step.gap))
        position += step.repeat
    return found
