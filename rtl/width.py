"""Change of the number of lanes of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from math import gcd

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["WidthConverter"]


@dataclass(frozen=True)
class _Phase:
    """One firing: what it moves, and how many elements are held before it."""

    take: bool
    give: bool
    level: int


@dataclass(frozen=True, kw_only=True)
class WidthConverter(Kernel):
    """The same elements in the same order, `o_lanes` a beat in place of `i_lanes`.

    :param elements: elements in one row, the period; rows never share a beat.
    :param i_lanes: elements in one beat of `i`; divides `elements`.
    :param o_lanes: elements in one beat of `o`; divides `elements`.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :raises TypeError, ValueError: where a parameter is not an int or out of range.
    """

    elements: int
    i_lanes: int
    o_lanes: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        for name in ("elements", "i_lanes", "o_lanes"):
            check_int(name, getattr(self, name), 1)
        for name in ("i_lanes", "o_lanes"):
            if self.elements % getattr(self, name):
                raise ValueError(
                    f"{name} must divide elements = {self.elements}, not {getattr(self, name)!r}"
                )
        check_interval("element", self.lo, self.hi)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.elements // self.i_lanes, self.i_lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(self.elements // self.o_lanes, self.o_lanes, self.lo, self.hi)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (stream_rows("i", inputs[0], self.inputs["i"]),)

    @property
    def phases(self) -> tuple[_Phase, ...]:
        """The firings up to the first that leaves nothing held; the row repeats them.

        The narrower side moves a beat in every firing; the wider one as late (input) or as early
        (output) as that allows. So a row takes as many cycles as its narrower side has beats.
        """
        phases: list[_Phase] = []
        level = 0
        while level or not phases:
            take = self.i_lanes <= self.o_lanes or level < self.o_lanes
            give = level + take * self.i_lanes >= self.o_lanes
            phases.append(_Phase(take, give, level))
            level += take * self.i_lanes - give * self.o_lanes
        return tuple(phases)

    @property
    def held(self) -> int:
        """The most elements held between two firings."""
        return max(p.level for p in self.phases)

    def timing(self) -> Timing:
        step = self.i_lanes * self.o_lanes // gcd(self.i_lanes, self.o_lanes)
        moves = [(("i",) * p.take, ("o",) * p.give) for p in self.phases]
        firings = [Firing(*move, len(list(same))) for move, same in groupby(moves)]
        return Timing.of(firings * (self.elements // step), o=register_stages(1))

    def resources(self) -> Resources:
        """What shifts in from above needs no LUT; else what is held and given is chosen."""
        width = self.inputs["i"].width
        phases = len(self.phases)
        moved = 0
        if self.o_lanes % self.i_lanes:
            choices = len({p.level for p in self.phases if p.take})
            moved = (self.held + self.o_lanes) * choices
        counter = (phases - 1).bit_length()
        return Resources(
            lut=width * moved + 3 * counter if moved else 2 * counter + (phases == 1),
            ff=width * (self.held + self.o_lanes) + counter + 1,
        )

    def create(self) -> wiring.Component:
        return WidthConverterComponent(self)


class WidthConverterComponent(wiring.Component):
    """Rows of elements in on `i`, the same rows out on `o` with another number of lanes.

    Element 0 of a beat is the first of the row. Without stalls the side with more beats moves one
    in every cycle, also from row to row; an output beat comes 1 cycle after the input beat that
    completes it is taken. Output stalls stop the input only where a firing gives a beat while the
    output register is occupied. Reset drops everything held and starts a new row.
    """

    def __init__(self, kernel: WidthConverter) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        k, m = self._kernel, Module()
        phases = k.phases
        take, give, phase = Signal(), Signal(), Signal(range(len(phases)))
        out_valid, fire = Signal(), Signal()
        m.d.comb += out_valid.eq(give & (~take | self.i.valid))
        out = elastic_stages(m, count=1, i_valid=out_valid, o_ready=self.o.ready)
        m.d.comb += [
            fire.eq((~take | self.i.valid) & (~give | out.ready)),
            self.i.ready.eq(take & (~give | out.ready)),
            self.o.valid.eq(out.valid),
        ]
        with m.If(fire):
            m.d.sync += phase.eq(0 if len(phases) == 1 else phase + 1)
            with m.If(phase == len(phases) - 1):
                m.d.sync += phase.eq(0)
        width = k.inputs["i"].width
        hold = Signal(k.held * width)
        row = Signal((k.held + k.i_lanes) * width)
        with m.Switch(phase):
            for number, p in enumerate(phases):
                with m.Case(number):
                    m.d.comb += [take.eq(p.take), give.eq(p.give)]
        with m.If(out.enables[0]):
            m.d.sync += Value.cast(self.o.payload).eq(row[: k.o_lanes * width])
        i_payload = Value.cast(self.i.payload)
        if k.o_lanes % k.i_lanes == 0:  # shift in from above: what is given is always aligned
            m.d.comb += row.eq(Cat(hold, i_payload))
            rest = row[k.i_lanes * width :]
        else:
            rest = self._insert(m, phase, row, hold, give)
        with m.If(fire):
            m.d.sync += hold.eq(rest)
        return m

    def _insert(self, m: Module, phase: Signal, row: Signal, hold: Signal, give: Signal) -> Value:
        """Put the input behind what is held; the result is what stays after the firing."""
        k = self._kernel
        width = k.inputs["i"].width
        m.d.comb += row.eq(hold)
        with m.Switch(phase):
            for number, p in enumerate(k.phases):
                if p.take:
                    with m.Case(number):
                        kept = hold[: p.level * width]
                        m.d.comb += row.eq(Cat(kept, Value.cast(self.i.payload)))
        rest = Signal.like(hold)
        m.d.comb += rest.eq(row)
        with m.If(give):
            m.d.comb += rest.eq(row[k.o_lanes * width :])
        return rest
