"""Simulation of one kernel as a pure function, and the check that every kernel must pass.

Patterns of stalls are those of `oracle`: the same patterns, given to `simulate` and to
`predict_times`, must give the same cycles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator
from oracle import Patterns, pattern_at, predict_times

from thresher.rtl.kernel import Kernel, Port

__all__ = ["Run", "check_kernel", "predict_times", "random_inputs", "random_patterns", "simulate"]

_QUIET = 12  # cycles after the last beat in which no further beat may come


@dataclass
class Run:
    """What a simulation saw since its last reset.

    :param outputs: int64 array (periods, elements) per output port.
    :param times: per port the cycle in which each beat was transferred.
    """

    outputs: dict[str, np.ndarray]
    times: dict[str, list[int]]


def pack_beats(port: Port, rows: np.ndarray) -> list[int]:
    """The payload bits of each beat of int array (periods, elements)."""
    mask = (1 << port.width) - 1
    return [
        sum((int(v) & mask) << (k * port.width) for k, v in enumerate(beat))
        for beat in np.asarray(rows).reshape(-1, port.lanes)
    ]


def unpack_beats(port: Port, beats: Sequence[int]) -> np.ndarray:
    """The int64 array (periods, elements) that these payloads hold."""
    width, sign = port.width, 1 << (port.width - 1)
    out = []
    for bits in beats:
        for lane in range(port.lanes):
            value = (bits >> (lane * width)) & ((1 << width) - 1)
            out.append(value - 2 * sign if port.lo < 0 and value & sign else value)
    return np.array(out, dtype=np.int64).reshape(-1, port.elements)


class _Source:
    """Drives one input port; puts wrong bits on the payload whenever it does not offer a beat."""

    def __init__(self, name: str, port: Port, stream: Any, beats: list[int]) -> None:
        self.name, self.stream, self.beats = name, stream, beats
        self.bits = Value.cast(stream.payload)
        self.mask = (1 << port.width * port.lanes) - 1
        self.times: list[int] = []
        self.offered = False

    def restart(self) -> None:
        self.times, self.offered = [], False

    def drive(self, ctx: Any, allowed: bool) -> None:
        left = len(self.times) < len(self.beats)
        self.offered = self.offered or (left and allowed)
        bits = self.beats[len(self.times)] if left else 0
        ctx.set(self.bits, bits if self.offered else bits ^ self.mask)
        ctx.set(self.stream.valid, self.offered)

    def observe(self, ctx: Any, cycle: int) -> None:
        if self.offered and ctx.get(self.stream.ready):
            self.times.append(cycle)
            self.offered = False

    @property
    def done(self) -> bool:
        return len(self.times) == len(self.beats)


class _Sink:
    """Drives and checks one output port."""

    def __init__(self, name: str, stream: Any, expected: int, surplus: bool) -> None:
        self.name, self.stream, self.expected, self.surplus = name, stream, expected, surplus
        self.bits = Value.cast(stream.payload)
        self.restart()

    def restart(self) -> None:
        self.times: list[int] = []
        self.beats: list[int] = []
        self.held: int | None = None

    def drive(self, ctx: Any, allowed: bool) -> None:
        before = ctx.get(self.stream.valid)
        ctx.set(self.stream.ready, allowed)
        assert ctx.get(self.stream.valid) == before, f"{self.name}: valid depends on ready"

    def observe(self, ctx: Any, cycle: int) -> None:
        valid, bits = ctx.get(self.stream.valid), ctx.get(self.bits)
        if self.held is not None:
            assert valid, f"{self.name}: cycle {cycle}: a beat was withdrawn"
            assert bits == self.held, f"{self.name}: cycle {cycle}: a waiting beat changed"
        taken = valid and ctx.get(self.stream.ready)
        self.held = bits if valid and not taken else None
        if taken and not (self.surplus and self.done):
            self.times.append(cycle)
            self.beats.append(bits)
            assert len(self.beats) <= self.expected, f"{self.name}: cycle {cycle}: a beat too many"

    @property
    def done(self) -> bool:
        return len(self.beats) == self.expected


@dataclass
class _Bench:
    """One simulation: all ports of one component, cycle by cycle."""

    sources: list[_Source]
    sinks: list[_Sink]
    patterns: Patterns
    reset: Signal
    reset_at: int | None
    timeout: int
    finished: bool = field(default=False, init=False)

    async def run(self, ctx: Any) -> None:
        if self.reset_at is not None:
            await self._run(ctx, self.reset_at, stop=False)
            for source in self.sources:
                source.restart()
            for sink in self.sinks:
                sink.restart()
            ctx.set(self.reset, 1)
            await ctx.tick()
            ctx.set(self.reset, 0)
        await self._run(ctx, self.timeout, stop=True)

    async def _run(self, ctx: Any, cycles: int, *, stop: bool) -> None:
        ends: list[_Source | _Sink] = [*self.sources, *self.sinks]
        quiet = 0
        for cycle in range(cycles):
            for source in self.sources:
                source.drive(ctx, pattern_at(self.patterns, source.name, cycle))
            for sink in self.sinks:
                sink.drive(ctx, pattern_at(self.patterns, sink.name, cycle))
            for end in ends:
                end.observe(ctx, cycle)
            await ctx.tick()
            if stop and all(end.done for end in ends):
                quiet += 1
                if quiet > _QUIET:
                    self.finished = True
                    return


def simulate(
    kernel: Kernel,
    inputs: Mapping[str, np.ndarray],
    *,
    periods: int | None = None,
    patterns: Patterns | None = None,
    stalls: float | None = None,
    seed: int = 0,
    reset_at: int | None = None,
    component: wiring.Component | None = None,
    timeout: int = 20_000,
) -> Run:
    """Run the kernel's hardware in Amaranth's simulator.

    :param inputs: int array (periods, elements) per input port.
    :param periods: periods to wait for; default: as many as the inputs hold.
    :param patterns: explicit patterns, see the module's text.
    :param stalls: share of stalled cycles of random patterns on the ports without an explicit one.
    :param reset_at: reset in this cycle, after which everything starts anew with cycle 0.
    :param component: simulated in place of `kernel.create()`, which has the same ports.
    :raises AssertionError: where a stream breaks its rules or does not end in `timeout` cycles.
    """
    if periods is None:
        periods = len(next(iter(inputs.values())))
    if stalls is not None:
        drawn = random_patterns(kernel, np.random.default_rng(seed), stalls)
        patterns = {**drawn, **(patterns or {})}
    dut = kernel.create() if component is None else component
    top, reset = Module(), Signal()
    top.domains.sync = ClockDomain()
    top.submodules.dut = ResetInserter(reset)(dut)
    sources = [
        _Source(n, p, getattr(dut, n), pack_beats(p, inputs[n])) for n, p in kernel.inputs.items()
    ]
    # what starts a period without any input, or holds beats at the start, goes on after the
    # last one that is looked at
    timing = kernel.timing()
    surplus = bool(timing.initial) or timing.gives_unasked(kernel.outputs)
    sinks = [
        _Sink(n, getattr(dut, n), periods * p.beats, surplus) for n, p in kernel.outputs.items()
    ]
    bench = _Bench(sources, sinks, patterns or {}, reset, reset_at, timeout)
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(bench.run)
    sim.run()
    ends: list[_Source | _Sink] = [*sources, *sinks]
    moved = {e.name: len(e.times) for e in ends}
    assert bench.finished, f"{kernel}: not done after {timeout} cycles; beats moved: {moved}"
    return Run(
        {s.name: unpack_beats(kernel.outputs[s.name], s.beats) for s in sinks},
        {e.name: e.times for e in ends},
    )


def random_inputs(kernel: Kernel, periods: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random elements over each input's whole interval, its two ends often."""
    result = {}
    for name, port in kernel.inputs.items():
        shape = (periods, port.elements)
        values = rng.integers(port.lo, port.hi, shape, endpoint=True)
        ends = rng.choice([port.lo, port.hi], shape)
        result[name] = np.where(rng.random(shape) < 0.2, ends, values)
    return result


