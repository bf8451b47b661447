"""The hardware of the broadcast dataflow."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from thresher.rtl.broadcastplan import MUX_BLOCK, BroadcastPlan, Column
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel
from thresher.rtl.mac import PackedMac
from thresher.rtl.packing import unpack
from thresher.rtl.rom import Rom

__all__ = ["BroadcastComponent"]


class BroadcastComponent(wiring.Component):
    """Hardware of `BroadcastMVAU`.

    In: `i`, K beats of one element a vector. Out: `o`, N / lanes beats; both in natural order.

    A vector takes `passes` * max(K, rows / lanes) cycles, the next follows without a gap. Each
    element goes to the multipliers of `rows` outputs; a buffer keeps the vector for the later
    passes. Group g, the `lanes` outputs of one beat, gets everything g cycles later than group 0
    and so is complete g cycles later: a multiplexer that walks over the groups picks a finished
    beat every cycle, and nothing has to wait in registers. The weights of neighbouring groups share
    block RAMs; each word is fetched when its predecessor is used, so that it costs no latency.

    The first beat of a pass can be taken `latency` cycles after the pass's last element, which is
    3 or, with more than four groups, 4; and one or two more with products in LUTs. In the first
    cycle after a reset, no element is taken: the first weights are being fetched.

    Back-pressure: the array never stops; a cycle without an element is a bubble in it. The last
    element of a pass is taken when the output FIFO is sure to have room for the pass. Reset drops
    everything.
    """

    def __init__(self, parameters: Kernel, plan: BroadcastPlan, fifo: Fifo) -> None:
        self.parameters, self.plan, self.fifo = parameters, plan, fifo
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.fifo = fifo = self.fifo.create()
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        fire, last = Signal(), Signal()
        first, index = Signal(init=1), Signal(range(plan.passes))
        credit = self._credit(m, fire & last)
        element = self._issue(m, fire, first, last, index, credit)
        words = self._fetch(m, fire)
        x = self._signed(element)
        tags = Cat(fire, first)
        totals = []
        for g, group in enumerate(plan.cells):
            found, low = [], 0
            for k, rows in enumerate(group):
                m.submodules[f"mac{g}_{k}"] = mac = PackedMac(
                    rows, plan.multiplier_of(g), plan.product_stages
                )
                width = len(mac.word)
                m.d.comb += [
                    Cat(mac.valid, mac.first).eq(tags),
                    mac.index.eq(index),
                    mac.x.eq(x),
                    mac.word.eq(words[g][low : low + width]),
                ]
                low += width
                found += _split(mac.totals, [shape.width for shape in rows.shapes])
            totals.append(found)
            tags = _later(m, tags, f"tags{g + 1}")
            index = _later(m, index, f"index{g + 1}", reset_less=True)
            x = _later(m, x, f"x{g + 1}", reset_less=True)
        self._drain(m, fire & last, totals, fifo)
        return m

    def _signed(self, element: Value) -> Value:
        """The element less the plan's offset."""
        if not self.plan.offset:
            return element
        return Cat(element[:-1], ~element[-1]).as_signed()

    def _credit(self, m: Module, taken: Value) -> Value:
        """Whether the output FIFO has room for one more pass than those under way."""
        tokens, position = self.plan.credit(self.fifo.depth)
        left = Signal(range(tokens + 1), init=tokens)
        fresh, given = Signal(init=1), Signal()
        beat = Signal(range(self.plan.groups))
        shown = self.o.valid & fresh
        m.d.sync += fresh.eq(~self.o.valid | self.o.ready)
        m.d.comb += given.eq(shown & (beat == position))
        with m.If(shown):
            m.d.sync += beat.eq(Mux(beat == self.plan.groups - 1, 0, beat + 1))
        with m.If(given & ~taken):
            m.d.sync += left.eq(left + 1)
        with m.Elif(taken & ~given):
            m.d.sync += left.eq(left - 1)
        return left != 0

    def _issue(
        self, m: Module, fire: Signal, first: Signal, last: Signal, index: Signal, credit: Value
    ) -> Value:
        """The issuing process; returns the element that goes with `fire`."""
        plan = self.plan
        count = Signal(range(plan.inputs))
        primed, at_last = Signal(), Signal(init=plan.inputs == 1)
        filling, resting = Signal(init=1), Signal()
        able = primed & ~resting & (~at_last | credit)
        m.d.comb += [
            last.eq(at_last),
            fire.eq(able & (self.i.valid | ~filling)),
            self.i.ready.eq(able & filling),
        ]
        m.d.sync += primed.eq(1)
        with m.If(fire):
            m.d.sync += [
                count.eq(Mux(at_last, 0, count + 1)),
                at_last.eq(1 if plan.inputs == 1 else count == plan.inputs - 2),
                first.eq(at_last),
            ]
        if plan.groups > plan.inputs:
            left = Signal(range(plan.groups - plan.inputs + 1))
            m.d.comb += resting.eq(left != 0)
            with m.If(fire & at_last):
                m.d.sync += left.eq(plan.groups - plan.inputs)
            with m.Elif(resting):
                m.d.sync += left.eq(left - 1)
        if plan.passes == 1:
            return self.i.payload[0]
        with m.If(fire & at_last):
            m.d.sync += [
                index.eq(Mux(index == plan.passes - 1, 0, index + 1)),
                filling.eq(index == plan.passes - 1),
            ]
        return self._replayed(m, count, filling, fire)

    def _replayed(self, m: Module, count: Signal, filling: Signal, fire: Signal) -> Value:
        """The element on `i`, or where it is not being filled that of the buffer."""
        shape = self.parameters.inputs["i"].element
        m.submodules.buffer = buffer = Memory(shape=shape, depth=self.plan.inputs, init=[])
        write, read = buffer.write_port(), buffer.read_port(domain="comb")
        element = Signal(shape)
        m.d.comb += [port.addr.eq(count) for port in (write, read)]
        m.d.comb += [
            write.data.eq(self.i.payload[0]),
            write.en.eq(fire & filling),
            element.eq(Mux(filling, self.i.payload[0], read.data)),
        ]
        return element

    def _fetch(self, m: Module, fire: Signal) -> list[Value]:
        """The weights of each group; those of the next element come with `fire`."""
        plan = self.plan
        started = Signal()
        m.d.sync += started.eq(1)
        address = Signal(range(plan.depth))
        enable: Value = fire | ~started
        with m.If(enable):
            m.d.sync += address.eq(Mux(address == plan.depth - 1, 0, address + 1))
        bits = plan.words()
        pieces: list[list[Value]] = [[] for _ in range(plan.groups)]
        now: tuple[Value, Value] = (enable, address)
        time = 0
        for k, column in enumerate(plan.columns):
            while time < column.group:
                time += 1
                now = (_later(m, now[0], f"fetch{time}"), _later(m, now[1], f"address{time}"))
            words = _column_words(bits[:, column.low : column.low + column.width])
            rom = Rom(words=words, width=column.width, memory=plan.memory_bound)
            m.submodules[f"weights{k}"] = rom
            m.d.comb += [rom.enable.eq(now[0]), rom.address.eq(now[1])]
            self._distribute(m, column, k, rom.data, pieces)
        return [Cat(*piece) for piece in pieces]

    def _distribute(
        self, m: Module, column: Column, k: int, word: Value, pieces: list[list[Value]]
    ) -> None:
        """The column's bits to its groups, later to the later ones."""
        ends = np.cumsum(self.plan.group_bits).tolist()
        group, low, top = column.group, column.low, column.low + column.width
        while low < top:
            end = min(top, ends[group])
            pieces[group].append(word[: end - low])
            word = word[end - low :]
            if end < top:
                word = _later(m, word, f"word{k}_{group}")
            group, low = group + 1, end

    def _drain(
        self, m: Module, finished: Value, totals: list[list[Value]], fifo: wiring.Component
    ) -> None:
        """Pick the groups one by one as they are complete; unpack them into the FIFO."""
        plan = self.plan
        about = finished
        for k in range(1 + plan.product_stages):
            about = _later(m, about, f"about{k}")
        running, group = Signal(), Signal(range(plan.groups))
        m.d.sync += group.eq(group + 1)
        with m.If(group == plan.groups - 1):
            m.d.sync += running.eq(0)
        with m.If(about):
            m.d.sync += [running.eq(1), group.eq(0)]
        widths = [max(len(t[k]) for t in totals) for k in range(plan.lanes)]
        lanes = [[_widen(t[k], widths[k]) for t in totals] for k in range(plan.lanes)]
        if plan.stages == 1:
            picked = [_pick(lane, group) for lane in lanes]
            alone = self._alone(group)
            m.d.comb += fifo.i.valid.eq(running)
        else:
            picked, alone = self._second_stage(m, running, group, lanes, fifo)
        outputs, low = [], 0
        for rows in plan.cells[0]:
            part = picked[low : low + rows.count]
            outputs += unpack([total.as_signed() for total in part], plan.shift, alone)
            low += rows.count
        m.d.comb += [fifo.i.payload[k].eq(value) for k, value in enumerate(outputs)]

    def _alone(self, group: Value) -> Value:
        """Whether the rows of a group share nothing though those of other groups do."""
        if not 0 < self.plan.lut_groups < self.plan.groups:
            return Const(0, 1)
        return group >= self.plan.dsp_groups

    def _second_stage(
        self,
        m: Module,
        running: Signal,
        group: Signal,
        lanes: list[list[Value]],
        fifo: wiring.Component,
    ) -> tuple[list[Value], Value]:
        """A register behind each block of groups, which holds on while the FIFO is full.

        :returns: the totals of the group, and whether they are those of rows alone.
        """
        low_bits = MUX_BLOCK.bit_length() - 1
        valid, go, alone = Signal(), Signal(), Signal()
        m.d.comb += [fifo.i.valid.eq(valid), go.eq(~valid | fifo.i.ready)]
        block = Signal(len(group[low_bits:]))
        with m.If(go):
            m.d.sync += [valid.eq(running), block.eq(group[low_bits:])]
            m.d.sync += alone.eq(self._alone(group))
        picked = []
        for k, lane in enumerate(lanes):
            registers = []
            for low in range(0, len(lane), MUX_BLOCK):
                part = _pick(lane[low : low + MUX_BLOCK], group[:low_bits])
                register = Signal(len(part), name=f"block{low}_{k}", reset_less=True)
                with m.If(go):
                    m.d.sync += register.eq(part)
                registers.append(register)
            picked.append(_pick(registers, block))
        return picked, alone


def _later(m: Module, value: Value, name: str, *, reset_less: bool = False) -> Value:
    """`value` of the cycle before."""
    register = Signal(value.shape(), name=name, reset_less=reset_less)
    m.d.sync += register.eq(value)
    return register


def _split(value: Value, widths: Sequence[int]) -> list[Value]:
    parts = []
    for width in widths:
        parts.append(value[:width])
        value = value[width:]
    return parts


def _widen(value: Value, width: int) -> Value:
    """Sign-extended by wires."""
    return Cat(value, value[-1].replicate(width - len(value)))


def _pick(values: Sequence[Value], index: Value) -> Value:
    """values[index] as a tree of two to one; an index beyond the last picks any."""
    if len(values) == 1:
        return values[0]
    bit = (len(values) - 1).bit_length() - 1
    high = values[1 << bit :]
    return Mux(index[bit], _pick(high, index), _pick(values[: 1 << bit], index))


def _column_words(bits: np.ndarray) -> list[int]:
    octets = np.packbits(bits, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in octets]
