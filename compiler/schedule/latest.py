"""What a run leaves open: how late each beat could move, and the FIFO depths that follow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.schedule.cycles import Channel, End, Network, Run, Trace

__all__ = ["Usage", "measure"]


@dataclass(frozen=True)
class Usage:
    """Depths of the FIFOs between kernels, by (from, to).

    Beats can move at the cycles of any schedule that respects all constraints; under the depths
    that such a schedule needs, the earliest schedule is no later than it. So `early` and `late`
    each leave all output transfers as they are.

    :param early: what the earliest schedule needs, the one that the hardware follows.
    :param late: what the latest one needs in which every output transfer is as early as before.
    :param least: no depth below it, whatever the other depths, leaves them as they are.
    """

    trace: Trace
    early: Mapping[tuple[End, End], int]
    late: Mapping[tuple[End, End], int]
    least: Mapping[tuple[End, End], int]


def measure(network: Network, frames: int) -> Usage:
    """Run `frames` frames and put off every firing as long as no output transfer is delayed.

    :raises Deadlock: when the outputs do not complete.
    """
    run = Run(network, frames, keep_fifos=True)
    run.order = []
    run.run()
    puts, takes = _latest(run)
    early, late, least = {}, {}, {}
    for edge in network.edges:
        if edge.depth:
            key = (edge.src, edge.dst)
            channel = run.fifos[key]
            late_puts, late_takes = puts[id(channel)], takes[id(channel)]
            early[key] = _depth(channel, channel.put, channel.taken)
            late[key] = _depth(channel, late_puts, late_takes)
            least[key] = _depth(channel, late_puts, channel.taken)
    return Usage(run.trace(), early, late, least)


def _depth(channel: Channel, puts: list[int], takes: list[int]) -> int:
    """The least depth for these cycles; beats that nobody takes do not count."""
    put, taken = np.array(puts[: len(takes)]), np.array(takes)
    if len(put) == 0:
        return 1
    gone = np.searchsorted(taken, put - channel.pipe.backward, side="right")
    return max(1, int((np.arange(1, len(put) + 1) - gone).max()))


def _latest(run: Run) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Per channel the latest cycles of its puts and takes: one pass over the firings backwards."""
    assert run.order is not None
    horizon = max(process.last for process in run.processes)
    channels: dict[int, Channel] = {}
    for _, move, _ in run.order:
        channels |= {id(c): c for c, _ in move.takes}
        channels |= {id(c): c for c, _, _ in move.gives}
    puts = {key: [horizon] * len(c.put) for key, c in channels.items()}
    takes = {key: [horizon] * len(c.taken) for key, c in channels.items()}
    put_at = {key: len(c.put) for key, c in channels.items()}
    taken_at = {key: len(c.taken) for key, c in channels.items()}
    sinks = {id(channel) for channel in run.sinks.values()}
    following = {id(process): horizon for process in run.processes}
    for process, move, count in reversed(run.order):
        latest = following[id(process)]
        gives = [(id(c), puts[id(c)], takes[id(c)], c.pipe.forward) for c, _, _ in move.gives]
        moved = [
            (id(c), c, puts[id(c)], takes[id(c)], forward - c.pipe.forward)
            for c, forward in move.takes
        ]
        for _ in range(count):
            time = latest
            for key, _, taken, forward in gives:
                put_at[key] = k = put_at[key] - 1
                if k < len(taken):
                    time = min(time, taken[k] - forward)
            for key, channel, put, _, _ in moved:
                taken_at[key] = k = taken_at[key] - 1
                if key in sinks:
                    time = min(time, channel.taken[k])
                k += channel.pipe.capacity
                if k < len(put):
                    time = min(time, put[k] - channel.pipe.backward)
            for key, put, _, _ in gives:
                put[put_at[key]] = time
            for key, _, _, taken, more in moved:
                taken[taken_at[key]] = time - more
            latest = time - move.gap
        following[id(process)] = latest
    return puts, takes
