"""The harness itself: streams that break the rules are caught, and so is a wrong timing model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from harness import check_kernel, pack_beats, predict_times, simulate, unpack_beats

from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Port
from thresher.rtl.timing import Pipe, Timing

KERNEL = Fifo(depth=1, lanes=2, lo=-4, hi=3)
ROWS = {"i": np.array([[1, 2], [-3, 3], [0, -4], [2, 2], [3, -1]])}


class Faulty(wiring.Component):
    """A register stage with one fault."""

    def __init__(self, fault: Callable[["Faulty", Module, Signal], None]) -> None:
        self.fault = fault
        super().__init__(KERNEL.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.i.ready.eq(~self.o.valid)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.valid.eq(1), Value.cast(self.o.payload).eq(self.i.payload)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        self.fault(self, m, count)
        return m


def no_fault(dut: Faulty, m: Module, count: Signal) -> None:
    pass


def withdraw(dut: Faulty, m: Module, count: Signal) -> None:
    with m.If(count == 5):
        m.d.sync += dut.o.valid.eq(0)


def change(dut: Faulty, m: Module, count: Signal) -> None:
    with m.If(count == 5):
        m.d.sync += Value.cast(dut.o.payload).eq(~Value.cast(dut.o.payload))


def duplicate(dut: Faulty, m: Module, count: Signal) -> None:
    with m.If(count == 40):
        m.d.sync += dut.o.valid.eq(1)


def lose(dut: Faulty, m: Module, count: Signal) -> None:
    with m.If((count == 5) & dut.o.valid & dut.o.ready):
        m.d.comb += dut.i.ready.eq(1)
        m.d.sync += dut.o.valid.eq(0)


def stick(dut: Faulty, m: Module, count: Signal) -> None:
    with m.If(count > 5):
        m.d.comb += dut.i.ready.eq(0)


def test_pattern_run() -> None:
    run = simulate(KERNEL, ROWS, component=Faulty(no_fault))
    np.testing.assert_array_equal(run.outputs["o"], ROWS["i"])
    assert run.times == {"i": [0, 2, 4, 6, 8], "o": [1, 3, 5, 7, 9]}


@pytest.mark.parametrize(
    "fault, words, ready",
    [
        (withdraw, "a beat was withdrawn", [0] * 9 + [1]),
        (change, "a waiting beat changed", [0] * 9 + [1]),
        (duplicate, "a beat too many", [0, 0, 0, 0, 0, 0, 0, 1]),
        (lose, "not done after 99 cycles", [1]),
        (stick, "not done after 99 cycles", [1]),
    ],
)
def test_faults_are_caught(
    fault: Callable[[Faulty, Module, Signal], None], words: str, ready: list[int]
) -> None:
    with pytest.raises(AssertionError, match=words):
        simulate(KERNEL, ROWS, component=Faulty(fault), patterns={"o": ready}, timeout=99)


class Combinational(wiring.Component):
    def __init__(self) -> None:
        super().__init__(KERNEL.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.o.ready),
            self.i.ready.eq(self.o.ready),
            Value.cast(self.o.payload).eq(self.i.payload),
        ]
        return m


def test_valid_that_depends_on_ready_is_caught() -> None:
    with pytest.raises(AssertionError, match="valid depends on ready"):
        simulate(KERNEL, ROWS, component=Combinational(), patterns={"o": [0, 1]})


@dataclass(frozen=True, kw_only=True)
class Mistimed(Fifo):
    pipe: Pipe

    def timing(self) -> Timing:
        return Timing(super().timing().processes, {"o": self.pipe})


@pytest.mark.parametrize("pipe", [Pipe(1, 1, 1), Pipe(3, 1, 1), Pipe(2, 2, 1), Pipe(2, 1, 0)])
def test_wrong_timing_is_caught(pipe: Pipe, rng: np.random.Generator) -> None:
    good = Mistimed(depth=2, lanes=1, lo=0, hi=7, pipe=Pipe(2, 1, 1))
    check_kernel(good, rng, periods=30)
    bad = Mistimed(depth=2, lanes=1, lo=0, hi=7, pipe=pipe)
    with pytest.raises(AssertionError, match="cycles differ"):
        check_kernel(bad, rng, periods=30)


@dataclass(frozen=True, kw_only=True)
class Miscounted(Fifo):
    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(self.beats + 1, self.lanes, self.lo, self.hi)}


def test_timing_must_move_what_the_ports_declare() -> None:
    with pytest.raises(AssertionError, match="o gives 1 beats"):
        predict_times(Miscounted(depth=2, lanes=1, lo=0, hi=7), 1)


@pytest.mark.parametrize("lo, hi", [(-4, 3), (0, 5), (-1, 0), (0, 0), (-(2**40), 2**40)])
def test_packing(lo: int, hi: int, rng: np.random.Generator) -> None:
    port = Port(2, 3, lo, hi)
    rows = rng.integers(lo, hi, (4, 6), endpoint=True)
    np.testing.assert_array_equal(unpack_beats(port, pack_beats(port, rows)), rows)
