"""Step functions that divide by a power of two and round half to even."""

from collections.abc import Sequence
from functools import cached_property

from amaranth.hdl import Module, Value

from thresher.rtl.affinefit import step_limits
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.saturation import saturated, saturation_resources, signed_argument
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["ShiftStep"]


class ShiftStep(StepPipeline):
    """``clip(round_half_even(a / 2**s) + offset)``: an OR, an increment and a saturation.

    Rounding half to even goes up where the highest of the s bits is 1 and any bit below it or the
    lowest above it is. One channel for all, with steps of one.
    """

    @cached_property
    def constants(self) -> tuple[int, int, bool] | None:
        """s, the offset and whether the argument is inverted; proven at every threshold."""
        found = step_limits(self.function) if self.function.channels == 1 else None
        if found is None or not found[0][0].least:
            return None
        limits, inverted = found[0][0], found[1] < 0
        for s in range(1, element_shape(self.function.lo, self.function.hi).width):
            a, k = limits.least[0]
            offset = k - _rounded(a, s)
            if all(_rounded(a, s) + offset >= k for a, k in limits.least) and all(
                _rounded(a, s) + offset < k for a, k in limits.most
            ):
                return s, offset, inverted
        return None

    @property
    def refusal(self) -> str | None:
        if self.constants is not None:
            return None
        return "a shift needs one channel with the steps of a rounded division by a power of two"

    @property
    def latency(self) -> int:
        return 2

    @property
    def _limits(self) -> tuple[int, int]:
        """The least and the greatest result before the saturation."""
        assert self.constants is not None
        s, offset, inverted = self.constants
        lo, hi = self.function.lo, self.function.hi
        lo, hi = (~hi, ~lo) if inverted else (lo, hi)
        return _rounded(lo, s) + offset, _rounded(hi, s) + offset

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        assert self.constants is not None
        s, offset, inverted = self.constants
        shape = element_shape(*self._limits)
        results = []
        for lane, value in enumerate(values):
            value = signed_argument(value, inverted)
            up = value[s - 1] & (value[: s - 1].any() | value[s])
            quotient = (value >> s) + up
            total = quotient + offset if offset else quotient
            bits = total[: shape.width]
            bits = bits.as_signed() if shape.signed else bits
            stage = register(m, bits, enables[0], f"{name}_rounded{lane}")
            results.append(
                saturated(m, stage, self._limits, self, enables[1], f"{name}_clipped{lane}")
            )
        return results

    def resources(self) -> Resources:
        assert self.constants is not None
        s, offset, inverted = self.constants
        width = element_shape(*self._limits).width
        each = Resources(lut=1 + -(-s // 6) + (width if offset or inverted else 0), ff=width)
        each += saturation_resources(self._limits, self)
        return sum((each for _ in range(self.lanes)), Resources())


def _rounded(a: int, s: int) -> int:
    """a / 2**s, rounded half to even."""
    return (a + (1 << (s - 1)) - 1 + (a >> s & 1)) >> s
