"""The engine of Amaranth's own simulator: no build, about a thousand cycles a second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal, Value
from amaranth.sim import Simulator

from thresher.sim.engine import (
    Engine,
    PortState,
    Progress,
    SimPort,
    SimResult,
    SimTop,
    Stalls,
    broken,
    stuck,
)
from thresher.sim.packing import from_ints, to_ints

__all__ = ["AmaranthEngine"]

_TIMEOUT = 20_000
_DRAIN = 16


class _Gate:
    """One port's pattern, counted from the last reset."""

    def __init__(self, top: SimTop, port: SimPort, stream: Any, pattern: np.ndarray | None) -> None:
        self.top = top
        self.name, self.stream, self.pattern = port.name, stream, pattern
        self.bits = Value.cast(stream.payload)
        self.mask = (1 << port.port.width * port.port.lanes) - 1
        self.times: list[int] = []
        self.expected = 0

    def open(self, cycle: int) -> bool:
        return self.pattern is None or bool(self.pattern[cycle % len(self.pattern)])

    @property
    def done(self) -> bool:
        return len(self.times) == self.expected

    def state(self, ctx: Any) -> PortState:
        valid, ready = ctx.get(self.stream.valid), ctx.get(self.stream.ready)
        return PortState(self.name, len(self.times), self.expected, bool(valid), bool(ready))


class _Source(_Gate):
    def __init__(
        self,
        top: SimTop,
        port: SimPort,
        stream: Any,
        pattern: np.ndarray | None,
        beats: list[int],
    ) -> None:
        super().__init__(top, port, stream, pattern)
        self.beats, self.expected, self.offered = beats, len(beats), False

    def restart(self) -> None:
        self.times, self.offered = [], False

    def drive(self, ctx: Any, cycle: int) -> None:
        allowed = self.open(cycle)
        self.offered = self.offered or (allowed and not self.done)
        bits = 0 if self.done else self.beats[len(self.times)]
        ctx.set(self.bits, bits if self.offered else bits ^ self.mask)
        ctx.set(self.stream.valid, self.offered)

    def observe(self, ctx: Any, cycle: int) -> bool:
        if not self.offered or not ctx.get(self.stream.ready):
            return False
        self.times.append(cycle)
        self.offered = False
        return True


class _Sink(_Gate):
    def __init__(
        self,
        top: SimTop,
        port: SimPort,
        stream: Any,
        pattern: np.ndarray | None,
        expected: int,
    ) -> None:
        super().__init__(top, port, stream, pattern)
        self.expected = expected
        self.restart()

    def restart(self) -> None:
        self.times: list[int] = []
        self.beats: list[int] = []
        self.held: int | None = None

    def drive(self, ctx: Any, cycle: int) -> None:
        ready = self.open(cycle)
        if self.pattern is not None:
            ctx.set(self.stream.ready, not ready)
            before = ctx.get(self.stream.valid), ctx.get(self.bits)
            ctx.set(self.stream.ready, ready)
            after = ctx.get(self.stream.valid), ctx.get(self.bits)
            if before[0] != after[0]:
                raise broken(self.top.name, self.name, "lets valid depend on ready", cycle)
            if after[0] and before[1] != after[1]:
                raise broken(self.top.name, self.name, "lets its payload depend on ready", cycle)
        ctx.set(self.stream.ready, ready)

    def observe(self, ctx: Any, cycle: int) -> bool:
        valid, bits = ctx.get(self.stream.valid), ctx.get(self.bits)
        if self.held is not None and not valid:
            raise broken(self.top.name, self.name, "withdrew a beat that waited", cycle)
        if self.held is not None and bits != self.held:
            raise broken(self.top.name, self.name, "changed a beat that waited", cycle)
        taken = bool(valid and ctx.get(self.stream.ready))
        self.held = bits if valid and not taken else None
        if taken:
            if not self.done:
                self.times.append(cycle)
                self.beats.append(bits)
            elif self.top.drains:
                raise broken(self.top.name, self.name, "gave a beat too many", cycle)
        return taken


@dataclass
class _Bench:
    top: SimTop
    sources: list[_Source]
    sinks: list[_Sink]
    reset: Signal
    reset_at: int | None
    timeout: int
    progress: Progress
    cycle: int = field(default=0, init=False)
    idle: int = field(default=0, init=False)

    @property
    def ends(self) -> list[_Source | _Sink]:
        return [*self.sources, *self.sinks]

    async def run(self, ctx: Any) -> None:
        if self.reset_at is not None:
            for _ in range(self.reset_at):
                await self.step(ctx)
            ctx.set(self.reset, 1)
            await ctx.tick()
            ctx.set(self.reset, 0)
            for end in self.ends:
                end.restart()
            self.cycle = self.idle = 0
        while not all(end.done for end in self.ends):
            await self.step(ctx)
            if self.idle > self.timeout:
                raise stuck(self.top.name, self.cycle, [end.state(ctx) for end in self.ends])
        for _ in range(_DRAIN):
            await self.step(ctx)

    async def step(self, ctx: Any) -> None:
        for end in self.ends:
            end.drive(ctx, self.cycle)
        moved = [end.observe(ctx, self.cycle) for end in self.ends]
        await ctx.tick()
        self.cycle += 1
        self.idle = 0 if any(moved) else self.idle + 1
        if self.cycle % 256 == 0:
            self.progress(
                sum(len(end.times) for end in self.ends), sum(end.expected for end in self.ends)
            )


class AmaranthEngine(Engine):
    """Amaranth's simulator; for small designs."""

    name = "amaranth"

    def run(
        self,
        top: SimTop,
        inputs: Mapping[str, np.ndarray],
        *,
        stalls: Stalls | None = None,
        reset_at: int | None = None,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> SimResult:
        arrays = top.arrays(inputs)
        frames = len(next(iter(arrays.values())))
        dut, m, reset = top.create(), Module(), Signal()
        m.submodules.dut = ResetInserter(reset)(dut)
        patterns = {
            p.name: None if stalls is None else stalls.pattern(p.name, k)
            for k, p in enumerate((*top.inputs, *top.outputs))
        }
        sources = [
            _Source(
                top,
                p,
                getattr(dut, p.name),
                patterns[p.name],
                to_ints(p.port, arrays[p.name]),
            )
            for p in top.inputs
        ]
        sinks = [
            _Sink(top, p, getattr(dut, p.name), patterns[p.name], frames * p.port.beats)
            for p in top.outputs
        ]

        def report(beats: int, total: int) -> None:
            if progress:
                progress(beats * frames // total, frames)

        limit = _TIMEOUT if timeout is None else timeout
        bench = _Bench(top, sources, sinks, reset, reset_at, limit, report)
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench.run)
        simulator.run()
        report(1, 1)
        return SimResult(
            frames,
            {p.name: from_ints(p.port, s.beats) for p, s in zip(top.outputs, sinks, strict=True)},
            {s.name: np.array(s.times, dtype=np.int64) for s in sources},
            {s.name: np.array(s.times, dtype=np.int64) for s in sinks},
        )
