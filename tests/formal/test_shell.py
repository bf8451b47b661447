"""The edges of the AXI core keep their rules whatever the host and the core do: proofs.

Nothing is assumed of the other side: not even that it keeps the rules itself.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from amaranth.hdl import Assert, Cat, Module, Signal, Value
from amaranth.lib import wiring
from proof import counterexample, mutant, proved
from scoreboard import opened

from thresher.boards.shell import axi_lite, axis_in, axis_out
from thresher.rtl.kernel import Port

PORT = Port(2, 1, 0, 1)
CYCLES = 10  # of a bounded proof: some packets, results and resets long
Proof = tuple[Module, list[Value]]


def patient(m: Module, valid: Value, ready: Value, *payload: Value) -> None:
    """What waits is still there in the next cycle, and the same."""
    waiting, before = Signal(), Signal(len(Cat(payload)))
    m.d.sync += [waiting.eq(valid & ~ready), before.eq(Cat(payload))]
    with m.If(waiting):
        m.d.comb += [Assert(valid), Assert(Cat(payload) == before)]


def check_out(module: ModuleType, *, length: bool) -> Proof:
    """m_axis is patient, through soft resets too; with `length`, packets are as long as results.

    With `length` also: a result that was cut is filled up with zeros and marked.
    """
    m = Module()
    m.submodules.dut = dut = module.AxisOut([PORT, PORT], 1, [0, 2])
    inner = opened(dut)
    axis = dut.m_axis
    patient(m, axis.tvalid, axis.tready, axis.tdata, axis.tkeep, axis.tlast, axis.tuser)
    if length:
        place = Signal(2)
        with m.If(axis.tvalid):
            m.d.comb += [Assert(axis.tlast == (place == 3)), Assert(axis.tlast | ~axis.tuser)]
        with m.If(axis.tvalid & axis.tready):
            m.d.sync += place.eq(place + 1)
        cut, put = Signal(), inner.submodules.out.i
        with m.If(dut.started & dut.reset):
            m.d.sync += cut.eq(1)
        with m.Elif(dut.entered):
            m.d.sync += cut.eq(0)
        with m.If(cut):
            word = Value.cast(put.payload)
            m.d.comb += [Assert(put.valid), Assert(word[:8] == 0), Assert(word[9] == word[8])]
    ends = [s for k in range(2) for s in (getattr(dut, f"i{k}").valid, _bits(dut, f"i{k}"))]
    return m, [axis.tready, dut.waiting, dut.result_bad, dut.reset, *ends]


def check_in(module: ModuleType) -> Proof:
    """What comes out waits patiently and in turn: a frame for each packet that has begun at most.

    Both ports are ready together, so that none overtakes the other in its FIFO.
    """
    m = Module()
    m.submodules.dut = dut = module.AxisIn([PORT, PORT], 1, [2, 2])
    s, counts, ready = dut.s_axis, [], Signal()
    for k in range(2):
        o = getattr(dut, f"o{k}")
        patient(m, o.valid, o.ready | dut.reset, _bits(dut, f"o{k}"))
        m.d.comb += o.ready.eq(ready)
        counts.append(_count(m, f"beats{k}", o.valid & o.ready, dut.reset))
    frames = _count(m, "frames", dut.began, dut.reset)
    m.d.comb += [
        Assert(counts[1] <= counts[0]),
        Assert(counts[0] <= 2 * frames),
        Assert(~dut.bad | dut.early | dut.late | dut.null_bytes),
    ]
    return m, [s.tdata, s.tkeep, s.tlast, s.tvalid, dut.full, dut.reset, dut.forget, ready]


def check_lite(module: ModuleType) -> Proof:
    """Responses are patient, and there is one for each access, behind it."""
    m = Module()
    m.submodules.dut = dut = module.AxiLite(4)
    s, bus = dut.s_axi, dut.registers
    patient(m, s.bvalid, s.bready, s.bresp)
    patient(m, s.rvalid, s.rready, s.rdata, s.rresp)
    addresses, data, answers, reads, given = (
        _count(m, name, valid & ready, 0)
        for name, valid, ready in (
            ("aw", s.awvalid, s.awready),
            ("w", s.wvalid, s.wready),
            ("b", s.bvalid, s.bready),
            ("ar", s.arvalid, s.arready),
            ("r", s.rvalid, s.rready),
        )
    )
    with m.If(s.bvalid):
        m.d.comb += [Assert(answers < addresses), Assert(answers < data)]
    with m.If(s.rvalid):
        m.d.comb += Assert(given < reads)
    m.d.comb += [Assert(addresses <= answers + 2), Assert(reads <= given + 2)]
    free = [s.awaddr, s.awvalid, s.wdata, s.wstrb, s.wvalid, s.bready, s.araddr, s.arvalid]
    return m, [*free, s.rready, bus.read_data, bus.read_error, bus.write_error]


def _bits(dut: wiring.Component, name: str) -> Value:
    return Value.cast(getattr(dut, name).payload)


def _count(m: Module, name: str, when: Value, clear: Value | int) -> Signal:
    """Times that it was so since a clear; wide enough for a bounded proof."""
    counter = Signal(8, name=name)
    m.d.sync += counter.eq(counter + when)
    with m.If(clear):
        m.d.sync += counter.eq(0)
    return counter


def test_results_wait_patiently(tmp_path: Path) -> None:
    assert proved(tmp_path, *check_out(axis_out, length=False))


@pytest.mark.parametrize(
    "proof",
    [
        lambda: check_out(axis_out, length=True),
        lambda: check_in(axis_in),
        lambda: check_lite(axi_lite),
    ],
    ids=["out", "in", "lite"],
)
def test_no_rule_is_broken_at_first(proof: Callable[[], Proof], tmp_path: Path) -> None:
    assert not counterexample(tmp_path, *proof(), depth=CYCLES)


@pytest.mark.parametrize(
    "part, old, new",
    [
        ("axis_out", "filling.eq(self.started & (filling | self.reset))", "filling.eq(0)"),
        ("axis_out", "last & (filling | self.result_bad)", "filling | self.result_bad"),
        ("axis_out", "Mux(filling, 0, word)", "word"),
        ("axis_in", "dropping.eq(rest)", "dropping.eq(0)"),
        ("axis_in", "m.submodules.sequencer = restarted(sequencer)", "m.submodules.q = sequencer"),
        ("axi_lite", "filled & (~s.bvalid | s.bready)", "filled"),
        ("axi_lite", "asked & (~s.rvalid | s.rready)", "asked"),
    ],
)
def test_bugs_are_found(part: str, old: str, new: str, tmp_path: Path) -> None:
    broken = mutant(part, old, new, package="thresher.boards.shell")
    proofs = {
        "axis_out": lambda: check_out(broken, length=True),
        "axis_in": lambda: check_in(broken),
        "axi_lite": lambda: check_lite(broken),
    }
    assert counterexample(tmp_path, *proofs[part](), depth=CYCLES)
