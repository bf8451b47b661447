"""A whole design in Amaranth's simulator as a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.sim import Simulator

from thresher.compiler.schedule.design import Design
from thresher.gen.elaborate import Top
from thresher.rtl.kernel import Port

__all__ = ["Run", "simulate_top"]

_QUIET = 8  # cycles after the last output in which no further beat may come


@dataclass
class Run:
    """What the simulation saw.

    :param outputs: int64 (frames, elements) per top output.
    :param times: the cycle of each transfer per top port.
    """

    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    times: dict[str, np.ndarray] = field(default_factory=dict)


def _pack(port: Port, rows: np.ndarray) -> list[int]:
    mask = (1 << port.width) - 1
    beats = np.asarray(rows).reshape(-1, port.lanes)
    return [sum((int(v) & mask) << (k * port.width) for k, v in enumerate(b)) for b in beats]


def _unpack(port: Port, beats: list[int]) -> np.ndarray:
    width, sign = port.width, 1 << (port.width - 1)
    values = []
    for bits in beats:
        for lane in range(port.lanes):
            value = (bits >> (lane * width)) & ((1 << width) - 1)
            values.append(value - 2 * sign if port.lo < 0 and value & sign else value)
    return np.array(values, dtype=np.int64).reshape(-1, port.elements)


def simulate_top(
    design: Design,
    inputs: Mapping[str, np.ndarray],
    *,
    stalls: float = 0.0,
    seed: int = 0,
    timeout: int = 20_000,
) -> Run:
    """Run all frames back to back.

    :param inputs: integers (frames, elements) per top input.
    :param stalls: share of cycles in which a source does not offer, or a sink does not take.
    :raises AssertionError: a beat is withdrawn or changed, or comes too late or too often.
    """
    top = Top(design)
    frames = len(next(iter(inputs.values())))
    beats = {p.name: _pack(p.port, inputs[p.name]) for p in design.inputs}
    wanted = {p.name: p.port.beats * frames for p in design.outputs}
    seen: dict[str, list[int]] = {name: [] for name in wanted}
    times: dict[str, list[int]] = {name: [] for name in (*beats, *wanted)}
    rng = np.random.default_rng(seed)
    finished = False

    async def bench(ctx: Any) -> None:
        nonlocal finished
        offered = dict.fromkeys(beats, False)
        held: dict[str, int | None] = dict.fromkeys(wanted)
        quiet = 0
        for cycle in range(timeout):
            for name, words in beats.items():
                port = getattr(top, name)
                left = len(times[name]) < len(words)
                offered[name] = offered[name] or (left and rng.random() >= stalls)
                ctx.set(port.valid, offered[name])
                ctx.set(Value.cast(port.payload), words[len(times[name])] if offered[name] else 0)
            for name in wanted:
                ctx.set(getattr(top, name).ready, rng.random() >= stalls)
            for name in beats:
                if offered[name] and ctx.get(getattr(top, name).ready):
                    times[name].append(cycle)
                    offered[name] = False
            for name in wanted:
                port = getattr(top, name)
                valid, bits = ctx.get(port.valid), ctx.get(Value.cast(port.payload))
                if held[name] is not None:
                    assert valid, f"{name}: cycle {cycle}: a beat was withdrawn"
                    assert bits == held[name], f"{name}: cycle {cycle}: a waiting beat changed"
                taken = valid and ctx.get(port.ready)
                held[name] = bits if valid and not taken else None
                if taken:
                    seen[name].append(bits)
                    times[name].append(cycle)
                    assert len(seen[name]) <= wanted[name], f"{name}: a beat too many"
            await ctx.tick()
            if all(len(seen[name]) == count for name, count in wanted.items()):
                quiet += 1
                if quiet > _QUIET:
                    finished = True
                    return

    m = Module()
    m.submodules.top = top
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    moved = {name: len(found) for name, found in times.items()}
    assert finished, f"not done after {timeout} cycles; beats moved: {moved}"
    return Run(
        {p.name: _unpack(p.port, seen[p.name]) for p in design.outputs},
        {name: np.array(found) for name, found in times.items()},
    )
