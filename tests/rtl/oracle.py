"""Plain execution of a kernel's timing model: an independent oracle for RTL and for the solver.

A port's *pattern* is a sequence of 0/1 that repeats for ever, one entry a cycle. On an input it
says in which cycles the source may start to offer its next beat (an offered beat stays until it
is taken); on an output it is `ready`. A port without a pattern has 1 for ever. Cycle 0 is the
first after reset.
"""

from collections.abc import Mapping, Sequence

from thresher.rtl.kernel import Kernel
from thresher.rtl.timing import Firing, Timing

__all__ = ["Patterns", "check_model", "pattern_at", "predict_times"]

Patterns = Mapping[str, Sequence[int]]


def pattern_at(patterns: Patterns, name: str, cycle: int) -> bool:
    """The pattern's bit for this cycle; 1 where the port has no pattern."""
    pattern = patterns.get(name)
    return pattern is None or bool(pattern[cycle % len(pattern)])


def check_model(kernel: Kernel, timing: Timing) -> None:
    """A period of the timing model moves exactly the beats that the ports declare."""
    taken: dict[str, int] = {}
    given: dict[str, int] = {}
    for process in timing.processes:
        for firing in process:
            for name in firing.takes:
                taken[name] = taken.get(name, 0) + firing.repeat
            for name in firing.gives:
                given[name] = given.get(name, 0) + firing.repeat
    assert set(kernel.outputs) <= set(timing.pipes), f"{kernel}: an output has no pipe"
    for name in set(timing.pipes) - set(kernel.outputs):
        assert taken.get(name) == given.get(name), f"{kernel}: inner pipe {name} drifts"
    for name, port in kernel.inputs.items():
        assert taken.get(name, 0) == port.beats, f"{kernel}: {name} takes {taken.get(name)} beats"
    for name, port in kernel.outputs.items():
        assert given.get(name, 0) == port.beats, f"{kernel}: {name} gives {given.get(name)} beats"


class _Pipe:
    """One pipe: the cycles in which its beats were put and taken."""

    def __init__(self, capacity: int | None, forward: int, backward: int) -> None:
        self.capacity, self.forward, self.backward = capacity, forward, backward
        self.puts: list[int] = []
        self.takes: list[int] = []

    def can_take(self, now: int) -> bool:
        k = len(self.takes)
        return k < len(self.puts) and self.puts[k] + self.forward <= now

    def can_put(self, now: int) -> bool:
        if self.capacity is None or len(self.puts) < self.capacity:
            return True
        k = len(self.puts) - self.capacity
        return k < len(self.takes) and self.takes[k] + self.backward <= now


class _Process:
    """One process of the kernel; fires at most once a cycle."""

    def __init__(self, firings: Sequence[Firing], periods: int) -> None:
        self.firings = [f for f in firings for _ in range(f.repeat)]
        self.left = len(self.firings) * periods
        self.fired = 0

    def open(self, pipes: Mapping[str, _Pipe], now: int) -> bool:
        return True

    def fire(self, pipes: Mapping[str, _Pipe], now: int) -> bool:
        """Fire once if the pipes allow it."""
        firing = self.firings[self.fired % len(self.firings)]
        if (
            not self.left
            or not all(pipes[n].can_take(now) for n in firing.takes)
            or not all(pipes[n].can_put(now) for n in firing.gives)
            or not self.open(pipes, now)
        ):
            return False
        for name in firing.takes:
            pipes[name].takes.append(now)
        for name in firing.gives:
            pipes[name].puts.append(now)
        self.fired += 1
        self.left -= 1
        return True


class _Gated(_Process):
    """The sink of an output port: takes under its pattern."""

    def __init__(self, firing: Firing, beats: int, name: str, patterns: Patterns) -> None:
        super().__init__([firing], beats)
        self.name, self.patterns = name, patterns

    def open(self, pipes: Mapping[str, _Pipe], now: int) -> bool:
        return pattern_at(self.patterns, self.name, now)


class _Source(_Gated):
    """The source of an input port: offers one beat at a time, from the cycle after the last."""

    def open(self, pipes: Mapping[str, _Pipe], now: int) -> bool:
        pipe = pipes[self.name]
        busy = len(pipe.puts) > len(pipe.takes) or (pipe.takes and pipe.takes[-1] == now)
        return not busy and super().open(pipes, now)


def predict_times(
    kernel: Kernel, periods: int, patterns: Patterns | None = None, *, timeout: int = 20_000
) -> dict[str, list[int]]:
    """The cycle of each transfer on each port when `kernel.timing()` runs under these patterns.

    Every cycle, every process fires that can, until none can.
    """
    patterns, timing = patterns or {}, kernel.timing()
    check_model(kernel, timing)
    pipes = {n: _Pipe(p.capacity, p.forward, p.backward) for n, p in timing.pipes.items()}
    for n, count in timing.initial.items():
        pipes[n].puts = [-timeout] * count
    pipes |= {n: _Pipe(None, 0, 0) for n in kernel.inputs}
    processes: list[_Process] = [_Process(p, periods) for p in timing.processes]
    for name, port in kernel.inputs.items():
        processes.append(_Source(Firing(gives=(name,)), port.beats * periods, name, patterns))
    for name, port in kernel.outputs.items():
        processes.append(_Gated(Firing(takes=(name,)), port.beats * periods, name, patterns))
    ports = {**kernel.inputs, **kernel.outputs}
    if timing.initial:  # it goes on into the next period, and its sinks go on to take
        for process in processes:
            process.left = process.left if isinstance(process, _Source) else timeout
    for now in range(timeout):
        waiting = list(processes)
        while True:
            still = [p for p in waiting if not p.fire(pipes, now)]
            if len(still) == len(waiting):
                break
            waiting = still
        wanted = {n: port.beats * periods for n, port in ports.items()}
        done = all(len(pipes[n].takes) >= count for n, count in wanted.items())
        if not any(p.left for p in processes) or (timing.initial and done):
            return {n: pipes[n].takes[: wanted[n]] for n in ports}
    left = [p.left for p in processes]
    raise AssertionError(f"{kernel}: the timing model is stuck; firings left: {left}")
