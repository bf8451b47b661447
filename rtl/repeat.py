"""Every pixel some times in a row, every row some times: nearest upsampling."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.utils import ceil_log2

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.lutram import RAMS, ram_memory, ram_resources
from thresher.rtl.rom import RAM_STYLE
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Repeat", "RepeatComponent"]

_LUT_WORDS = 64  # of a memory in LUTs whose bits come from one LUT each


@dataclass(frozen=True, kw_only=True)
class Repeat(Kernel):
    """Each pixel `columns` times, and the row of these `rows` times; a period is one row of `i`.

    :param width: pixels of a row of `i`.
    :param channels: elements of a pixel.
    :param rows: times that a row is given.
    :param columns: times that a pixel is given in a row.
    :param lanes: elements in one beat; divides `channels`.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :param memory: one of `RAMS`.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    width: int
    channels: int
    rows: int
    columns: int
    lanes: int
    lo: int
    hi: int
    memory: str = "auto"

    def __post_init__(self) -> None:
        for name in ("width", "channels", "rows", "columns", "lanes"):
            check_int(name, getattr(self, name), 1)
        check_interval("element", self.lo, self.hi)
        check_choice("memory", self.memory, RAMS)
        if self.channels % self.lanes:
            raise ValueError(f"lanes must divide channels = {self.channels}, not {self.lanes}")
        if self.rows * self.columns == 1:
            raise ValueError("rows or columns must be more than 1")

    @property
    def pixel(self) -> int:
        """Beats of a pixel."""
        return self.channels // self.lanes

    @property
    def depth(self) -> int:
        """Beats that are held: a row, or a pixel where rows are not repeated."""
        return self.pixel * (self.width if self.rows > 1 else 1)

    @property
    def in_memory(self) -> bool:
        """Whether beats are held in a memory; a single one stays in the output's register."""
        return self.depth > 1

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.width * self.pixel, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        beats = self.rows * self.width * self.columns * self.pixel
        return {"o": Port(beats, self.lanes, self.lo, self.hi)}

    @property
    def bound(self) -> str:
        """Where the memory is: "lutram", "block" or "ultra"."""
        return ram_memory(self.depth, self.inputs["i"].width * self.lanes, self.memory)

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x = stream_rows("i", inputs[0], self.inputs["i"])
        row = np.repeat(x.reshape(-1, self.width, self.channels), self.columns, axis=1)
        return (np.tile(row.reshape(len(x), -1), self.rows),)

    def timing(self) -> Timing:
        row = [Firing(("i",), ("o",), self.pixel)]
        if self.columns > 1:
            row = [*row, Firing((), ("o",), (self.columns - 1) * self.pixel)] * self.width
        else:
            row = [Firing(("i",), ("o",), self.width * self.pixel)]
        if self.rows > 1:
            again = (self.rows - 1) * self.width * self.columns * self.pixel
            row.append(Firing((), ("o",), again))
        return Timing.of(row, o=register_stages(1))

    def resources(self) -> Resources:
        """Counters, the address, the choice between memory and input.

        That takes no LUT where one chooses among LUTs of the memory anyway.
        """
        bits = self.inputs["i"].width * self.lanes
        sizes = (self.pixel, self.columns, *((self.width, self.rows) if self.rows > 1 else ()))
        counted = [ceil_log2(n) for n in sizes if n > 1]
        total = Resources(lut=sum(counted) + 3, ff=sum(counted) + 1 + bits)
        if not self.in_memory:
            return total
        if self.rows > 1:
            base = ceil_log2(self.depth) - (self.pixel & -self.pixel).bit_length() + 1
            total += Resources(lut=base, ff=base)
        total += ram_resources(self.depth, bits, self.bound)
        if self.bound == "lutram":
            return total + Resources(lut=bits if self.depth <= _LUT_WORDS else 0)
        return total + Resources(lut=bits, ff=1)

    def create(self) -> "RepeatComponent":
        return RepeatComponent(self)


class RepeatComponent(wiring.Component):
    """Rows of pixels in on `i`, upsampled out on `o`; see `Repeat`.

    A beat of `o` comes 1 cycle after that of `i`; the same again from memory. Without stalls `o`
    gives a beat in every cycle, and `i` is ready in those cycles in which a new one is given.
    Reset drops everything.
    """

    def __init__(self, kernel: Repeat) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        k, m = self._kernel, Module()
        fresh, valid, fire = Signal(), Signal(), Signal()
        address = self._address(m, fresh, fire)
        m.d.comb += valid.eq(~fresh | self.i.valid)
        out = elastic_stages(m, count=1, i_valid=valid, o_ready=self.o.ready)
        m.d.comb += [
            fire.eq(valid & out.ready),
            self.i.ready.eq(fresh & out.ready),
            self.o.valid.eq(out.valid),
        ]
        i_payload, o_payload = Value.cast(self.i.payload), Value.cast(self.o.payload)
        if k.in_memory:
            self._memory(m, address, fresh, fire)
        else:
            with m.If(fire & fresh):
                m.d.sync += o_payload.eq(i_payload)
        return m

    def _memory(self, m: Module, address: Value, fresh: Signal, fire: Signal) -> None:
        """What comes in goes to `o` and into the memory, from which the repetitions come."""
        k = self._kernel
        in_lutram = k.bound == "lutram"
        i_payload, o_payload = Value.cast(self.i.payload), Value.cast(self.o.payload)
        m.submodules.storage = storage = memory.Memory(
            shape=len(i_payload), depth=k.depth, init=[],
            attrs={} if in_lutram else {"ram_style": RAM_STYLE[k.bound]},
        )  # fmt: skip
        write = storage.write_port()
        read = storage.read_port(domain="comb" if in_lutram else "sync")
        m.d.comb += [
            write.addr.eq(address), read.addr.eq(address), write.en.eq(fire & fresh),
            write.data.eq(i_payload),
        ]  # fmt: skip
        if in_lutram:
            with m.If(fire):
                m.d.sync += o_payload.eq(Mux(fresh, i_payload, read.data))
            return
        direct, newest = Signal(), Signal.like(i_payload)
        m.d.comb += [read.en.eq(fire), o_payload.eq(Mux(direct, newest, read.data))]
        with m.If(fire):
            m.d.sync += [direct.eq(fresh), newest.eq(i_payload)]

    def _address(self, m: Module, fresh: Signal, fire: Signal) -> Value:
        """Where the beat lies in memory; it is fresh where neither column nor row is repeated."""
        k = self._kernel
        sizes = {"beat": k.pixel, "column": k.columns, "pixel": k.width, "row": k.rows}
        advance: Value = fire
        counters = {}
        for name, size in sizes.items():
            counters[name] = counter = Signal(range(size), name=name)
            end = Signal(name=f"{name}_end")
            m.d.comb += end.eq(advance & (counter == size - 1))
            with m.If(advance):
                m.d.sync += counter.eq(Mux(counter == size - 1, 0, counter + 1))
            advance = end
            if name == "column":
                pixel_end = end
            elif name == "pixel":
                row_end = end
        m.d.comb += fresh.eq((counters["column"] == 0) & (counters["row"] == 0))
        if k.rows == 1:
            return counters["beat"]
        base = Signal(range(k.depth))
        with m.If(pixel_end):
            m.d.sync += base.eq(Mux(row_end, 0, base + k.pixel))
        return (base + counters["beat"])[: len(base)]
