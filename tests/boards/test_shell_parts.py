"""Parts of the AXI shell by themselves: what whole networks do not reach."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from amaranth.sim import Simulator

from thresher.boards.shell.axis_in import AxisIn
from thresher.boards.shell.buffers import Buffers, find_buffers, frames_inside, shell_network
from thresher.boards.shell.inflight import InFlight
from thresher.compiler.schedule.cycles import Deadlock
from thresher.compiler.schedule.design import Design, Predicted
from thresher.compiler.schedule.predict import predict
from thresher.rtl.kernel import Port
from zoo.rtl import compiled

DESIGN: Callable[[str], Design] = cache(lambda name: compiled(name).design)


def simulate(component: Any, bench: Callable[[Any], Any]) -> None:
    """Run a test bench beside the component."""
    sim = Simulator(component)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run_until(1e-3)


def test_no_packet_begins_while_the_account_is_full() -> None:
    dut = AxisIn([Port(3, 1, 0, 255)], 1, [4])
    done = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.s_axis.tvalid, 1)
        ctx.set(dut.s_axis.tkeep, 1)
        ctx.set(dut.full, 1)
        for _ in range(3):
            assert not ctx.get(dut.s_axis.tready)
            assert not ctx.get(dut.o0.valid)
            await ctx.tick()
        ctx.set(dut.full, 0)
        assert ctx.get(dut.s_axis.tready)
        assert ctx.get(dut.began)
        await ctx.tick()
        ctx.set(dut.full, 1)  # but one that has begun goes on
        for last in (0, 1):
            ctx.set(dut.s_axis.tlast, last)
            assert ctx.get(dut.s_axis.tready)
            assert not ctx.get(dut.began)
            await ctx.tick()
        assert not ctx.get(dut.s_axis.tready)
        assert not ctx.get(dut.receiving)
        done.append(True)

    simulate(dut, bench)
    assert done


def test_frames_are_counted_up_to_the_depth() -> None:
    dut = InFlight(4)
    done = []

    async def pulse(ctx: Any, *names: str) -> None:
        for name in names:
            ctx.set(getattr(dut, name), 1)
        await ctx.tick()
        for name in names:
            ctx.set(getattr(dut, name), 0)

    async def bench(ctx: Any) -> None:
        for k in range(4):
            assert not ctx.get(dut.full)
            ctx.set(dut.now, 100 * k)
            await pulse(ctx, "began", *(["bad"] if k == 2 else []))
        assert ctx.get(dut.full)
        await pulse(ctx, "bad")  # of the last one
        ctx.set(dut.now, 500)
        for k in range(2):
            assert not ctx.get(dut.result_bad)
            await pulse(ctx, "entered")
            assert ctx.get(dut.full) == (k == 0)
            await pulse(ctx, "ended")
            assert ctx.get(dut.measured)
            assert ctx.get(dut.latency) == 500 - 100 * k + 1
        for _ in range(2):
            assert ctx.get(dut.result_bad)
            await pulse(ctx, "entered")
        assert not ctx.get(dut.waiting)
        assert ctx.get(dut.sending)
        await pulse(ctx, "began")
        ctx.set(dut.reset, 1)
        ctx.set(dut.began, 1)  # in the same cycle: it is lost as well
        assert ctx.get(dut.lost) == 0
        await ctx.tick()
        assert ctx.get(dut.lost) == 2
        ctx.set(dut.reset, 0)
        ctx.set(dut.began, 0)
        assert not ctx.get(dut.waiting)
        await pulse(ctx, "ended")
        assert ctx.get(dut.busy)
        await pulse(ctx, "ended")
        assert not ctx.get(dut.busy)
        done.append(True)

    simulate(dut, bench)
    assert done


@pytest.mark.parametrize("name", ["lstm_one_step", "lstm_init_input"])
def test_no_depth_can_be_less(name: str) -> None:
    design = DESIGN(name)
    found = find_buffers(design)
    best = predict(shell_network(design, found))
    beats = sum(p.port.beats for p in design.outputs)
    assert best.interval == max(design.predicted.interval, beats)
    for side in ("inputs", "outputs"):
        depths = getattr(found, side)
        for k, depth in enumerate(depths):
            less = depth - 1 if depth > 2 else 0
            if less == depth or (side == "inputs" and depth == 2):
                continue
            tried = {"inputs": found.inputs, "outputs": found.outputs}
            tried[side] = (*depths[:k], less, *depths[k + 1 :])
            try:
                worse = predict(shell_network(design, Buffers(**tried)))
            except Deadlock:
                continue
            assert worse.latency > best.latency or worse.interval > best.interval


def test_too_little_room_is_a_deadlock() -> None:
    design = DESIGN("lstm_init_input")
    with pytest.raises(Deadlock):
        predict(shell_network(design, Buffers((2, 2, 2), find_buffers(design).outputs)))


@pytest.mark.parametrize(
    "latency, interval, frames", [(24, 2, 32), (200, 133, 16), (1, 1, 32), (9, 1000, 16)]
)
def test_frames_inside(latency: int, interval: int, frames: int) -> None:
    assert frames_inside(Predicted(latency, interval)) == frames
