"""A plan as flat arrays, which the compiled loops work on, and the cycles that they leave there.

Every channel has two stretches of cycles, of its puts and of its takes, which are used round and
round. They start small and are made longer when they are full: a cycle may be written over when
no one asks for it any more, unless the channel is kept. A stretch is 2^n long; the cycle of beat k
is at its start + (k mod 2^n). A run that is recorded has been done before without a record, and so
its stretches have the lengths that they need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thresher.compiler.schedule.network import ENDLESS
from thresher.compiler.schedule.plan import UNBOUNDED, Channel, Plan

__all__ = [
    "CHANNEL", "GIVE", "MOVE", "ORDER", "PROCESS", "TAKE", "WAITS", "WORK", "Tables", "tables",
]  # fmt: skip

WAITS = ("", "nothing", "input", "room")
"""What a process may wait for; its number is `waits`."""


def _record(names: str, kind: type = np.int64) -> np.dtype:
    return np.dtype([(name, kind) for name in names.split()])


CHANNEL = _record(
    # latencies are the pipe's; `keep` is how many beats after its put a take's cycle is asked for
    # `endless`: no more than `capacity` beats are ever put, and none waits for room
    "capacity forward backward producer consumer kept keep sink limits_at endless"
    " puts put_at put_mask takes take_at take_mask"
)
PROCESS = _record("first end once move left last queued waits")
MOVE = _record("repeat gap takes gives")  # the row behind tells where its takes and gives end
TAKE = _record("channel forward")
GIVE = _record("channel")
ORDER = _record("process move count", np.int32)  # equal firings in a row
WORK = _record("head length current subject ordered")  # where `firing.fire` is

_FIRST_SIZE = 1024  # beats, of a stretch


@dataclass(eq=False)
class Tables:
    """See the module's text; `move` of a process and `takes` and `gives` of a move are row numbers.

    :param put_times: the stretches of all channels' puts, one after the other.
    """

    channels: np.ndarray
    processes: np.ndarray
    moves: np.ndarray
    takes: np.ndarray
    gives: np.ndarray
    put_times: np.ndarray
    take_times: np.ndarray
    limits: np.ndarray
    order: np.ndarray
    queue: np.ndarray
    work: np.ndarray

    def puts(self, channel: int, times: np.ndarray | None = None) -> np.ndarray:
        """The cycles of a kept channel's puts, in `put_times` or others laid out so."""
        row = self.channels[channel]
        times = self.put_times if times is None else times
        return times[row["put_at"] : row["put_at"] + row["puts"]]

    def taken(self, channel: int, times: np.ndarray | None = None) -> np.ndarray:
        """The cycles of a kept channel's takes, in `take_times` or others laid out so."""
        row = self.channels[channel]
        times = self.take_times if times is None else times
        return times[row["take_at"] : row["take_at"] + row["takes"]]

    def limit(self, limits: Mapping[int, np.ndarray]) -> None:
        """Give channels the latest cycles of their takes."""
        at = 0
        for channel, times in limits.items():
            self.channels["limits_at"][channel] = at
            at += len(times)
        self.limits = np.concatenate(list(limits.values()), dtype=np.int64)

    def lengthen(self, channel: int) -> None:
        """Make room for four times as many of this channel's cycles."""
        rows = self.channels
        self.put_times = _longer(rows, "put", self.put_times, channel)
        self.take_times = _longer(rows, "take", self.take_times, channel)


def _longer(rows: np.ndarray, kind: str, times: np.ndarray, channel: int) -> np.ndarray:
    """The stretches of puts or takes, one of them longer and behind all others."""
    start, size = int(rows[f"{kind}_at"][channel]), int(rows[f"{kind}_mask"][channel]) + 1
    end = int((rows[f"{kind}_at"] + rows[f"{kind}_mask"]).max()) + 1
    new = 4 * size
    if end + new > len(times):  # twice as long, so that this is seldom
        times = np.concatenate([times, np.zeros(end + new, np.int64)])
    # beat k goes from k mod size to k mod new
    first = max(0, int(rows[f"{kind}s"][channel]) - size)
    beats = np.arange(first, first + size)
    times[end + beats % new] = times[start + beats % size]
    rows[f"{kind}_at"][channel], rows[f"{kind}_mask"][channel] = end, new - 1
    return times


