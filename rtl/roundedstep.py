"""Step functions of a rounded quotient: those of a quantiser with an activation behind it."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from amaranth.hdl import Module, Value

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.logictable import logic_table, table_luts
from thresher.rtl.registers import register
from thresher.rtl.rounding import clamp_luts, clamped, divided, rounded
from thresher.rtl.saturation import signed_argument
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["RoundedStep"]

_MOST_BITS = 8  # of a quotient


class RoundedStep(StepPipeline):
    """``table[clip(round_half_even(a / 2**s))]``, in one register stage.

    See `thresher.rtl.rounding`. The table is logic, read at the quotient's low bits. One channel
    for all.
    """

    product_bits = 16

    @cached_property
    def _shift(self) -> int:
        """The greatest s for which every threshold is where the quotient changes."""
        thresholds = self.function.thresholds
        width = element_shape(self.function.lo, self.function.hi).width
        for s in range(width - 1, 0, -1):
            if (rounded(thresholds, s) > rounded(thresholds - 1, s)).all():
                return s
        return 0

    @cached_property
    def _ends(self) -> tuple[int, int]:
        """The quotients below the first threshold and from the last one on."""
        first, last = self.function.thresholds[0, [0, -1]].tolist()
        return rounded(first, self._shift) - 1, rounded(last, self._shift)

    @property
    def _bits(self) -> int:
        """Low bits of a quotient that tell it from all others."""
        least, most = self._ends
        return (most - least).bit_length()

    @property
    def refusal(self) -> str | None:
        f = self.function
        if f.channels == 1 and f.out_lo < f.out_hi and self._bits <= _MOST_BITS:
            return None
        return f"a rounded form needs one channel with steps of a quotient of {_MOST_BITS} bits"

    @property
    def latency(self) -> int:
        return 1

    @property
    def _clamps(self) -> tuple[int | None, int | None]:
        """The least and the greatest quotient, each where the interval goes beyond it."""
        (least, most), f = self._ends, self.function
        return (
            least if rounded(f.lo, self._shift) < least else None,
            most if rounded(f.hi, self._shift) > most else None,
        )

    @cached_property
    def _words(self) -> list[int]:
        """Results by the low bits of the quotient."""
        f, size = self.function, 1 << self._bits
        reached = rounded(f.thresholds[0], self._shift)
        quotients = self._ends[0] + np.arange(size)
        results = f.values[0, np.searchsorted(reached, quotients, side="right")]
        words = np.empty(size, np.int64)
        words[quotients % size] = results & ((1 << self.shape.width) - 1)
        return [int(word) for word in words]

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        results = []
        for lane, argument in enumerate(values):
            value = signed_argument(argument, inverted=False)
            q, up = clamped(*divided(value, self._shift), *self._clamps)
            address = (q + up)[: self._bits]
            bits = logic_table(self._words, self.shape.width, address)
            bits = bits.as_signed() if self.shape.signed else bits
            results.append(register(m, bits, enables[0], f"{name}_rounded{lane}"))
        return results

    def resources(self) -> Resources:
        width = element_shape(self.function.lo, self.function.hi).width - self._shift
        lut = table_luts(self._words, self.shape.width)
        lut += clamp_luts(self._shift, width, self._bits, self._clamps)
        each = Resources(lut=lut, ff=self.shape.width)
        return sum((each for _ in range(self.lanes)), Resources())
