"""The inner loops of the cycle solver, compiled: what can fire does; then, as late as it may.

Both work on the arrays of `thresher.compiler.schedule.tables` and leave all their state there, so
`fire` can stop where one of them is too small and go on when it is longer.
"""

from typing import Any

import numpy as np

from thresher.compiler.schedule.nopython import compiled, part
from thresher.compiler.schedule.tables import CHANNEL, GIVE, MOVE, ORDER, PROCESS, TAKE, WORK

__all__ = ["DONE", "FULL", "LATE", "fire", "put_off"]

DONE, LATE, FULL = 0, 1, 2
_NOTHING, _INPUT, _ROOM = 1, 2, 3  # see tables.WAITS
_NONE = -1
_CYCLES = np.dtype(np.int64)
_SLICE = 4096  # cycles that a process goes on before others do

Rows = np.ndarray
Row = Any  # a record of those rows


@part
def _earliest(
    time: int, move: Row, last: Row, takes: Rows, gives: Rows, channels: Rows,
    put_times: Rows, take_times: Rows,
) -> int:  # fmt: skip
    """The cycle of the firing, `time` or later; or less than 0, what it waits for."""
    for row in range(move.takes, last.takes):
        channel = channels[takes[row].channel]
        if channel.takes >= channel.puts:
            return -_INPUT
        put = put_times[channel.put_at + (channel.takes & channel.put_mask)]
        time = max(time, put + takes[row].forward)
    for row in range(move.gives, last.gives):
        channel = channels[gives[row].channel]
        beat = channel.puts - channel.capacity
        if beat >= 0:
            if channel.endless or beat >= channel.takes:
                return -_ROOM
            taken = take_times[channel.take_at + (beat & channel.take_mask)]
            time = max(time, taken + channel.backward)
    return time


@part
def _full(move: Row, last: Row, takes: Rows, gives: Rows, channels: Rows) -> int:
    """A channel whose stretches have no place for the firing's cycle, or none."""
    for row in range(move.takes, last.takes):
        channel = channels[takes[row].channel]
        if channel.takes - max(0, channel.puts - channel.keep) > channel.take_mask:
            return takes[row].channel
    for row in range(move.gives, last.gives):
        channel = channels[gives[row].channel]
        asked = 0 if channel.kept else channel.takes
        if channel.puts - asked > channel.put_mask:
            return gives[row].channel
    return _NONE


@part
def _queue(number: int, processes: Rows, queue: Rows, work: Row) -> None:
    """Put a process in the queue, unless it is there."""
    if number >= 0 and processes[number].queued == 0:
        processes[number].queued = 1
        queue[(work.head + work.length) % len(queue)] = number
        work.length += 1


@part
def _transfer(
    time: int, move: Row, last: Row, takes: Rows, gives: Rows, channels: Rows,
    put_times: Rows, take_times: Rows, limits: Rows, processes: Rows, queue: Rows, work: Row,
) -> bool:  # fmt: skip
    """Take and give in this cycle; False where that is too late."""
    punctual = True
    for row in range(move.takes, last.takes):
        channel = channels[takes[row].channel]
        if channel.limits_at >= 0 and time > limits[channel.limits_at + channel.takes]:
            punctual = False
        take_times[channel.take_at + (channel.takes & channel.take_mask)] = time
        channel.takes += 1
        _queue(channel.producer, processes, queue, work)
    for row in range(move.gives, last.gives):
        channel = channels[gives[row].channel]
        put_times[channel.put_at + (channel.puts & channel.put_mask)] = time
        channel.puts += 1
        _queue(channel.consumer, processes, queue, work)
    return punctual


@part
def _note(process: int, move: int, count: int, order: Rows, work: Row) -> None:
    """Count that a process has fired, and record it if there is room."""
    if count > 0:
        if work.ordered < len(order):
            order[work.ordered].process = process
            order[work.ordered].move = move
            order[work.ordered].count = count
        work.ordered += 1


@part
def _next_move(process: Row, moves: Rows) -> bool:
    """Go on to the next move; False where the process is at its end."""
    process.move += 1
    if process.move == process.end:
        if process.once:
            process.move -= 1
            return False
        process.move = process.first
    process.left = moves[process.move].repeat
    return True


