"""Exact cycle counts of a network of kernels, without simulating it.

Every kernel states its processes and pipes (`thresher.rtl.timing`). Joined by FIFOs they form a
timed event graph: the time of every firing is the maximum over the times of a few earlier ones plus
a constant, so one pass over the firings, in any order that respects who waits for whom, gives the
cycle of every transfer. The RTL fires as early as it can, and so transfers in the same cycles.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.schedule.coarse import Step, coarse, steps
from thresher.compiler.schedule.events import Channel, Move, Process
from thresher.compiler.schedule.network import Deadlock, Edge, End, Late, Network, Trace
from thresher.rtl.skid import SKID_PIPE
from thresher.rtl.timing import Firing, Pipe, fifo_pipe

__all__ = [
    "Channel", "Deadlock", "Edge", "End", "Late", "Move", "Network", "Process", "Run", "Trace",
    "solve",
]  # fmt: skip

_UNBOUNDED = 1 << 60
_ALWAYS = -(1 << 40)


@dataclass(frozen=True)
class _Sequence:
    """A process before it is bound to its channels."""

    name: str
    steps: tuple[Step, ...]
    channels: Mapping[str, Channel]
    kind: str  # "kernel", "fifo" or "sink"

    @property
    def passes(self) -> tuple[str, str] | None:
        """(pipe, pipe) where all it does is to pass beats from the one to the other."""
        ends = {(s.takes, s.gives, s.gap) for s in self.steps}
        if self.kind == "sink" or len(ends) > 1:
            return None
        ((takes, gives, gap),) = ends
        if len(takes) == len(gives) == gap == 1 and takes[0][1] == 0:
            return takes[0][0], gives[0]
        return None


class Run:
    """The network's channels and processes, and what has fired.

    :param keep_fifos: every FIFO has a channel of its own, in `fifos`; else pipes that follow each
        other may be one.
    """

    def __init__(self, network: Network, frames: int, keep_fifos: bool = False) -> None:
        self.network, self.frames, self.keep_fifos = network, frames, keep_fifos
        self.processes: list[Process] = []
        self.fifos: dict[tuple[End, End], Channel] = {}
        self.sources: dict[str, Channel] = {}
        self.sinks: dict[str, Channel] = {}
        self.order: list[tuple[Process, Move, int]] | None = None
        sequences = self._sequences()
        same = self._merged(sequences)
        self.sinks = {name: same.get(id(c), c) for name, c in self.sinks.items()}
        for sequence in sequences:
            self._bind(sequence, same)

    def _sequences(self) -> list[_Sequence]:
        network, found = self.network, []
        timings = {name: coarse(t) for name, t in network.timings.items()}
        ports: dict[str, dict[str, Channel]] = {}
        for name, t in timings.items():
            real = network.timings[name].initial  # these can leave in cycle 0, no sooner
            ports[name] = {
                p: Channel(pipe, [-pipe.forward if p in real else _ALWAYS] * t.initial.get(p, 0))
                for p, pipe in t.pipes.items()
            }

        def fifo(key: tuple[End, End], source: Channel, depth: int) -> Channel:
            if depth < 0:
                source.pipe = Pipe(-depth, source.pipe.forward, source.pipe.backward)
            if depth <= 0:
                return source
            self.fifos[key] = made = Channel(SKID_PIPE if depth == 1 else fifo_pipe(depth))
            name = f"FIFO {'.'.join(key[0])} -> {'.'.join(key[1])}"
            moves = steps((Firing(("i",), ("o",)),))
            found.append(_Sequence(name, moves, {"i": source, "o": made}, "fifo"))
            return made

        for name, (dst, depth, beats) in network.inputs.items():
            source = Channel(Pipe(_UNBOUNDED, 0, 0), put=[0] * (beats * self.frames))
            self.sources[name] = source
            ports[dst[0]][dst[1]] = fifo((("", name), dst), source, depth)
        for edge in network.edges:
            source = ports[edge.src[0]][edge.src[1]]
            ports[edge.dst[0]][edge.dst[1]] = fifo((edge.src, edge.dst), source, edge.depth)
        for name, (src, depth, beats) in network.outputs.items():
            self.sinks[name] = fifo((src, ("", name)), ports[src[0]][src[1]], depth)
            moves = steps((Firing(takes=("x",), repeat=beats * self.frames),))
            found.append(_Sequence(f"output {name}", moves, {"x": self.sinks[name]}, "sink"))
        for name, t in timings.items():
            found += [_Sequence(name, process, ports[name], "kernel") for process in t.processes]
        return found

    def _merged(self, sequences: list[_Sequence]) -> dict[int, Channel]:
        """Make two pipes with a process between that only passes beats on one pipe.

        Exact where both can move a beat a cycle: all that the process adds follows then from its
        neighbours' moving at most a beat a cycle.

        :returns: id of a channel that is gone -> the one that it is part of; such processes are
            removed from `sequences`.
        """
        kept_apart = {id(channel) for channel in self.sources.values()}
        if self.keep_fifos:
            kept_apart |= {id(channel) for channel in self.fifos.values()}
        same: dict[int, Channel] = {}
        for sequence in list(sequences):
            ports = sequence.passes
            if ports is None:
                continue
            first, second = (sequence.channels[p] for p in ports)
            apart = {id(first), id(second)} & kept_apart
            first = same.get(id(first), first)
            apart |= {0} if second.put else set()  # it holds beats at the start
            if not apart and first.is_full_rate and second.is_full_rate:
                sequences.remove(sequence)
                same |= dict.fromkeys([k for k, c in same.items() if c is second], first)
                same[id(second)] = first
                a, b = first.pipe, second.pipe
                first.pipe = Pipe(
                    a.capacity + b.capacity, a.forward + b.forward, a.backward + b.backward
                )
        return same

    def _bind(self, sequence: _Sequence, same: Mapping[int, Channel]) -> None:
        channels = {n: same.get(id(c), c) for n, c in sequence.channels.items()}
        bound = []
        for step in sequence.steps:
            takes = [(channels[n], channels[n].pipe.forward + more) for n, more in step.takes]
            pipes = [(channels[n], channels[n].pipe) for n in step.gives]
            gives = [(c, pipe.capacity, pipe.backward) for c, pipe in pipes]
            bound.append((Move(tuple(takes), tuple(gives), step.gap), step.repeat))

        def endless() -> Iterator[tuple[Move, int]]:
            while True:
                yield from bound

        firings = iter(bound) if sequence.kind == "sink" else endless()
        process = Process(sequence.name, firings)
        for move, _ in bound:
            for channel, _ in move.takes:
                channel.consumer = process
            for channel, _, _ in move.gives:
                channel.producer = process
        self.processes.append(process)

    def run(self, limits: Mapping[str, np.ndarray] | None = None) -> None:
        """Fire everything that can, in an order that respects who waits for whom.

        :raises Deadlock: when the outputs do not complete.
        :raises Late: when an output's transfer comes after its limit.
        """
        for name, limit in (limits or {}).items():
            self.sinks[name].limits = limit.tolist()
        ready = deque(self.processes)
        while ready:
            process = ready.popleft()
            process.queued = False
            if not _advance(process, ready, self.order):
                raise Late(process.name)
        for name, (_, _, beats) in self.network.outputs.items():
            done, wanted = len(self.sinks[name].taken), beats * self.frames
            if done < wanted:
                waits = ", ".join(sorted({f"{p.name} for {p.waits}" for p in self.processes}))
                raise Deadlock(
                    f"output {name!r} stops after {done} of {wanted} beats; waiting: {waits}"
                )

    def trace(self) -> Trace:
        """The transfers of the top's ports."""
        return Trace(
            {name: np.array(channel.taken) for name, channel in self.sources.items()},
            {name: np.array(channel.taken) for name, channel in self.sinks.items()},
        )


