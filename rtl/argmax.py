"""Index of the greatest element of a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Argmax", "ArgmaxComponent"]


@dataclass(frozen=True, kw_only=True)
class Argmax(Kernel):
    """``o = argmax(i)`` over each row; see `ArgmaxComponent` for the hardware.

    :param elements: of a row.
    :param lanes: elements a beat; divides `elements`.
    :param lo: least element.
    :param hi: greatest element.
    :param last: of equal elements the last wins, not the first.
    :param with_value: the greatest element goes out too, as `value`.
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    elements: int
    lanes: int
    lo: int
    hi: int
    last: bool = False
    with_value: bool = False

    def __post_init__(self) -> None:
        check_int("elements", self.elements, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)
        for name in ("last", "with_value"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if self.elements % self.lanes:
            raise ValueError(f"lanes must divide the {self.elements} elements, not {self.lanes}")

    @property
    def beats(self) -> int:
        """Beats a row."""
        return self.elements // self.lanes

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        greatest = self.elements - 1
        if self.lo < self.hi:
            index = Port(1, 1, 0, greatest)
        else:
            index = Port(1, 1, *[greatest if self.last else 0] * 2)
        ports = {"o": index}
        if self.with_value:
            ports["value"] = Port(1, 1, self.lo, self.hi)
        return ports

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        if self.last:
            index = self.elements - 1 - np.argmax(rows[:, ::-1], axis=1)
        else:
            index = np.argmax(rows, axis=1)
        results = (index[:, None].astype(np.int64),)
        return (*results, rows.max(axis=1, keepdims=True)) if self.with_value else results

    @property
    def latency(self) -> int:
        """Register stages of the tree before the last comparison."""
        levels = (self.lanes - 1).bit_length()
        return levels if self.beats > 1 else max(levels - 1, 0)

    def timing(self) -> Timing:
        to = "p" if self.latency else "i"
        outputs = tuple(self.outputs)
        compare = [Firing(takes=(to,), gives=outputs)]
        if self.beats > 1:
            compare.insert(0, Firing(takes=(to,), repeat=self.beats - 1))
        pipes = {name: register_stages(1) for name in outputs}
        if not self.latency:
            return Timing.of(compare, **pipes)
        issue = Firing(takes=("i",), gives=("p",), repeat=self.beats)
        return Timing.of([issue], compare, p=register_stages(self.latency), **pipes)

    def resources(self) -> Resources:
        """Per comparison two LUTs for three bits, and a LUT for each bit of the winner."""
        value = element_shape(self.lo, self.hi).width
        index = (self.elements - 1).bit_length()
        lut, ff = 8 + 3 * self.with_value, 1 + index + self.with_value * (value + 1)
        candidates = self.lanes
        for level in range((self.lanes - 1).bit_length()):
            lut += candidates // 2 * (value + -(-2 * value // 3) + level)
            candidates -= candidates // 2
            if level < self.latency:
                ff += candidates * (value + level + 1) + 1
        if self.beats > 1:
            uneven = self.lanes & (self.lanes - 1)
            base = index - ((self.lanes & -self.lanes).bit_length() - 1)
            lut += value + -(-2 * value // 3) + index + (self.lanes - 1).bit_length() * bool(uneven)
            beat = (self.beats - 1).bit_length() if self.lanes > 1 else 0  # else equal to the base
            lut += 4
            ff += value + index + base + beat + 1
        return Resources(lut=lut, ff=ff)

    def create(self) -> "ArgmaxComponent":
        return ArgmaxComponent(self)


@dataclass(frozen=True, eq=False)
class _Candidate:
    value: Value
    index: Value


class ArgmaxComponent(wiring.Component):
    """Hardware of `Argmax`.

    In: `i`, elements / lanes beats a row, in natural order. Out: one beat of one lane a row on `o`
    (the index of the greatest element) and, if asked for, on `value` (that element).

    A beat a cycle passes a tree of comparisons with `latency` register stages to the last
    comparison, with the best of the beats before; rows follow each other without a gap. The last
    beat of a row waits there until all outputs are free; each output is taken by itself. Reset
    drops everything.
    """

    def __init__(self, parameters: Argmax) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        level = [_Candidate(self.i.payload[k], Const(k)) for k in range(p.lanes)]
        taken = Signal()
        if p.latency:
            stages = elastic_stages(
                m, count=p.latency, i_valid=self.i.valid, o_ready=taken, name="item"
            )
            m.d.comb += self.i.ready.eq(stages.ready)
            for stage, enable in enumerate(stages.enables):
                level = [
                    _Candidate(
                        register(m, winner.value, enable, f"value{stage}_{k}"),
                        register(m, winner.index, enable, f"index{stage}_{k}"),
                    )
                    for k, winner in enumerate(self._winners(level))
                ]
            valid = stages.valid
        else:
            m.d.comb += self.i.ready.eq(taken)
            valid = self.i.valid
        (item,) = self._winners(level)
        self._compare(m, item, valid, taken)
        return m

    def _better(self, first: _Candidate, second: _Candidate) -> _Candidate:
        """The winner of two, of which `first` stands before `second`."""
        if self.parameters.last:
            wins = second.value >= first.value
        else:
            wins = second.value > first.value
        return _Candidate(
            Mux(wins, second.value, first.value), Mux(wins, second.index, first.index)
        )

    def _winners(self, level: Sequence[_Candidate]) -> list[_Candidate]:
        pairs = [self._better(level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
        return pairs + list(level[2 * len(pairs) :])

    def _compare(self, m: Module, item: _Candidate, valid: Value, taken: Signal) -> None:
        """The last process: the best of the row so far, and the outputs."""
        p = self.parameters
        outputs = {name: getattr(self, name) for name in p.outputs}
        beat, base = Signal(range(p.beats)), Signal(range(p.elements))
        shape = element_shape(p.lo, p.hi)
        best = _Candidate(Signal(shape, name="best"), Signal(range(p.elements), name="best_at"))
        first, last, fire = Signal(init=1), Signal(), Signal()
        free = Const(1)
        for output in outputs.values():
            free = free & (~output.valid | output.ready)
            with m.If(output.ready):
                m.d.sync += output.valid.eq(0)
        m.d.comb += [
            last.eq(beat == p.beats - 1),
            taken.eq(~last | free),
            fire.eq(valid & taken),
        ]
        winner = item
        if p.beats > 1:
            here = _Candidate(item.value, base + item.index)
            winner = self._better(best, here)
            winner = _Candidate(
                Mux(first, here.value, winner.value), Mux(first, here.index, winner.index)
            )
        with m.If(fire):
            m.d.sync += [
                beat.eq(beat + 1),
                base.eq(base + p.lanes),
                first.eq(last),
                best.value.eq(winner.value),
                best.index.eq(winner.index),
            ]
            with m.If(last):
                m.d.sync += [beat.eq(0), base.eq(0)]
                m.d.sync += [output.valid.eq(1) for output in outputs.values()]
                m.d.sync += outputs["o"].payload[0].eq(winner.index)
                if p.with_value:
                    m.d.sync += outputs["value"].payload[0].eq(winner.value)
