"""What every kernel is: one parameters object that models, times, sizes and makes the hardware."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream, wiring

from thresher.rtl.timing import Timing

__all__ = ["Kernel", "Port", "Resources", "element_shape"]


@lru_cache(1 << 16)
def element_shape(lo: int, hi: int) -> Shape:
    """The narrowest two's complement (lo < 0) or unsigned shape that holds lo..hi."""
    if lo > hi:
        raise ValueError(f"interval must not be empty, not [{lo}, {hi}]")
    if lo >= 0:
        return unsigned(max(1, hi.bit_length()))
    return signed(max((-lo - 1).bit_length(), hi.bit_length() if hi > 0 else 0) + 1)


@dataclass(frozen=True)
class Port:
    """A ready/valid stream of integers.

    :param beats: beats in one period of the kernel.
    :param lanes: elements in one beat; element 0 is the first of the row and the lowest bits.
    :param lo: least value an element can take.
    :param hi: greatest value an element can take.
    """

    beats: int
    lanes: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        for name in ("beats", "lanes"):
            if not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} must be an int, not {getattr(self, name)!r}")
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        element_shape(self.lo, self.hi)

    @property
    def elements(self) -> int:
        """Elements in one period."""
        return self.beats * self.lanes

    @property
    def element(self) -> Shape:
        """Shape of one element."""
        return element_shape(self.lo, self.hi)

    @property
    def width(self) -> int:
        """Bits of one element."""
        return self.element.width

    @property
    def payload(self) -> data.ArrayLayout:
        """Layout of one beat."""
        return data.ArrayLayout(self.element, self.lanes)

    @property
    def signature(self) -> stream.Signature:
        """The stream's signature, seen from its producer."""
        return stream.Signature(self.payload)


@dataclass(frozen=True)
class Resources:
    """An estimate for Xilinx 7-series: LUT6 (of them `lutram` as memory), FF, DSP48E1, RAMB18.

    UltraRAM (`uram`) is there on UltraScale+ alone.
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    lutram: int = 0
    uram: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            self.lutram + other.lutram,
            self.uram + other.uram,
        )


@dataclass(frozen=True, kw_only=True)
class Kernel(ABC):
    """Parameters of one hardware kernel; subclasses are frozen dataclasses that check themselves.

    A kernel works in *periods*: it takes `inputs[name].beats` beats on every input and gives
    `outputs[name].beats` on every output, then starts again, without a gap. Subclasses give the
    ports, and from the same fields the integer model, the component, the timing and the estimate.
    """

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, Port]:
        """Input ports by name, in the order of `compute`'s arguments."""

    @property
    @abstractmethod
    def outputs(self) -> Mapping[str, Port]:
        """Output ports by name, in the order of `compute`'s results."""

    @abstractmethod
    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """The integer model.

        :param inputs: one int64 array (N, elements) per input port: N periods in stream order.
        :returns: one int64 array (N, elements) per output port.
        """

    @abstractmethod
    def create(self) -> wiring.Component:
        """The hardware: a component with one stream port per entry of `inputs` and `outputs`."""

    @abstractmethod
    def timing(self) -> Timing:
        """The processes and pipes of the hardware; equal to it cycle by cycle."""

    @abstractmethod
    def resources(self) -> Resources:
        """An area estimate."""

    @property
    def work(self) -> int:
        """Cycles of a period in which it does something: those of the busiest port's beats."""
        return max(port.beats for port in (*self.inputs.values(), *self.outputs.values()))

    def component_signature(self) -> dict[str, object]:
        """Members for `wiring.Component.__init__`: an In stream per input, an Out per output."""
        members: dict[str, object] = {n: wiring.In(p.signature) for n, p in self.inputs.items()}
        members |= {n: wiring.Out(p.signature) for n, p in self.outputs.items()}
        return members
