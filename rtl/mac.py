"""A multiplier with accumulator for a few packed rows: the cell of the broadcast dataflow."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.rtl.dsp48e2 import Dsp48e2
from thresher.rtl.kernel import element_shape
from thresher.rtl.lutproduct import lut_product, lut_product_stages
from thresher.rtl.packing import PackedRows

__all__ = ["MAC_LATENCY", "PackedMac", "cell_ends", "cell_stages"]

MAC_LATENCY = 2
"""Cycles from an activation at the cell's input to its product in `totals`, at least."""


class PackedMac(wiring.Component):
    """Accumulates ``word * x`` of packed rows; `thresher.rtl.packing` has the arithmetic.

    In, all in one cycle: `valid`; `x`; `word` of the memory; `first` of a sum; `index`, the pass
    whose starting values count (with `first`). Out, `MAC_LATENCY` + `stages` cycles later:
    `totals`, the T[i] of the rows in two's complement side by side, as they are after this product.

    It never stops: a cycle without `valid` changes nothing. The operands' registers, product,
    start and accumulator are one DSP, by inference or, with `multiplier` "dsp48e2", as
    `thresher.rtl.dsp48e2` has it; tracking is beside it in LUTs. With `multiplier` "lut" all is in
    LUTs, where the product needs registers: as many `stages` as `cell_stages` says, or more; the
    others can have them too, and keep step. Reset leaves the sums as they are.
    """

    def __init__(self, rows: PackedRows, multiplier: str = "dsp48e1", stages: int = 0) -> None:
        self.rows, self.multiplier, self.stages = rows, multiplier, stages
        passes = rows.weights.shape[0]
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "index": In(range(passes)),
                "x": In(element_shape(rows.lo, rows.hi)),
                "word": In(sum(rows.digit_widths)),
                "totals": Out(sum(shape.width for shape in rows.shapes)),
            }
        )

    def elaborate(self, platform):
        rows = self.rows
        m = Module()
        valid = _late(m, self.valid, 1 + self.stages, "valid", reset_less=False)
        first = _late(m, self.valid & self.first, 1 + self.stages, "first", reset_less=False)
        index = _late(m, self.index, 1 + self.stages, "index")
        start = by_pass(index, rows.start_words, rows.width).as_signed()
        if self.multiplier == "dsp48e2":
            p = self._primitive(m, valid, first, start)
        else:
            p = self._arithmetic(m, valid, first, start)
        totals = []
        for i in range(rows.count):
            low = i * rows.shift
            if i == rows.count - 1:
                totals.append(p[low:])
                continue
            field = p[low : low + rows.shift]
            parts = [field]
            if rows.tracked[i]:
                parts.append(self._carry(m, i, p, first, index))
            totals.append(Cat(*parts)[: rows.shapes[i].width])
        m.d.comb += self.totals.eq(Cat(*totals))
        return m

    def _arithmetic(self, m: Module, valid: Value, first: Value, start: Value) -> Value:
        """What Yosys and Vivado make one DSP48E1 of, or LUTs."""
        rows = self.rows
        own = cell_stages(rows) if self.multiplier == "lut" else min(self.stages, 1)
        # operands of LUTs are resettable, lest they come out of a shift register, and late
        free = self.multiplier != "lut"
        a = _late(m, rows.operand(self.word), 1 + self.stages - own, "a", reset_less=free)
        b = _late(m, self.x, 1 + self.stages - own, "b", reset_less=free)
        if self.multiplier == "lut":
            enables = [Const(1)] * own
            product = lut_product(m, a, b, ends=cell_ends(rows), enables=enables, name="product")
        else:
            product = _late(m, a * b, own, "product")
        p = Signal(signed(rows.width), reset_less=True)
        with m.If(valid):
            m.d.sync += p.eq(product + Mux(first, start, p))
        return p

    def _primitive(self, m: Module, valid: Value, first: Value, start: Value) -> Value:
        m.submodules.dsp = dsp = Dsp48e2()
        m.d.comb += [
            dsp.a.eq(_late(m, self.rows.operand(self.word), self.stages, "a")),
            dsp.b.eq(_late(m, self.x, self.stages, "b")),
            dsp.c.eq(start),
            dsp.load.eq(first),
            dsp.enable.eq(valid),
        ]
        return dsp.p[: self.rows.width]

    def _carry(self, m: Module, i: int, p: Value, first: Signal, index: Signal) -> Value:
        """The tracked carry out of field i, as it is after the product that `p` shows."""
        rows = self.rows
        bits = rows.tracked[i]
        carry = Signal(bits, name=f"carry{i}", reset_less=True)
        after = Signal(bits, name=f"carry{i}_after")
        top = (i + 1) * rows.shift
        seen = p[top - 2 : top] if rows.by_codes(i) else p[top]
        low = top - 2 if rows.by_codes(i) else top
        before = Signal(len(seen), name=f"before{i}", reset_less=True)
        starts = [word >> low & ((1 << len(seen)) - 1) for word in rows.start_words]
        if rows.by_codes(i):
            up, down = Signal(name=f"up{i}"), Signal(name=f"down{i}")
            m.d.comb += [
                up.eq((before == 0b11) & (seen == 0b00)),
                down.eq((before == 0b00) & (seen == 0b11)),
            ]
            changed, negative = up | down, down
        else:
            lowest, negative = self._direction(m, i)
            changed = seen ^ before ^ lowest
        m.d.comb += after.eq(carry + Cat(changed, (changed & negative).replicate(bits)))
        m.d.sync += [carry.eq(after), before.eq(seen)]
        with m.If(first):
            m.d.sync += [
                carry.eq(by_pass(index, rows.start_carries(i), bits)),
                before.eq(by_pass(index, starts, len(seen))),
            ]
        return after

    def _direction(self, m: Module, i: int) -> tuple[Value, Value]:
        """Of the product that the accumulator shows: row i + 1's lowest bit; whether those
        below are negative, if not zero."""
        rows = self.rows
        at = sum(rows.digit_widths[: i + 1])
        sign = self.word[at - 1]
        x_sign = self.x[-1] if self.x.shape().signed else Const(0, 1)
        lowest = self.valid & self.x[0] & (self.word[at] ^ sign)
        latency = MAC_LATENCY + self.stages
        # resettable, lest the synthesiser make a shift register of the two
        return (
            _late(m, lowest, latency, f"lowest{i}", reset_less=False),
            _late(m, x_sign ^ sign, latency, f"negative{i}", reset_less=False),
        )


def cell_stages(rows: PackedRows) -> int:
    """Register stages of the product of a single row in LUTs."""
    return lut_product_stages(*cell_ends(rows))


def cell_ends(rows: PackedRows) -> tuple[tuple[int, int], tuple[int, int]]:
    """Least and greatest weight, and activation, of a single row."""
    return (int(np.min(rows.weights)), int(np.max(rows.weights))), (rows.lo, rows.hi)


def _late(m: Module, value: Value, cycles: int, name: str, *, reset_less: bool = True) -> Value:
    """`value` of so many cycles before."""
    for k in range(cycles):
        register = Signal(value.shape(), name=f"{name}_{k}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value


def by_pass(index: Value, words: Sequence[int], width: int) -> Value:
    """The word of this pass, modulo 2**width; a constant where all are equal."""
    cut = [word & ((1 << width) - 1) for word in words]

    def select(low: int, count: int) -> Value:
        part = cut[low : low + count]
        if count == 1 or len(set(part)) <= 1:
            return Const(part[0] if part else 0, width)
        half = count // 2
        if len(part) <= half:
            return select(low, half)
        return Mux(index[half.bit_length() - 1], select(low + half, half), select(low, half))

    return select(0, 1 << (len(words) - 1).bit_length())