def _advance(
    process: Process, ready: deque[Process], order: list[tuple[Process, Move, int]] | None
) -> bool:
    """Fire as long as all that the next firing waits for is known; False: an output is late."""
    last, left, move = process.last, process.left, process.move
    takes, gives, gap = move.takes, move.gives, move.gap
    started, punctual = left, True
    while True:
        if left == 0:
            if order is not None and started:
                order.append((process, move, started))
            move, left = next(process.firings, (Move((), (), 1), 0))
            takes, gives, gap = move.takes, move.gives, move.gap
            started = left
            if left == 0:
                process.waits = "nothing"
                break
        time = last + gap
        for channel, forward in takes:
            k = len(channel.taken)
            if k >= len(channel.put):
                process.waits = "input"
                break
            known = channel.put[k] + forward
            if known > time:
                time = known
        else:
            for channel, capacity, backward in gives:
                k = len(channel.put) - capacity
                if k >= 0:
                    if k >= len(channel.taken):
                        process.waits = "room"
                        break
                    known = channel.taken[k] + backward
                    if known > time:
                        time = known
            else:
                for channel, _ in takes:
                    if channel.limits is not None and time > channel.limits[len(channel.taken)]:
                        punctual = False
                    channel.taken.append(time)
                    other = channel.producer
                    if other is not None and not other.queued:
                        other.queued = True
                        ready.append(other)
                for channel, _, _ in gives:
                    channel.put.append(time)
                    other = channel.consumer
                    if other is not None and not other.queued:
                        other.queued = True
                        ready.append(other)
                last = time
                left -= 1
                continue
        break
    if order is not None and started > left:
        order.append((process, move, started - left))
    process.last, process.left, process.move = last, left, move
    return punctual


def solve(network: Network, frames: int, limits: Mapping[str, np.ndarray] | None = None) -> Trace:
    """The cycle of every transfer while `frames` frames run through back to back.

    :param limits: per top output the latest cycle allowed for each transfer.
    :raises Deadlock: when the outputs do not complete.
    :raises Late: as soon as an output's transfer comes after its limit.
    """
    run = Run(network, frames)
    run.run(limits)
    return run.trace()
