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
    latest = _latest(run)
    early, late, least = {}, {}, {}
    for edge in network.edges:
        if edge.depth:
            key = (edge.src, edge.dst)
            channel = run.fifos[key]
            late_puts, late_takes = latest.get(id(channel), ([], []))
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


def _latest(run: Run) -> dict[int, tuple[list[int], list[int]]]:
    """Per channel the latest cycles of its puts and takes: one pass over the firings backwards."""
    assert run.order is not None
    horizon = max(process.last for process in run.processes)
    ends: dict[int, _Ends] = {}
    for move in {id(move): move for _, move, _ in run.order}.values():
        for channel in (*(c for c, _ in move.takes), *(c for c, _, _ in move.gives)):
            ends[id(channel)] = _Ends(channel, horizon)
    for sink in run.sinks.values():
        ends[id(sink)].is_sink = True
    bound = {
        id(move): (
            [(ends[id(c)], forward - c.pipe.forward) for c, forward in move.takes],
            [(ends[id(c)], c.pipe.forward) for c, _, _ in move.gives],
        )
        for _, move, _ in run.order
    }
    following = {id(process): horizon for process in run.processes}
    for process, move, count in reversed(run.order):
        taken, given = bound[id(move)]
        latest = following[id(process)]
        for _ in range(count):
            time = latest
            for end, forward in given:
                end.put_at = k = end.put_at - 1
                if k < end.count and end.takes[k] - forward < time:
                    time = end.takes[k] - forward
            for end, _ in taken:
                end.taken_at = k = end.taken_at - 1
                if end.is_sink and end.actual[k] < time:
                    time = end.actual[k]
                k += end.capacity
                if k < len(end.puts) and end.puts[k] - end.backward < time:
                    time = end.puts[k] - end.backward
            for end, _ in given:
                end.puts[end.put_at] = time
            for end, more in taken:
                end.takes[end.taken_at] = time - more
            latest = time - move.gap
        following[id(process)] = latest
    return {key: (end.puts, end.takes) for key, end in ends.items()}


class _Ends:
    """The latest cycles of a channel's puts and takes, filled in from the last one backwards."""

    def __init__(self, channel: Channel, horizon: int) -> None:
        self.puts, self.takes = [horizon] * len(channel.put), [horizon] * len(channel.taken)
        self.put_at, self.taken_at = len(channel.put), len(channel.taken)
        self.count, self.actual, self.is_sink = len(channel.taken), channel.taken, False
        self.capacity, self.backward = channel.pipe.capacity, channel.pipe.backward