def random_patterns(
    kernel: Kernel, rng: np.random.Generator, stalls: float = 0.5
) -> dict[str, list[int]]:
    """A random pattern of prime length on every port, stalled for this share of the cycles."""
    patterns = {}
    for name in (*kernel.inputs, *kernel.outputs):
        bits = (rng.random(211) >= stalls).astype(int)
        bits[int(rng.integers(211))] = 1
        patterns[name] = bits.tolist()
    return patterns


def check_kernel(
    kernel: Kernel,
    rng: np.random.Generator,
    *,
    periods: int = 3,
    inputs: Mapping[str, np.ndarray] | None = None,
    timeout: int = 20_000,
) -> None:
    """RTL == compute and RTL's cycles == timing(), over back-to-back periods.

    Five runs: full rate; slow sources; slow sinks; both; both, after a reset in mid-period.
    """
    if inputs is None:
        inputs = random_inputs(kernel, periods, rng)
    results = kernel.compute(*(np.asarray(inputs[n], dtype=np.int64) for n in kernel.inputs))
    expected = dict(zip(kernel.outputs, results, strict=True))
    heavy, light = random_patterns(kernel, rng, 0.7), random_patterns(kernel, rng, 0.3)
    slow_in = {n: heavy[n] for n in kernel.inputs}
    slow_out = {n: heavy[n] for n in kernel.outputs}
    full = predict_times(kernel, periods, timeout=timeout)
    last = max(t for times in full.values() for t in times)
    runs: list[tuple[Patterns, int | None]] = [
        ({}, None), (slow_in, None), (slow_out, None), (light, None),
        (light, 1 + int(rng.integers(last + 1))),
    ]  # fmt: skip
    for patterns, reset_at in runs:
        run = simulate(
            kernel, inputs, periods=periods, patterns=patterns, reset_at=reset_at, timeout=timeout
        )
        for name, rows in expected.items():
            rows = np.broadcast_to(rows, (periods, rows.shape[1]))
            np.testing.assert_array_equal(run.outputs[name], rows, err_msg=f"{kernel}: {name}")
        predicted = predict_times(kernel, periods, patterns, timeout=timeout)
        for name, times in predicted.items():
            assert run.times[name] == times, f"{kernel}: {name}: cycles differ from timing()"