@part
def _advance(
    number: int, channels: Rows, processes: Rows, moves: Rows, takes: Rows, gives: Rows,
    put_times: Rows, take_times: Rows, limits: Rows, order: Rows, queue: Rows, work: Row,
) -> int:  # fmt: skip
    """Fire a process as long as all that the next firing waits for is known.

    After some cycles others go on, so that few beats wait that would not wait in hardware.
    """
    process = processes[number]
    status, fired, end = DONE, 0, process.last + _SLICE
    while status == DONE:
        if process.last > end:
            _queue(number, processes, queue, work)
            break
        if process.left == 0:
            _note(number, process.move, fired, order, work)
            fired = 0
            if not _next_move(process, moves):
                process.waits = _NOTHING
                break
        move, last = moves[process.move], moves[process.move + 1]
        time = _earliest(
            process.last + move.gap, move, last, takes, gives, channels, put_times, take_times
        )
        if time < 0:
            process.waits = -time
            break
        full = _full(move, last, takes, gives, channels)
        if full != _NONE:
            work.subject = full
            status = FULL
        else:
            punctual = _transfer(
                time, move, last, takes, gives, channels, put_times, take_times, limits,
                processes, queue, work,
            )  # fmt: skip
            process.last = time
            process.left -= 1
            fired += 1
            if not punctual:
                status = LATE
    _note(number, process.move, fired, order, work)
    return status


@compiled(CHANNEL, PROCESS, MOVE, TAKE, GIVE, _CYCLES, _CYCLES, _CYCLES, ORDER, _CYCLES, WORK)
def fire(
    channels: Rows, processes: Rows, moves: Rows, takes: Rows, gives: Rows, put_times: Rows,
    take_times: Rows, limits: Rows, order: Rows, queue: Rows, works: Rows,
) -> int:  # fmt: skip
    """Fire all that can, in an order that respects who waits for whom.

    :param limits: the latest cycles of takes, from `limits_at` of their channel on.
    :param order: what fired; filled in as far as it has rows.
    :param queue: numbers of processes, a ring.
    :param works: one record.
    :returns: DONE; or LATE, when process `current` is late; or FULL, when the stretches of channel
        `subject` are too short.
    """
    work = works[0]
    while True:
        if work.current == _NONE:
            if work.length == 0:
                return DONE
            work.current = queue[work.head]
            work.head = (work.head + 1) % len(queue)
            work.length -= 1
            processes[work.current].queued = 0
        status = _advance(
            work.current, channels, processes, moves, takes, gives, put_times, take_times, limits,
            order, queue, work,
        )  # fmt: skip
        if status != DONE:
            return status
        work.current = _NONE


@compiled(CHANNEL, CHANNEL, MOVE, TAKE, GIVE, _CYCLES, ORDER, _CYCLES, _CYCLES, _CYCLES)
def put_off(
    ends: Rows, channels: Rows, moves: Rows, takes: Rows, gives: Rows, take_times: Rows,
    order: Rows, latest: Rows, late_puts: Rows, late_takes: Rows,
) -> int:  # fmt: skip
    """The latest cycle of each transfer, from the last one backwards.

    :param ends: the channels as `fire` left them.
    :param channels: a copy, in which the counts of puts and takes go back to those of the start.
    :param order: what fired, all of it.
    :param latest: by process, the latest cycle of its last firing.
    :param late_puts: in stretches as those of `fire`; filled in.
    """
    for note in range(len(order) - 1, -1, -1):
        number, at = order[note].process, order[note].move
        move, last = moves[at], moves[at + 1]
        for _ in range(order[note].count):
            time = latest[number]
            for row in range(move.gives, last.gives):
                channel = channels[gives[row].channel]
                channel.puts -= 1
                if channel.puts < ends[gives[row].channel].takes:
                    take = late_takes[channel.take_at + channel.puts]
                    time = min(time, take - channel.forward)
            for row in range(move.takes, last.takes):
                channel = channels[takes[row].channel]
                channel.takes -= 1
                if channel.sink:
                    time = min(time, take_times[channel.take_at + channel.takes])
                beat = channel.takes + channel.capacity
                if beat < ends[takes[row].channel].puts:
                    time = min(time, late_puts[channel.put_at + beat] - channel.backward)
            for row in range(move.gives, last.gives):
                channel = channels[gives[row].channel]
                late_puts[channel.put_at + channel.puts] = time
            for row in range(move.takes, last.takes):
                channel = channels[takes[row].channel]
                more = takes[row].forward - channel.forward
                late_takes[channel.take_at + channel.takes] = time - more
            latest[number] = time - move.gap
    return DONE
