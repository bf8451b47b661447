"""Exact cycle counts of a network of kernels, without simulating it.

Every kernel states its processes and pipes (`thresher.rtl.timing`). Joined by FIFOs they form a
timed event graph: the time of every firing is the maximum over the times of a few earlier ones plus
a constant, so one pass over the firings, in any order that respects who waits for whom, gives the
cycle of every transfer. The RTL fires as early as it can, and so transfers in the same cycles.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from thresher.rtl.timing import Firing, Pipe, Timing, fifo_pipe

__all__ = [
    "Channel", "Deadlock", "Edge", "End", "Late", "Move", "Network", "Process", "Run", "Trace",
    "solve",
]  # fmt: skip

End = tuple[str, str]
_UNBOUNDED = 1 << 60


class Late(Exception):
    """An output transfer comes later than the limit that was given."""


class Deadlock(Exception):
    """The network stops before its outputs are complete; the text lists who waits for whom."""


@dataclass(frozen=True)
class Edge:
    """A stream from port `src` = (kernel, port) to port `dst` through a FIFO.

    :param depth: the FIFO's depth in beats; 0 is a plain connection.
    """

    src: End
    dst: End
    depth: int


@dataclass(frozen=True)
class Network:
    """Kernels joined by edges.

    :param timings: the timing of each kernel by name.
    :param edges: the streams between kernels.
    :param inputs: top input name -> (the port it feeds, depth of the FIFO between, beats a frame).
    :param outputs: top output name -> (the port that feeds it, depth of the FIFO between, beats a
        frame).
    """

    timings: Mapping[str, Timing]
    edges: tuple[Edge, ...]
    inputs: Mapping[str, tuple[End, int, int]]
    outputs: Mapping[str, tuple[End, int, int]]


@dataclass(eq=False)
class Channel:
    pipe: Pipe
    put: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    producer: "Process | None" = None
    consumer: "Process | None" = None
    limits: Sequence[int] | None = None


Move = tuple[tuple[Channel, ...], tuple[Channel, ...]]


@dataclass(eq=False)
class Process:
    name: str
    firings: Iterator[tuple[Move, int]]
    move: Move = ((), ())
    left: int = 0
    last: int = -1
    queued: bool = True
    waits: str = ""


@dataclass(frozen=True)
class Trace:
    """When beats moved, in cycles from the reset; all sources valid and all sinks ready always.

    :param inputs: per top input the cycle of each transfer.
    :param outputs: per top output the cycle of each transfer.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


def _firings(
    sequence: tuple[Firing, ...], channels: Mapping[str, Channel], endless: bool
) -> Iterator[tuple[Move, int]]:
    bound = [
        ((tuple(channels[n] for n in f.takes), tuple(channels[n] for n in f.gives)), f.repeat)
        for f in sequence
    ]
    yield from bound
    while endless:
        yield from bound


class Run:
    """The network's channels and processes, and what has fired."""

    def __init__(self, network: Network, frames: int) -> None:
        self.network, self.frames = network, frames
        self.processes: list[Process] = []
        self.fifos: dict[tuple[End, End], Channel] = {}
        self.sources: dict[str, Channel] = {}
        self.sinks: dict[str, Channel] = {}
        self.order: list[tuple[Process, Move, int]] | None = None
        ports: dict[str, dict[str, Channel]] = {
            name: {p: Channel(pipe) for p, pipe in t.pipes.items()}
            for name, t in network.timings.items()
        }
        for name, (dst, depth, beats) in network.inputs.items():
            source = Channel(Pipe(_UNBOUNDED, 0, 0), put=[0] * (beats * frames))
            self.sources[name] = source
            ports[dst[0]][dst[1]] = self._fifo((("", name), dst), source, depth)
        for edge in network.edges:
            source = ports[edge.src[0]][edge.src[1]]
            ports[edge.dst[0]][edge.dst[1]] = self._fifo((edge.src, edge.dst), source, edge.depth)
        for name, (src, depth, beats) in network.outputs.items():
            channel = self._fifo((src, ("", name)), ports[src[0]][src[1]], depth)
            self.sinks[name] = channel
            wanted = Firing(takes=("x",), repeat=beats * frames)
            self._process(f"output {name}", (wanted,), {"x": channel}, endless=False)
        for name, timing in network.timings.items():
            for sequence in timing.processes:
                self._process(name, sequence, ports[name])

    def _fifo(self, key: tuple[End, End], source: Channel, depth: int) -> Channel:
        if depth == 0:
            return source
        fifo = Channel(fifo_pipe(depth))
        self.fifos[key] = fifo
        name = f"FIFO {'.'.join(key[0])} -> {'.'.join(key[1])}"
        self._process(name, (Firing(("i",), ("o",)),), {"i": source, "o": fifo})
        return fifo

    def _process(
        self,
        name: str,
        sequence: tuple[Firing, ...],
        channels: Mapping[str, Channel],
        endless: bool = True,
    ) -> None:
        process = Process(name, _firings(sequence, channels, endless))
        for firing in sequence:
            for n in firing.takes:
                channels[n].consumer = process
            for n in firing.gives:
                channels[n].producer = process
        self.processes.append(process)

    def run(self, limits: Mapping[str, Sequence[int]] | None = None) -> None:
        """Fire everything that can, in an order that respects who waits for whom.

        :raises Deadlock: when the outputs do not complete.
        :raises Late: when an output's transfer comes after its limit.
        """
        for name, limit in (limits or {}).items():
            self.sinks[name].limits = limit
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
    last, left = process.last, process.left
    takes, gives = process.move
    started = left
    punctual = True
    while True:
        if left == 0:
            if order is not None and started:
                order.append((process, process.move, started))
            process.move, left = next(process.firings, (((), ()), 0))
            takes, gives = process.move
            started = left
            if left == 0:
                process.waits = "nothing"
                break
        time = last + 1
        for channel in takes:
            k = len(channel.taken)
            if k >= len(channel.put):
                process.waits = "input"
                break
            known = channel.put[k] + channel.pipe.forward
            if known > time:
                time = known
        else:
            for channel in gives:
                k = len(channel.put) - channel.pipe.capacity
                if k >= 0:
                    if k >= len(channel.taken):
                        process.waits = "room"
                        break
                    known = channel.taken[k] + channel.pipe.backward
                    if known > time:
                        time = known
            else:
                for channel in takes:
                    if channel.limits is not None and time > channel.limits[len(channel.taken)]:
                        punctual = False
                    channel.taken.append(time)
                    other = channel.producer
                    if other is not None and not other.queued:
                        other.queued = True
                        ready.append(other)
                for channel in gives:
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
        order.append((process, process.move, started - left))
    process.last, process.left = last, left
    return punctual


def solve(
    network: Network, frames: int, limits: Mapping[str, Sequence[int]] | None = None
) -> Trace:
    """The cycle of every transfer while `frames` frames run through back to back.

    :param limits: per top output the latest cycle allowed for each transfer.
    :raises Deadlock: when the outputs do not complete.
    :raises Late: as soon as an output's transfer comes after its limit.
    """
    run = Run(network, frames)
    run.run(limits)
    return run.trace()
