"""A place for one beat beside the wire: it ends a path of ready, and takes no cycle."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.timing import Firing, Pipe, Timing

__all__ = ["SKID_PIPE", "Skid", "skid"]

SKID_PIPE = Pipe(1, 0, 1)
"""The pipe that a skid makes: a beat passes at once, or waits and stops the next ones."""


def skid(
    m: Module, *, i_valid: ValueLike, i_data: Value, o_ready: ValueLike, init: int | None = None
) -> tuple[Signal, Value, Value]:
    """Add a skid to `m`.

    :param init: the beat that it holds from the reset on, or None.
    :returns: whether it holds a beat, which is when it takes none; valid; the data.
    """
    full = Signal(init=init is not None, name="full")
    data = Signal(len(i_data), init=init or 0, reset_less=init is None, name="data")
    valid = full | i_valid
    with m.If(~full):
        m.d.sync += data.eq(i_data)
    m.d.sync += full.eq(valid & ~Value.cast(o_ready))
    return full, valid, Mux(full, data, i_data)


@dataclass(frozen=True, kw_only=True)
class Skid(Kernel):
    """Passes beats on in the cycle in which they come; see `SkidComponent`.

    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :param beats: beats in one period; any number, for the hardware takes no notice of it.
    :raises TypeError, ValueError: where a parameter is not an int or out of range.
    """

    lanes: int
    lo: int
    hi: int
    beats: int = 1

    def __post_init__(self) -> None:
        check_int("beats", self.beats, 1)
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)

    @property
    def depth(self) -> int:
        """The most beats that it holds."""
        return 1

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(self.beats, self.lanes, self.lo, self.hi)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (stream_rows("i", inputs[0], self.inputs["i"]),)

    def timing(self) -> Timing:
        return Timing.of([Firing(("i",), ("o",), self.beats)], o=SKID_PIPE)

    def resources(self) -> Resources:
        bits = self.inputs["i"].width * self.lanes
        return Resources(lut=bits + 2, ff=bits + 1)

    def create(self) -> "SkidComponent":
        return SkidComponent(self)


class SkidComponent(wiring.Component):
    """`i` in, the same beats in the same order on `o`, in the same cycle where `o` is ready.

    A beat that `o` does not take is kept, and none other taken meanwhile: `i.ready` is a register.
    `o.valid` and `o.payload` follow `i` in the same cycle. Reset drops the beat held.
    """

    def __init__(self, kernel: Skid) -> None:
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full, valid, data = skid(
            m, i_valid=self.i.valid, i_data=Value.cast(self.i.payload), o_ready=self.o.ready
        )
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(valid),
            Value.cast(self.o.payload).eq(data),
        ]
        return m
