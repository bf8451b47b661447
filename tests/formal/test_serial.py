"""The serial shell: unstuffing undoes stuffing, and the frame buffer keeps whole frames.

The first by induction, for all packets and stalls; the second for all that can happen in the first
cycles. Each planted bug must be found.
"""

from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from amaranth.hdl import Assert, Cat, Module, Mux, Signal, Value
from proof import counterexample, mutant, proved

from thresher.boards.host.packets import ESCAPE, FLAG
from thresher.boards.shell import frame_buffer, stuffing
from thresher.boards.shell.stuffing import Kind

Proof = tuple[Module, list[Value]]
CYCLES = 11
SIZE, WINDOW = 2, 2
_FREE = ("abort", "end", "following", "ready")
changed = partial(mutant, package="thresher.boards.shell")


def check_stuffing(module: ModuleType) -> Proof:
    """Symbols come out in the cycle in which they go in, but for an END of no packet."""
    m, into, out = Module(), module.Stuffer(), module.Unstuffer()
    m.submodules.into, m.submodules.out = into, out
    byte, abort, end, following, ready = Signal(8), *(Signal(name=n) for n in _FREE)
    data, kind, valid, begun = Signal(8), Signal(2), Signal(), Signal()
    taken = valid & into.i.ready
    m.d.comb += [
        into.i.valid.eq(valid),
        into.i.payload.kind.eq(kind),
        into.i.payload.data.eq(data),
        into.o.ready.eq(ready),
        out.i.valid.eq(into.o.valid & ready),
        out.i.payload.data.eq(into.o.payload),
    ]
    with m.If(~valid | into.i.ready):
        m.d.sync += [
            valid.eq(following),
            data.eq(byte),
            kind.eq(Mux(abort, Kind.ABORT, Mux(end, Kind.END, Kind.DATA))),
        ]
    opened = into.inside & ~begun  # the FLAG before the first byte is out
    with m.If(taken):
        m.d.sync += begun.eq(kind == Kind.DATA.value)
    empty = (kind == Kind.END.value) & ~begun
    special = (data == FLAG) | (data == ESCAPE)
    m.d.comb += [
        Assert(out.o.valid == (taken & ~empty)),
        Assert(kind != Kind.BAD.value),
        Assert(into.inside == (opened | (begun & ~(into.second & (kind == Kind.ABORT.value))))),
        Assert(~opened | (valid & (kind == Kind.DATA.value))),
        Assert(out.escaped == into.second),
        Assert(out.begun == (begun | into.second)),
    ]
    with m.If(into.second):
        halfway = (kind == Kind.ABORT.value) | ((kind == Kind.DATA.value) & special & into.inside)
        m.d.comb += Assert(valid & halfway)
    with m.If(out.o.valid):
        m.d.comb += Assert(Value.cast(out.o.payload.kind) == kind)
        with m.If(kind == Kind.DATA.value):
            m.d.comb += Assert(out.o.payload.data == data)
    return m, [byte, abort, end, following, ready]


def test_unstuffing_undoes_stuffing(tmp_path: Path) -> None:
    assert proved(tmp_path, *check_stuffing(stuffing))


@pytest.mark.parametrize(
    "old, new",
    [
        ("special & ~second", "(symbol.data == FLAG) & ~second"),
        ("(inside | (symbol.kind == Kind.ABORT))", "inside"),
        ("& ~escaped):", "& escaped):"),
        ("Mux(escaped, Kind.ABORT, Kind.END)", "Kind.END"),
    ],
)
def test_bugs_in_stuffing_are_found(tmp_path: Path, old: str, new: str) -> None:
    assert counterexample(tmp_path, *check_stuffing(changed("stuffing", old, new)))


def check_frame_buffer(module: ModuleType) -> Proof:
    """Each byte carries its frame's number among those kept, and its own in the frame."""
    m, dut = Module(), module.FrameBuffer(SIZE, WINDOW)
    m.submodules.dut = dut
    offer, keep, forget, ready = (Signal(name=n) for n in ("offer", "keep", "forget", "ready"))
    kept, gone = Signal(3), Signal(3)
    place, expected = Signal(2), Signal(2)
    put = dut.i.valid & dut.i.ready
    take = dut.o.valid & dut.o.ready
    m.d.comb += [
        dut.i.payload.eq(Cat(place, kept)),
        dut.i.valid.eq(offer),
        dut.commit.eq(keep & dut.full),
        dut.rollback.eq(forget & ~dut.commit & ~put),
        dut.o.ready.eq(ready),
        Assert(dut.full == (place == SIZE)),
        Assert((kept - gone)[:3] <= WINDOW + 1),  # one whose last byte stands at the output
    ]
    with m.If(put):
        m.d.sync += place.eq(place + 1)
    with m.If(dut.commit | dut.rollback):
        m.d.sync += place.eq(0)
    with m.If(dut.commit):
        m.d.sync += kept.eq(kept + 1)
    with m.If(take):
        m.d.sync += expected.eq(Mux(dut.o.payload.last, 0, expected + 1))
        with m.If(dut.o.payload.last):
            m.d.sync += gone.eq(gone + 1)
    with m.If(dut.o.valid):
        m.d.comb += [
            Assert(gone != kept),
            Assert(dut.o.payload.data == Cat(expected, gone)),
            Assert(dut.o.payload.last == (expected == SIZE - 1)),
        ]
    return m, [offer, keep, forget, ready]


def test_frame_buffer_keeps_whole_frames(tmp_path: Path) -> None:
    assert not counterexample(tmp_path, *check_frame_buffer(frame_buffer), CYCLES)


@pytest.mark.parametrize(
    "old, new",
    [
        ("with m.If(self.commit | self.rollback):", "with m.If(self.commit):"),
        ("(frames != self._window)", "1"),
        ("frames + self.commit - freed", "frames + self.commit"),
        ("Cat(taken[:bits], read_slot)", "taken[:bits]"),
    ],
)
def test_bugs_in_the_frame_buffer_are_found(tmp_path: Path, old: str, new: str) -> None:
    broken = changed("frame_buffer", old, new)
    assert counterexample(tmp_path, *check_frame_buffer(broken), CYCLES)
