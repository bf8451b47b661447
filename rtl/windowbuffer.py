"""The hardware of a line buffer."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from thresher.rtl.elastic import elastic_stages
from thresher.rtl.fifo import FifoControl
from thresher.rtl.kernel import Port
from thresher.rtl.rom import RAM_STYLE
from thresher.rtl.windowparts import constant_table, nested_counters
from thresher.rtl.windowplan import WindowPlan
from thresher.rtl.windowreader import Reader

__all__ = ["WindowComponent"]


class _Writer(wiring.Component):
    """Where the beats of an image go, and what they wait for and tell.

    Out: `keep`, the beat is written; `takes`, it waits for a release; `gives`, a place waits for
    it; `address`. In: `advance`, the next beat follows.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        super().__init__(
            {"advance": In(1), "keep": Out(1), "takes": Out(1), "gives": Out(1),
             "address": Out(range(plan.depth))}
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        p, m = self._plan, Module()
        sizes, kept = (
            (p.rows.size, p.columns.size, p.pixel),
            (p.rows.count, p.columns.count, p.pixel),
        )
        # Counters are a beat ahead of the flags, which are registers.
        keep, takes, gives = self._first()
        start = _at(1, sizes)
        (row, column, _), ends = nested_counters(
            m, ("row", "column", "beat"), sizes, self.advance, start
        )
        flags = [
            constant_table(m, f"{name}_flags", (axis.kept + 2 * axis.completes).tolist(), at)
            for name, axis, at in (("row", p.rows, row), ("column", p.columns, column))
        ]
        row_flags, column_flags = (Value.cast(f) | Const(0, 2) for f in flags)
        kept_next = Signal()
        m.d.comb += kept_next.eq(row_flags[0] & column_flags[0])
        # The same counters, in kept beats and `depth` behind: what lies there now.
        names = ("old_row", "old_column", "old_beat")
        (old_row, old_column, old_beat), _ = nested_counters(
            m, names, kept, self.advance & kept_next, _at(keep - p.depth, kept)
        )
        starts = [
            constant_table(m, f"{name}_starts", axis.starts.astype(int).tolist(), at)
            for name, axis, at in (("row", p.rows, old_row), ("column", p.columns, old_column))
        ]
        for flag, init, following in (
            (self.keep, keep, kept_next),
            (self.takes, takes, kept_next & (old_beat == 0) & starts[0][0] & starts[1][0]),
            (self.gives, gives, row_flags[1] & column_flags[1] & ends[2]),
        ):
            register = Signal(init=init, name=f"{flag.name}_now")
            m.d.comb += flag.eq(register)
            with m.If(self.advance):
                m.d.sync += register.eq(following)
        with m.If(self.advance & self.keep):
            m.d.sync += self.address.eq(self.address + 1)
        return m

    def _first(self) -> tuple[int, int, int]:
        """What an image's first beat is: kept, waiting for a release, waited for by a place."""
        rows, columns = self._plan.rows, self._plan.columns
        keep = bool(rows.kept[0] and columns.kept[0])
        gives = bool(rows.completes[0] and columns.completes[0]) and self._plan.pixel == 1
        row, column, beat = _at(-self._plan.depth, (rows.count, columns.count, self._plan.pixel))
        takes = keep and beat == 0 and bool(rows.starts[row] and columns.starts[column])
        return int(keep), int(takes), int(gives)


def _at(number: int, sizes: Sequence[int]) -> list[int]:
    """Where nested counters of these sizes are after so many beats."""
    return [int(n) for n in np.unravel_index(number % int(np.prod(sizes)), tuple(sizes))]


class WindowComponent(wiring.Component):
    """Images in on `i`, at each place of the kernel what it sees out on `o`; see `Window`.

    A memory, or one for each column of the kernel (`wide`), holds the pixels from the oldest that
    is needed to the newest, and goes round. A
    place's first beat comes 3 cycles after its last pixel is taken; beats follow without a gap, as
    long as pixels come fast enough, also from image to image. `i` is ready while there is room;
    room is made behind each place. Fills are made, not waited for. Rows and columns that no
    place sees are taken and dropped. Reset drops everything.
    """

    def __init__(self, plan: WindowPlan, i: Port, o: Port, fill: int, bound: str) -> None:
        self._plan, self._i, self._o, self._fill, self._bound = plan, i, o, fill, bound
        super().__init__({"i": In(i.signature), "o": Out(o.signature)})

    def elaborate(self, platform: object) -> Module:
        p, m = self._plan, Module()
        m.submodules.writer = writer = _Writer(p)
        m.submodules.reader = reader = Reader(p)
        m.submodules.ready = ready = FifoControl(p.tokens)
        m.submodules.free = free = FifoControl(p.tokens, p.free)
        issue, read = Signal(), Signal()
        row, column = Signal.like(reader.row), [Signal.like(one) for one in reader.column]
        waits, ends, fills, known = Signal(), Signal(), Signal(p.wide), Signal()
        token = known & (~waits | ready.o_valid)
        stages = elastic_stages(m, count=2, i_valid=token, o_ready=self.o.ready)
        m.d.comb += [
            self.i.ready.eq(~writer.takes | free.o_valid),
            writer.advance.eq(self.i.valid & self.i.ready),
            free.o_ready.eq(self.i.valid & writer.takes),
            ready.i_valid.eq(writer.advance & writer.gives),  # never full, see `tokens`
            issue.eq(token & stages.ready),
            ready.o_ready.eq(issue & waits),
            reader.advance.eq(issue | ~known),
            read.eq(stages.valids[0] & stages.enables[1]),
            self.o.valid.eq(stages.valid),
        ]
        # What the next beat needs is looked up a cycle ahead, before any pixel can be there.
        m.d.sync += known.eq(1)
        with m.If(reader.advance):
            m.d.sync += [row.eq(reader.row), waits.eq(reader.waits)]
            m.d.sync += [one.eq(new) for one, new in zip(column, reader.column, strict=True)]
            m.d.sync += [fills.eq(reader.fill), ends.eq(reader.releases)]
        releases = Signal()
        with m.If(stages.enables[0]):
            m.d.sync += releases.eq(ends)
        m.d.comb += free.i_valid.eq(read & releases)
        for k, one in enumerate(column):
            address, fill = Signal.like(one, name=f"address{k}"), Signal(name=f"fill{k}")
            with m.If(stages.enables[0]):
                m.d.sync += [address.eq(row + one), fill.eq(fills[k])]
            self._memory(m, k, writer, address, fill, read)
        return m

    def _memory(
        self, m: Module, number: int, writer: _Writer, address: Value, fill: Signal, read: Signal
    ) -> None:
        """The pixels, and the register of `o`: in LUTRAM it is beside the memory, else in it."""
        in_lutram = self._bound == "lutram"
        m.submodules[f"storage{number}" if number else "storage"] = storage = memory.Memory(
            shape=self._i.payload.size, depth=self._plan.depth, init=[],
            attrs={"ram_style": RAM_STYLE[self._bound]},
        )  # fmt: skip
        write = storage.write_port()
        port = storage.read_port(domain="comb" if in_lutram else "sync")
        m.d.comb += [
            write.addr.eq(writer.address),
            write.data.eq(Value.cast(self.i.payload)),
            write.en.eq(writer.advance & writer.keep),
            port.addr.eq(address),
        ]
        lanes = [Value.cast(port.data).word_select(k, self._i.width) for k in range(self._i.lanes)]
        if self._i.element.signed:
            lanes = [lane.as_signed() for lane in lanes]
        first = number * self._i.lanes
        if in_lutram:
            for lane, value in enumerate(lanes, first):
                with m.If(read):
                    m.d.sync += self.o.payload[lane].eq(value)
                    with m.If(fill):
                        m.d.sync += self.o.payload[lane].eq(self._fill)
            return
        filled = Signal(name=f"filled{number}")
        m.d.comb += port.en.eq(read)
        with m.If(read):
            m.d.sync += filled.eq(fill)
        for lane, value in enumerate(lanes, first):
            m.d.comb += self.o.payload[lane].eq(Mux(filled, self._fill, value))
