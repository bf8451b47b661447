"""What one kernel adds to a path through the design: the least cycles from beat to beat.

A stream's elements come in turns: one a step of a loop, or one a frame. A few elements of each turn
are looked at, its *places* (`PLACES`). A kernel that takes the beat with one place of an input's
turn in cycle t, and those before it ever so early, gives the beat with a place of an output's turn
in cycle t + d or later, whatever surrounds it, for what follows from beat to beat inside a kernel
is a maximum over sums (`thresher.rtl.timing`). These d are found by letting the kernel run alone,
offered all beats from that one on in a far cycle and all else in cycle 0.

Places are of elements, not of beats, so that d of kernels with unlike lanes can be added up.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace

from thresher.compiler.schedule.cycles import Network, Run
from thresher.rtl.kernel import Kernel
from thresher.rtl.timing import Pipe

__all__ = ["FIRST", "LAST", "PLACES", "Arc", "element", "like", "transfers"]

_PARTS = ((0, 1), (1, 2), (2, 3), (3, 4))  # of a turn
PLACES = range(len(_PARTS) + 1)
"""The first element, those behind so many parts of the turn, the last one."""
FIRST, LAST = PLACES[0], PLACES[-1]

_FAR = 1 << 40


@dataclass(frozen=True, order=True)
class Arc:
    """From the take of a place of an input's turn.

    :param port: an output, where the element can be taken; or the same input, where the same place
        of the next turn is taken.
    :param later: how many turns later.
    """

    source: str
    place: int
    port: str
    to: int
    later: int


def like(kernel: Kernel) -> Hashable:
    """Equal for kernels that move the same elements in the same cycles."""
    timing = kernel.timing()
    ports = {**kernel.inputs, **kernel.outputs}
    return (
        timing.processes,
        tuple(sorted((n, (p.capacity, p.forward, p.backward)) for n, p in timing.pipes.items())),
        tuple(sorted(timing.initial.items())),
        tuple((name, port.lanes, port.beats) for name, port in sorted(ports.items())),
    )


def transfers(
    kernel: Kernel, turns: Mapping[str, int], several: bool, registered: bool = True
) -> dict[Arc, int]:
    """The cycles d of every pair of places between which there is such a bound.

    :param turns: by port the elements of one turn; ports that are left out are not looked at.
    :param several: the kernel has more than one turn a frame; else nothing leads to a later one.
    :param registered: the stages behind its outputs count.
    """
    count = 2 if several else 1
    ports = {**kernel.inputs, **kernel.outputs}
    beats = {name: count * turns[name] // ports[name].lanes for name in turns}
    timing = kernel.timing()
    if not registered:
        pipes = {
            name: Pipe(p.capacity, 0, p.backward) if name in kernel.outputs else p
            for name, p in timing.pipes.items()
        }
        timing = replace(timing, pipes=pipes)
    inputs, outputs = (
        {name: (("", name), 0, beats.get(name, port.beats)) for name, port in side.items()}
        for side in (kernel.inputs, kernel.outputs)
    )
    network = Network({"": timing}, (), inputs, outputs)
    found: dict[Arc, int] = {}
    for source in kernel.inputs:
        if source not in turns:
            continue
        for place in PLACES:
            for port, to, later, cycles in _from(network, kernel, turns, source, place, count):
                found[Arc(source, place, port, to, later)] = cycles
    return found


def _from(
    network: Network, kernel: Kernel, turns: Mapping[str, int], source: str, place: int, count: int
) -> Iterator[tuple[str, int, int, int]]:
    """(port, place, turns later, cycles)."""
    first = element(turns[source], place) // kernel.inputs[source].lanes
    starts = {
        name: [_FAR if name == source and beat >= first else 0 for beat in range(beats)]
        for name, (_, _, beats) in network.inputs.items()
    }
    run = Run(network, 1, starts=starts)
    run.fire()
    for ports, channels in (
        (kernel.inputs, run.plan.sources), (kernel.outputs, run.plan.sinks),
    ):  # fmt: skip
        for name in ports.keys() & turns.keys():
            times = run.taken(channels[name])
            for later in range(count):
                for to in PLACES:
                    beat = (later * turns[name] + element(turns[name], to)) // ports[name].lanes
                    again = (name, to, later) == (source, place, 1)
                    wanted = again or name in kernel.outputs
                    if wanted and beat < len(times) and times[beat] >= _FAR:
                        yield name, to, later, int(times[beat]) - _FAR


def element(turn: int, place: int) -> int:
    """The number of the element at a place of a turn of so many."""
    if place == LAST:
        return turn - 1
    part, parts = _PARTS[place]
    return turn * part // parts
