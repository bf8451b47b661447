"""The top: its ports, its submodules, its connections, its reset."""

from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import links
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule
from thresher.gen.elaborate import Top
from thresher.rtl.stepfunction import StepFunction


@pytest.fixture
def graph(rng: np.random.Generator) -> IntegerGraph:
    """Running sums of a layer's outputs, cut to 4 bits; the last one too."""
    b = Builder()
    x = b.input((3, 2), -8, 7, name="x")
    y = b.matmul(x, rng.integers(-4, 5, (2, 4)))
    body = b.child()
    u = b.scan_input(body, y)
    h = body.input((4,), -8, 7, name="h")
    total = body.binary("add", u, h)
    cut = np.clip(np.arange(total.lo, total.hi + 1), -8, 7)[None]
    new = body.step(total, StepFunction.from_table(total.lo, cut))
    zero = np.zeros(4, dtype=np.int64)
    loop = b.loop(3, body, [(y, u)], [(zero, h, new, "last")], [(new, "sums")])
    return IntegerGraph(
        "graph",
        (InputPort(x, "x", "int64", None),),
        Block(b.nodes),
        tuple(OutputPort(t.name, t, "int64", None) for t in loop.outputs),
    )


@pytest.fixture
def design(graph: IntegerGraph) -> Design:
    serial = {"mvau_matmul": {"pe": 2, "simd": 1}, "elementwise_step": {"lanes": 4}}
    return schedule(graph, ScheduleOptions(folding=serial))


def test_ports_are_streams_of_the_design(design: Design) -> None:
    top = Top(design)
    top._MustUse__silence = True
    for port in design.inputs:
        assert top.signature.members[port.name].signature == port.port.signature.flip()
    for port in design.outputs:
        assert top.signature.members[port.name].signature == port.port.signature
    assert [p.name for p in design.inputs] == ["x"]
    assert [p.name for p in design.outputs] == ["last", "sums"]
    assert design.outputs[1].port.elements == 12


def test_submodules_have_the_kernels_and_fifos_names(design: Design) -> None:
    text = rtlil.convert(Top(design))
    for name in design.kernels:
        assert f"cell \\top.{name} \\{name}" in text
    fifos = [link.name for link in links(design) if link.fifo is not None]
    assert len(fifos) >= 3
    for name in fifos:
        assert f"cell \\top.{name} \\{name}" in text
    for signal in ("x__payload", "x__valid", "x__ready", "sums__payload"):
        assert f"\\{signal}" in text


def test_a_fifo_holds_the_narrower_element(design: Design) -> None:
    for link in links(design):
        assert link.source_port.lanes == link.target_port.lanes
        if link.fifo is not None:
            width = link.fifo.inputs["i"].width
            assert width == min(link.source_port.width, link.target_port.width)


def simulate(design: Design, x: np.ndarray, reset_at: int) -> dict[str, list[int]]:
    """All elements of each output after a reset in cycle `reset_at`, both ends always ready."""
    top, m, reset = Top(design), Module(), Signal()
    m.submodules.top = ResetInserter(reset)(top)
    (port,) = design.inputs
    beats = x.reshape(-1, port.port.lanes)
    seen: dict[str, list[int]] = {p.name: [] for p in design.outputs}
    wanted = {p.name: p.port.elements * len(x) for p in design.outputs}

    async def bench(ctx: Any) -> None:
        sent = 0
        for p in design.outputs:
            ctx.set(getattr(top, p.name).ready, 1)
        for cycle in range(500):
            ctx.set(reset, cycle == reset_at)
            ctx.set(top.x.valid, sent < len(beats))
            for k, value in enumerate(beats[min(sent, len(beats) - 1)]):
                ctx.set(top.x.payload[k], int(value))
            for p in design.outputs:
                stream = getattr(top, p.name)
                if ctx.get(stream.valid):
                    seen[p.name] += [ctx.get(stream.payload[k]) for k in range(p.port.lanes)]
            sent += ctx.get(top.x.valid & top.x.ready)
            if cycle == reset_at:
                sent = 0
                for found in seen.values():
                    found.clear()
            await ctx.tick()
            if cycle > reset_at and all(len(seen[n]) >= count for n, count in wanted.items()):
                return

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


@pytest.mark.parametrize("reset_at", [0, 1, 7, 13, 14, 15, 30])
def test_reset_in_mid_frame_starts_anew(
    design: Design, rng: np.random.Generator, reset_at: int
) -> None:
    x = rng.integers(-8, 8, (3, 3, 2))
    golden = Golden(design.graph).run({"x": x})
    for name, found in simulate(design, x, reset_at).items():
        assert found == golden[name].reshape(-1).tolist()


def test_elements_are_extended_and_cut(rng: np.random.Generator) -> None:
    """A state wider than its update, which is signed where the update is not."""
    b = Builder()
    x = b.input((3, 1), 0, 3, name="x")
    body = b.child()
    u = b.scan_input(body, x)
    h = body.input((1,), -20, 3, name="h")
    y = body.binary("add", u, h)
    loop = b.loop(3, body, [(x, u)], [(np.array([-20]), h, u, None)], [(y, "y")])
    graph = IntegerGraph(
        "graph",
        (InputPort(x, "x", "int64", None),),
        Block(b.nodes),
        (OutputPort("y", loop.outputs[0], "int64", None),),
    )
    design = schedule(graph)
    assert any(k.source_port.element != k.target_port.element for k in links(design))
    codes = rng.integers(0, 4, (4, 3, 1))
    expected = Golden(graph).run({"x": codes})["y"].reshape(-1).tolist()
    assert simulate(design, codes, 3)["y"] == expected
