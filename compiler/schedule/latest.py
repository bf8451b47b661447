"""What a run leaves open: how late each beat could move, and the FIFO depths that follow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.schedule.cycles import End, Network, Run, Trace

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
    run = Run(network, frames, record=True)
    run.run()
    late_puts, late_takes = _latest(run)
    early, late, least = {}, {}, {}
    for edge in network.edges:
        if edge.depth:
            key = (edge.src, edge.dst)
            channel = run.plan.fifos[key]
            backward = channel.pipe.backward
            puts, taken = run.puts(channel), run.taken(channel)
            last_puts = run.tables.puts(run.number(channel), late_puts)
            last_takes = run.tables.taken(run.number(channel), late_takes)
            early[key] = _depth(puts, taken, backward)
            late[key] = _depth(last_puts, last_takes, backward)
            least[key] = _depth(last_puts, taken, backward)
    return Usage(run.trace(), early, late, least)


def _depth(puts: np.ndarray, taken: np.ndarray, backward: int) -> int:
    """The least depth for these cycles; beats that nobody takes do not count."""
    put = puts[: len(taken)]
    if len(put) == 0:
        return 1
    gone = np.searchsorted(taken, put - backward, side="right")
    return max(1, int((np.arange(1, len(put) + 1) - gone).max()))


def _latest(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The latest cycles of all puts and of all takes, laid out as the earliest ones are."""
    from thresher.compiler.schedule.firing import put_off  # Numba takes a while

    made = run.tables
    horizon = made.processes["last"].max()
    late_puts = np.full(len(made.put_times), horizon)
    late_takes = np.full(len(made.take_times), horizon)
    latest = np.full(len(made.processes), horizon)
    put_off(
        made.channels, made.channels.copy(), made.moves, made.takes, made.gives,
        made.take_times, made.order, latest, late_puts, late_takes,
    )  # fmt: skip
    return late_puts, late_takes
