"""A network as processes that fire and the channels between them, before anything has moved."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from thresher.compiler.schedule.coarse import Step, coarse, steps
from thresher.compiler.schedule.network import End, Network
from thresher.rtl.skid import SKID_PIPE
from thresher.rtl.timing import Firing, Pipe, fifo_pipe

__all__ = ["UNBOUNDED", "Channel", "Plan", "Program", "plan"]

UNBOUNDED = 1 << 60  # beats
_ALWAYS = -(1 << 40)
_PASS = steps((Firing(("i",), ("o",)),))


@dataclass(eq=False)
class Channel:
    """A pipe between two processes.

    :param at: the cycles in which the beats that it holds from the start were put.
    """

    pipe: Pipe
    at: tuple[int, ...] = ()

    @property
    def is_full_rate(self) -> bool:
        """It can move a beat a cycle."""
        return self.pipe.forward + self.pipe.backward <= self.pipe.capacity


@dataclass(frozen=True, eq=False)
class Program:
    """A process: what it does, on which channels, over and over again or, if `once`, once.

    :param channels: by the names that the steps use.
    """

    name: str
    steps: tuple[Step, ...]
    channels: Mapping[str, Channel]
    once: bool = False

    @property
    def passes(self) -> tuple[str, str] | None:
        """(pipe, pipe) where all it does is to pass beats from the one to the other."""
        first = self.steps[0]
        takes, gives = first.takes, first.gives
        if self.once or len(takes) != 1 or len(gives) != 1 or first.gap != 1 or takes[0][1]:
            return None
        if any((s.takes, s.gives, s.gap) != (takes, gives, 1) for s in self.steps[1:]):
            return None
        return takes[0][0], gives[0]


@dataclass
class Plan:
    """All processes, and by name the channels that are looked at afterwards.

    :param fifos: by (from, to), those FIFOs that have a channel of their own.
    """

    programs: list[Program] = field(default_factory=list)
    fifos: dict[tuple[End, End], Channel] = field(default_factory=dict)
    sources: dict[str, Channel] = field(default_factory=dict)
    sinks: dict[str, Channel] = field(default_factory=dict)


def plan(network: Network, frames: int, keep_fifos: bool) -> Plan:
    """The processes that run `frames` frames.

    :param keep_fifos: every FIFO has a channel of its own; else pipes that follow each other may be
        one.
    """
    made, ports = Plan(), {}
    for name, timing in network.timings.items():
        form = coarse(timing)
        ports[name] = channels = {p: Channel(pipe) for p, pipe in form.pipes.items()}
        for port, count in form.initial.items():
            real = port in timing.initial  # these can leave in cycle 0, no sooner
            channels[port].at = (-form.pipes[port].forward if real else _ALWAYS,) * count
        made.programs += [Program(name, process, channels) for process in form.processes]
    kernels, made.programs = made.programs, []
    for name, (dst, depth, beats) in network.inputs.items():
        made.sources[name] = source = Channel(Pipe(UNBOUNDED, 0, 0), (0,) * (beats * frames))
        ports[dst[0]][dst[1]] = _fifo(made, (("", name), dst), source, depth)
    for edge in network.edges:
        source = ports[edge.src[0]][edge.src[1]]
        ports[edge.dst[0]][edge.dst[1]] = _fifo(made, (edge.src, edge.dst), source, edge.depth)
    for name, (src, depth, beats) in network.outputs.items():
        made.sinks[name] = sink = _fifo(made, (src, ("", name)), ports[src[0]][src[1]], depth)
        takes = steps((Firing(takes=("x",), repeat=beats * frames),))
        made.programs.append(Program(f"output {name}", takes, {"x": sink}, once=True))
    made.programs += kernels
    return _merged(made, keep_fifos)


def _fifo(made: Plan, key: tuple[End, End], source: Channel, depth: int) -> Channel:
    """The channel behind a FIFO of this depth, see `Edge`."""
    if depth < 0:
        source.pipe = Pipe(-depth, source.pipe.forward, source.pipe.backward)
    if depth <= 0:
        return source
    made.fifos[key] = behind = Channel(SKID_PIPE if depth == 1 else fifo_pipe(depth))
    name = f"FIFO {'.'.join(key[0])} -> {'.'.join(key[1])}"
    made.programs.append(Program(name, _PASS, {"i": source, "o": behind}))
    return behind


def _merged(made: Plan, keep_fifos: bool) -> Plan:
    """Make two pipes with a process between that only passes beats on one pipe.

    Exact where both can move a beat a cycle: all that the process adds follows then from its
    neighbours' moving at most a beat a cycle.
    """
    apart = {id(channel) for channel in made.sources.values()}
    if keep_fifos:
        apart |= {id(channel) for channel in made.fifos.values()}
    same: dict[int, Channel] = {}
    programs: list[Program] = []
    for program in made.programs:
        ports = program.passes
        if ports is not None:
            first, second = (program.channels[p] for p in ports)
            free = id(first) not in apart and id(second) not in apart and not second.at
            first = same.get(id(first), first)
            if free and first.is_full_rate and second.is_full_rate:
                same |= dict.fromkeys([k for k, c in same.items() if c is second], first)
                same[id(second)] = first
                a, b = first.pipe, second.pipe
                first.pipe = Pipe(
                    a.capacity + b.capacity, a.forward + b.forward, a.backward + b.backward
                )
                continue
        programs.append(program)
    made.programs = [
        Program(p.name, p.steps, {n: same.get(id(c), c) for n, c in p.channels.items()}, p.once)
        for p in programs
    ]
    made.sinks = {name: same.get(id(c), c) for name, c in made.sinks.items()}
    return made
