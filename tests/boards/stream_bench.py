"""One stream in, one stream out, in Amaranth's simulator; and mutants of the shells."""

import random
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import proof
from amaranth.hdl import Module, Value
from amaranth.sim import Simulator

__all__ = ["mutant", "simulate", "transfer"]


def simulate(dut: Any, *processes: Callable[[Any], Any], background: Sequence[Any] = ()) -> None:
    """Run these until all are done; a clock cycle takes a microsecond."""
    m = Module()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    for process in processes:
        simulator.add_testbench(process)
    for process in background:
        simulator.add_testbench(process, background=True)
    simulator.run()


def transfer(
    dut: Any, items: Sequence[int], *, stalls: tuple[float, float] = (0, 0), seed: int = 0
) -> list[int]:
    """What comes out of `o`, as plain bits, when these go into `i`.

    Holds the rules of streams: a beat that waits stays as it is, and valid does not follow ready.

    :param stalls: share of cycles in which nothing is offered, and nothing taken.
    """
    found: list[int] = []
    rng = random.Random(seed)
    i_bits, o_bits = Value.cast(dut.i.payload), Value.cast(dut.o.payload)
    fixed = [not hasattr(s.ready, "name") for s in (dut.i, dut.o)]  # always ready

    async def run(ctx: Any) -> None:
        left, idle, offered, held = list(items), 0, False, None
        while idle < 60:
            assert len(found) <= 4 * len(items) + 4, "it never ends"
            offered = bool(left) and (offered or rng.random() >= stalls[0])
            ctx.set(dut.i.valid, offered)
            ctx.set(i_bits, left[0] if offered else rng.randrange(1 << len(i_bits)))
            if not fixed[1]:
                valid = ctx.get(dut.o.valid)
                ctx.set(dut.o.ready, rng.random() >= stalls[1])
                assert ctx.get(dut.o.valid) == valid, "valid follows ready"
            now = ctx.get(o_bits) if ctx.get(dut.o.valid) else None
            assert held is None or now == held, "a beat that waited has changed"
            taken = now is not None and (fixed[1] or ctx.get(dut.o.ready))
            held = None if taken else now
            if taken and now is not None:
                found.append(now)
            moved = offered and (fixed[0] or ctx.get(dut.i.ready))
            if moved:
                left.pop(0)
                offered = False
            idle = 0 if moved or taken else idle + 1
            await ctx.tick()
        assert not left, f"stuck with {len(left)} left"

    simulate(dut, run)
    return found


def mutant(module: str, old: str, new: str) -> ModuleType:
    """The module `thresher.boards.shell.<module>` with the one occurrence of `old` replaced."""
    return proof.mutant(module, old, new, "thresher.boards.shell")