def tables(plan: Plan, before: Tables | None = None) -> tuple[Tables, dict[int, int]]:
    """The arrays before anything has moved.

    :param before: the same plan's after a run: this time the order of firings is recorded, and all
        cycles are kept.
    :returns: and by id of each channel its number.
    """
    found = {id(c): c for program in plan.programs for c in program.channels.values()}
    numbers = {key: number for number, key in enumerate(found)}
    processes, moves, takes, gives = _programs(plan, numbers)
    tops = {id(c) for c in (*plan.sources.values(), *plan.sinks.values())}
    kept = [before is not None or key in tops for key in found]
    channels, put_times, take_times = _channels(list(found.values()), kept, before)
    channels["sink"][[numbers[id(c)] for c in plan.sinks.values()]] = 1
    for process, row in enumerate(processes):
        first, end = moves["takes"][[row["first"], row["end"]]]
        channels["consumer"][takes["channel"][first:end]] = process
        first, end = moves["gives"][[row["first"], row["end"]]]
        channels["producer"][gives["channel"][first:end]] = process
    none = np.zeros(0, np.int64)
    order = np.zeros(before.work["ordered"][0] if before else 0, ORDER)
    work = np.array([(0, len(processes), -1, 0, 0)], WORK)
    made = Tables(
        channels, processes, moves, takes, gives, put_times, take_times, limits=none, order=order,
        queue=np.arange(len(processes)), work=work,
    )  # fmt: skip
    return made, numbers


def _programs(plan: Plan, numbers: Mapping[int, int]) -> tuple[np.ndarray, ...]:
    """Processes, moves, takes and gives."""
    processes: list[tuple[int, ...]] = []
    moves: list[tuple[int, ...]] = []
    takes: list[tuple[int, int]] = []
    gives: list[tuple[int]] = []
    for program in plan.programs:
        first = len(moves)
        local = {name: numbers[id(channel)] for name, channel in program.channels.items()}
        forward = {name: channel.pipe.forward for name, channel in program.channels.items()}
        for step in program.steps:
            moves.append((step.repeat, step.gap, len(takes), len(gives)))
            takes += [(local[name], forward[name] + more) for name, more in step.takes]
            gives += [(local[name],) for name in step.gives]
        processes.append(
            (first, len(moves), program.once, first, program.steps[0].repeat, -1, 1, 0)
        )
    moves.append((0, 0, len(takes), len(gives)))
    return (
        np.array(processes, PROCESS), np.array(moves, MOVE), np.array(takes, TAKE),
        np.array(gives, GIVE),
    )  # fmt: skip


def _channels(
    channels: Sequence[Channel], kept: Sequence[bool], before: Tables | None
) -> tuple[np.ndarray, ...]:
    """Channels without their processes, and the cycles of their puts and takes."""
    found = np.zeros(len(channels), CHANNEL)
    pipes = [channel.pipe for channel in channels]
    counts = [len(channel.at) for channel in channels]
    found["capacity"] = capacities = [pipe.capacity for pipe in pipes]
    found["forward"] = [pipe.forward for pipe in pipes]
    found["backward"] = [pipe.backward for pipe in pipes]
    found["kept"], found["puts"] = kept, counts
    found["producer"] = found["consumer"] = found["limits_at"] = -1
    endless = (found["capacity"] >= ENDLESS) & (found["capacity"] < UNBOUNDED)
    found["endless"], found["capacity"][endless] = endless, found["capacity"][endless] % ENDLESS
    bounded = (found["capacity"] < UNBOUNDED) & ~endless
    found["keep"] = np.where(kept, UNBOUNDED, np.where(bounded, capacities, 0))
    times = []
    for kind in ("put", "take"):
        least = np.maximum(np.minimum(capacities, _FIRST_SIZE), counts)
        sizes = 1 << np.ceil(np.log2(least)).astype(np.int64)
        found[f"{kind}_mask"] = sizes - 1
        if before is not None:
            sizes, found[f"{kind}_mask"] = before.channels[f"{kind}s"], UNBOUNDED - 1
        found[f"{kind}_at"] = np.cumsum(sizes) - sizes
        times.append(np.zeros(sizes.sum(), np.int64))
    for channel, start in zip(channels, found["put_at"].tolist(), strict=True):
        times[0][start : start + len(channel.at)] = channel.at
    return found, *times
