"""A first-word-fall-through FIFO in one clock domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.utils import ceil_log2

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.lutram import RAMS, ram_memory, ram_resources
from thresher.rtl.rom import RAM_STYLE
from thresher.rtl.timing import Firing, Timing, fifo_pipe

__all__ = ["Fifo", "FifoControl"]

_REGISTERS = 2  # beats up to which a FIFO is built from registers


@dataclass(frozen=True, kw_only=True)
class Fifo(Kernel):
    """Holds up to `depth` beats; both `i.ready` and `o.valid` come from registers.

    :param depth: beats it can hold, at least 1. Depth 1 moves a beat every other cycle.
    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :param beats: beats in one period; any number, for the hardware takes no notice of it.
    :param memory: one of `RAMS`, where the beats do not lie in registers.
    :raises TypeError, ValueError: where a parameter is not an int or out of range.
    """

    depth: int
    lanes: int
    lo: int
    hi: int
    beats: int = 1
    memory: str = "auto"

    def __post_init__(self) -> None:
        check_choice("memory", self.memory, RAMS)
        check_int("depth", self.depth, 1)
        check_int("beats", self.beats, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(self.beats, self.lanes, self.lo, self.hi)}

    @property
    def in_memory(self) -> bool:
        """Whether the beats lie in a memory, not in registers."""
        return self.depth > _REGISTERS

    @property
    def bound(self) -> str:
        """Where the memory is: "lutram", "block" or "ultra"."""
        bits = self.inputs["i"].width * self.lanes
        return ram_memory(1 << ceil_log2(self.depth), bits, self.memory)

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (stream_rows("i", inputs[0], self.inputs["i"]),)

    def timing(self) -> Timing:
        return Timing.of([Firing(("i",), ("o",), self.beats)], o=fifo_pipe(self.depth))

    def resources(self) -> Resources:
        """The level counts up and down: a LUT a bit for each carry chain's other operand."""
        bits = self.inputs["i"].width * self.lanes
        address, level = ceil_log2(self.depth), self.depth.bit_length()
        if not self.in_memory:
            lut = (self.depth - 1) * (bits + 3) + 4
            return Resources(lut=lut, ff=self.depth * bits + level + 2)
        control = Resources(lut=2 * level + 6, ff=2 * address + level + 2)
        store = ram_resources(self.depth, bits, self.bound)
        if self.bound == "lutram":
            return control + store
        return control + store + Resources(lut=bits + 2 * address, ff=bits + 1)

    def create(self) -> wiring.Component:
        return MemoryFifo(self) if self.in_memory else RegisterFifo(self)


class FifoControl(wiring.Component):
    """Counts beats: `level`, `i_ready` and `o_valid` are registers; `put` and `take` transfers.

    :param filled: beats that it holds from the reset on.
    """

    def __init__(self, depth: int, filled: int = 0) -> None:
        self._depth = depth
        super().__init__(
            {
                "i_valid": wiring.In(1),
                "i_ready": wiring.Out(1, init=int(filled < depth)),
                "o_valid": wiring.Out(1, init=int(filled > 0)),
                "o_ready": wiring.In(1),
                "level": wiring.Out(range(depth + 1), init=filled),
                "put": wiring.Out(1),
                "take": wiring.Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        level = self.level
        m.d.comb += [
            self.put.eq(self.i_valid & self.i_ready),
            self.take.eq(self.o_valid & self.o_ready),
        ]
        with m.If(self.put & ~self.take):
            m.d.sync += [
                level.eq(level + 1),
                self.o_valid.eq(1),
                self.i_ready.eq(level != self._depth - 1),
            ]
        with m.Elif(self.take & ~self.put):
            m.d.sync += [level.eq(level - 1), self.o_valid.eq(level != 1), self.i_ready.eq(1)]
        return m


def _connect_control(m: Module, fifo: wiring.Component, depth: int) -> FifoControl:
    m.submodules.control = control = FifoControl(depth)
    m.d.comb += [
        control.i_valid.eq(fifo.i.valid),
        fifo.i.ready.eq(control.i_ready),
        fifo.o.valid.eq(control.o_valid),
        control.o_ready.eq(fifo.o.ready),
    ]
    return control


class RegisterFifo(wiring.Component):
    """One or two beats in registers: `i` in, the same beats in the same order on `o`.

    Latency 1 cycle; a beat a cycle at depth 2, every other cycle at depth 1. `i.ready` falls in
    the cycle after the last free place is taken and rises in the cycle after one is freed.
    `o.payload` is a register. Reset drops everything held.
    """

    def __init__(self, kernel: Fifo) -> None:
        self._kernel = kernel
        self.back = Signal(kernel.lanes * kernel.inputs["i"].width)
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control = _connect_control(m, self, self._kernel.depth)
        front = Value.cast(self.o.payload)
        i_payload = Value.cast(self.i.payload)
        if self._kernel.depth == 1:
            with m.If(control.put):
                m.d.sync += front.eq(i_payload)
            return m
        # two places: the front one is the output, a beat waits behind it only while it is held
        back = self.back
        waiting = Signal()
        m.d.comb += waiting.eq(~control.i_ready)  # full
        with m.If(~control.o_valid | control.take):
            m.d.sync += front.eq(i_payload)
            with m.If(waiting):
                m.d.sync += front.eq(back)
        with m.If(control.put):
            m.d.sync += back.eq(i_payload)
        return m


class MemoryFifo(wiring.Component):
    """`depth` beats in a memory: `i` in, the same in the same order on `o`.

    Latency 1 cycle, a beat a cycle. `i.ready` falls in the cycle after the last free place is
    taken and rises in the cycle after one is freed. Reset drops everything held.

    In LUTRAM `o.payload` is the memory's output. Block RAM and UltraRAM have a register there: what
    is at the head in the next cycle is read in this one, and where it is only being written,
    another register keeps it; `o.payload` is one of the two.
    """

    def __init__(self, kernel: Fifo) -> None:
        self._kernel = kernel
        self.head = Signal(ceil_log2(kernel.depth))
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control = _connect_control(m, self, self._kernel.depth)
        i_payload, o_payload = Value.cast(self.i.payload), Value.cast(self.o.payload)
        in_lutram = self._kernel.bound == "lutram"
        # a power of two deep, for then the pointers wrap by themselves and LUTRAM costs no more
        m.submodules.storage = storage = memory.Memory(
            shape=len(i_payload),
            depth=1 << len(self.head),
            init=[],
            attrs={} if in_lutram else {"ram_style": RAM_STYLE[self._kernel.bound]},
        )
        write = storage.write_port()
        read = storage.read_port(domain="comb" if in_lutram else "sync")
        following = Signal.like(self.head)
        m.d.comb += [
            following.eq(self.head + control.take),
            write.data.eq(i_payload),
            write.en.eq(control.put),
        ]
        m.d.sync += self.head.eq(following)
        with m.If(control.put):
            m.d.sync += write.addr.eq(write.addr + 1)
        if in_lutram:
            m.d.comb += [read.addr.eq(self.head), o_payload.eq(read.data)]
            return m
        fresh, newest = Signal(), Signal.like(i_payload)
        m.d.comb += [
            read.addr.eq(following),
            read.en.eq(1),
            o_payload.eq(Mux(fresh, newest, read.data)),
        ]
        m.d.sync += [fresh.eq(control.put & (write.addr == following)), newest.eq(i_payload)]
        return m
