"""Exact cycle counts of a network of kernels, without simulating it.

Every kernel states its processes and pipes (`thresher.rtl.timing`). Joined by FIFOs they form a
timed event graph: the time of every firing is the maximum over the times of a few earlier ones plus
a constant, so one pass over the firings, in any order that respects who waits for whom, gives the
cycle of every transfer. The RTL fires as early as it can, and so transfers in the same cycles.

`plan` joins the network's processes, `tables` makes arrays of them, `firing` is the pass.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from thresher.compiler.schedule.network import Deadlock, Edge, End, Late, Network, Trace
from thresher.compiler.schedule.plan import Channel, plan
from thresher.compiler.schedule.tables import WAITS, tables

__all__ = ["Deadlock", "Edge", "End", "Late", "Network", "Run", "Trace", "solve"]


class Run:
    """A network that runs some frames, and the cycles in which its beats move.

    :param record: every FIFO has a channel of its own, and all cycles and the order of all firings
        are kept; else no more than `trace` tells.
    :param starts: by top input the cycles from which on each beat is offered, ascending; default 0.
    """

    def __init__(
        self, network: Network, frames: int, record: bool = False,
        starts: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.network, self.frames = network, frames
        self.plan = plan(network, frames, keep_fifos=record)
        for name, at in starts.items():
            self.plan.sources[name].at = tuple(at)
        self.tables, self._numbers = tables(self.plan)
        if record:
            self.fire()
            self.tables, _ = tables(self.plan, before=self.tables)

    def run(self, limits: Mapping[str, np.ndarray] | None = None) -> None:
        """Fire everything that can.

        :raises Deadlock: when the outputs do not complete.
        :raises Late: when an output's transfer comes after its limit.
        """
        if limits:
            sinks = self.plan.sinks
            self.tables.limit({self.number(sinks[name]): at for name, at in limits.items()})
        self.fire()
        for name, (_, _, beats) in self.network.outputs.items():
            done, wanted = len(self.taken(self.plan.sinks[name])), beats * self.frames
            if done < wanted:
                rows = zip(self.plan.programs, self.tables.processes["waits"], strict=True)
                waits = ", ".join(sorted({f"{p.name} for {WAITS[code]}" for p, code in rows}))
                raise Deadlock(
                    f"output {name!r} stops after {done} of {wanted} beats; waiting: {waits}"
                )

    def fire(self) -> None:
        """The same, complete or not.

        :raises Late: as above.
        """
        from thresher.compiler.schedule import firing  # Numba takes a while

        made = self.tables
        while True:
            status = firing.fire(
                made.channels, made.processes, made.moves, made.takes, made.gives, made.put_times,
                made.take_times, made.limits, made.order, made.queue, made.work,
            )  # fmt: skip
            if status == firing.DONE:
                return
            if status == firing.LATE:
                raise Late(self.plan.programs[int(made.work["current"][0])].name)
            made.lengthen(int(made.work["subject"][0]))

    def number(self, channel: Channel) -> int:
        """Its row in the tables."""
        return self._numbers[id(channel)]

    def puts(self, channel: Channel) -> np.ndarray:
        """The cycles of a recorded channel's puts."""
        return self.tables.puts(self.number(channel))

    def taken(self, channel: Channel) -> np.ndarray:
        """The cycles of a recorded channel's takes, or of a port's at the top."""
        return self.tables.taken(self.number(channel))

    def trace(self) -> Trace:
        """The transfers of the top's ports."""
        return Trace(
            {name: self.taken(channel) for name, channel in self.plan.sources.items()},
            {name: self.taken(channel) for name, channel in self.plan.sinks.items()},
        )


def solve(network: Network, frames: int, limits: Mapping[str, np.ndarray] | None = None) -> Trace:
    """The cycle of every transfer while `frames` frames run through back to back.

    :param limits: per top output the latest cycle allowed for each transfer.
    :raises Deadlock: when the outputs do not complete.
    :raises Late: as soon as an output's transfer comes after its limit.
    """
    run = Run(network, frames)
    run.run(limits)
    return run.trace()
