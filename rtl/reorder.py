"""A period of beats given in another order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.lutram import RAMS, ram_memory, ram_resources
from thresher.rtl.rom import RAM_STYLE
from thresher.rtl.sequencer import check_ints
from thresher.rtl.timing import Firing, Pipe, Timing, register_stages

__all__ = ["Nest", "Reorder", "as_nest"]


@dataclass(frozen=True)
class Nest:
    """index[a * inner + b] = start + a * outer_step + b * inner_step."""

    start: int
    inner: int
    inner_step: int
    outer_step: int


def as_nest(index: tuple[int, ...]) -> Nest | None:
    """The index as two nested loops, if it is that."""
    array = np.array(index, dtype=np.int64)
    size = len(array)
    for inner in range(size, 0, -1):
        if size % inner:
            continue
        table = array.reshape(-1, inner)
        inner_step = int(table[0, 1] - table[0, 0]) if inner > 1 else 0
        outer_step = int(table[1, 0] - table[0, 0]) if size > inner else 0
        rows, columns = np.arange(size // inner), np.arange(inner)
        if (table == array[0] + rows[:, None] * outer_step + columns * inner_step).all():
            return Nest(int(array[0]), inner, inner_step, outer_step)
    return None


@dataclass(frozen=True, kw_only=True)
class Reorder(Kernel):
    """Beat j of `o` in a period is beat `index[j]` of `i` in it.

    :param index: which input beat each output beat is; any map, also one that repeats or omits.
    :param i_beats: beats of `i` in one period.
    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :param memory: one of `RAMS`.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    index: tuple[int, ...]
    i_beats: int
    lanes: int
    lo: int
    hi: int
    memory: str = "auto"

    def __post_init__(self) -> None:
        check_choice("memory", self.memory, RAMS)
        check_int("i_beats", self.i_beats, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)
        check_ints("index", self.index, least=0, most=self.i_beats - 1)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.i_beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(len(self.index), self.lanes, self.lo, self.hi)}

    @property
    def nest(self) -> Nest | None:
        """The index as two nested loops, where it is that; then counters make the addresses."""
        return as_nest(self.index)

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        beats = rows.reshape(-1, self.i_beats, self.lanes)
        return (beats[:, list(self.index)].reshape(len(rows), -1),)

    def timing(self) -> Timing:
        """`claim` holds the banks that are not free to be written, `full` those to be read."""
        return Timing.of(
            _bracket(self.i_beats, ("i",), (), first_gives=("claim",), last_gives=("full",)),
            _bracket(len(self.index), (), ("o",), first_takes=("full",), last_takes=("claim",)),
            claim=Pipe(2, 1, 1),
            full=Pipe(2, 1, 1),
            o=register_stages(1),
        )

    @property
    def depth(self) -> int:
        """Beats the memory holds: two banks, the second at a power of two."""
        return (1 << ceil_log2(self.i_beats)) + self.i_beats

    @property
    def bound(self) -> str:
        """Where the memory is: "lutram", "block" or "ultra"."""
        return ram_memory(self.depth, self.inputs["i"].width * self.lanes, self.memory)

    def resources(self) -> Resources:
        """A counter takes a LUT for each 1 of its constant steps, their choice one a bit."""
        bits = self.inputs["i"].width * self.lanes
        address, position = ceil_log2(self.i_beats), ceil_log2(len(self.index))
        nest = self.nest
        if nest is None:
            words = -(-len(self.index) // 64)  # amid other logic, ABC takes four times the LUTs
            read = Resources(lut=address * (words if words == 1 else 4 * words), ff=position)
        else:
            jump = nest.outer_step - (nest.inner - 1) * nest.inner_step
            ones = sum((n & (1 << address) - 1).bit_count() for n in (nest.inner_step, jump))
            read = Resources(lut=ones + address + 5, ff=position + address)
        control = Resources(lut=address + 17, ff=2 * address + 5)
        store = ram_resources(self.depth, bits, self.bound)
        return read + control + store + Resources(ff=bits if self.bound == "lutram" else 0)

    def create(self) -> wiring.Component:
        return ReorderComponent(self)


def _bracket(
    count: int,
    takes: tuple[str, ...],
    gives: tuple[str, ...],
    *,
    first_takes: tuple[str, ...] = (),
    last_takes: tuple[str, ...] = (),
    first_gives: tuple[str, ...] = (),
    last_gives: tuple[str, ...] = (),
) -> list[Firing]:
    """`count` equal firings, of which the first and the last move more."""
    if count == 1:
        return [Firing(takes + first_takes + last_takes, gives + first_gives + last_gives)]
    return [
        Firing(takes + first_takes, gives + first_gives),
        *([Firing(takes, gives, count - 2)] if count > 2 else []),
        Firing(takes + last_takes, gives + last_gives),
    ]


class _Addresses(wiring.Component):
    """Plays the addresses of `index`, over and over: the next one follows each `advance`.

    Out: `address`, and `last`, which marks the end of the period. Reset goes back to the first.
    Two nested loops become counters, anything else a ROM. All are less than `depth`.
    """

    def __init__(self, index: tuple[int, ...], depth: int) -> None:
        self._index = index
        super().__init__({"advance": In(1), "address": Out(range(depth)), "last": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = len(self._index)
        nest = as_nest(self._index)
        if nest is None:
            position = self._counter(m, size, self.advance, "position")
            m.submodules.rom = rom = memory.Memory(
                shape=self.address.shape(), depth=size, init=self._index
            )
            port = rom.read_port(domain="comb")
            m.d.comb += [
                port.addr.eq(position),
                self.address.eq(port.data),
                self.last.eq(position == size - 1),
            ]
            return m
        column_last = Signal()
        column = self._counter(m, nest.inner, self.advance, "column")
        row = self._counter(m, size // nest.inner, self.advance & column_last, "row")
        m.d.comb += [
            column_last.eq(column == nest.inner - 1),
            self.last.eq(column_last & (row == size // nest.inner - 1)),
        ]
        current = Signal.like(self.address, init=nest.start)
        m.d.comb += self.address.eq(current)
        jump = nest.outer_step - (nest.inner - 1) * nest.inner_step
        with m.If(self.advance):
            m.d.sync += current.eq(current + nest.inner_step)
            with m.If(column_last):
                m.d.sync += current.eq(current + jump)
            with m.If(self.last):
                m.d.sync += current.eq(nest.start)
        return m

    @staticmethod
    def _counter(m: Module, size: int, advance: Value, name: str) -> Signal:
        """Counts 0, 1, ..., size - 1, 0, ..."""
        counter = Signal(range(size), name=name)
        with m.If(advance):
            m.d.sync += counter.eq(counter + 1)
            with m.If(counter == size - 1):
                m.d.sync += counter.eq(0)
        return counter


class ReorderComponent(wiring.Component):
    """Periods of beats in on `i`, the beats of each period in the order of `index` out on `o`.

    Two banks of one memory: a period is read once it is written, while the next is written. The
    first beat comes 2 cycles after the period's last is taken. Without stalls a period takes as
    many cycles as the longer of its two sides has beats, without gaps. `i` is not ready from
    the end of a period on while both banks hold beats still to be read. Reset drops everything.
    """

    def __init__(self, kernel: Reorder) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        k, m = self._kernel, Module()
        m.submodules.writer = writer = _Addresses(tuple(range(k.i_beats)), k.i_beats)
        m.submodules.reader = reader = _Addresses(k.index, k.i_beats)
        full = Array(Signal(name=f"bank{b}_full") for b in range(2))
        write_bank, read_bank = Signal(), Signal()
        out = elastic_stages(m, count=1, i_valid=full[read_bank], o_ready=self.o.ready)
        m.d.comb += [
            self.i.ready.eq(~full[write_bank]),
            writer.advance.eq(self.i.valid & self.i.ready),
            reader.advance.eq(full[read_bank] & out.ready),
            self.o.valid.eq(out.valid),
        ]
        with m.If(writer.advance & writer.last):
            m.d.sync += [full[write_bank].eq(1), write_bank.eq(~write_bank)]
        with m.If(reader.advance & reader.last):
            m.d.sync += [full[read_bank].eq(0), read_bank.eq(~read_bank)]
        # The bank is the address' highest bit. The read port's register is the output stage.
        payload = Value.cast(self.i.payload)
        m.submodules.storage = storage = memory.Memory(
            shape=len(payload),
            depth=k.depth,
            init=[],
            attrs={"ram_style": RAM_STYLE[k.bound]},
        )
        write, read = storage.write_port(), storage.read_port()
        m.d.comb += [
            write.addr.eq(Cat(writer.address, write_bank)),
            write.data.eq(payload),
            write.en.eq(writer.advance),
            read.addr.eq(Cat(reader.address, read_bank)),
            read.en.eq(reader.advance),
            Value.cast(self.o.payload).eq(read.data),
        ]
        return m
