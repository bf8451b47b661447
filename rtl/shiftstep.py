"""Step functions that divide by a power of two and round half to even."""

from collections.abc import Sequence
from functools import cached_property

from amaranth.hdl import Module, Value

from thresher.rtl.affinefit import step_limits
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.saturation import saturated, saturation_resources, signed_argument
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["ShiftStep"]


class ShiftStep(StepPipeline):
    """``clip(offset +- round_half_even(a / 2**s))``: an OR, an increment and a saturation.

    Rounding half to even goes up where the highest of the s bits is 1 and any bit below it or the
    lowest above it is. One channel for all, with steps of one.
    """

    @cached_property
    def constants(self) -> tuple[int, int, int] | None:
        """s, the offset and the sign; proven at every threshold."""
        f = self.function
        unit = f.unit_steps()
        if f.channels > 1 or unit is None or f.out_lo == f.out_hi:
            return None
        rising = StepFunction(f.lo, f.hi, f.thresholds, unit.sign * f.values)
        found = step_limits(rising)
        assert found is not None, "it rises"
        limits = found[0][0]
        first, k = limits.least[0]
        for s in range(1, element_shape(f.lo, f.hi).width):
            offset = k - _rounded(first, s)
            if all(_rounded(a, s) + offset >= k for a, k in limits.least) and all(
                _rounded(a, s) + offset < k for a, k in limits.most
            ):
                return s, unit.sign * offset, unit.sign
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
        s, offset, sign = self.constants
        ends = [offset + sign * _rounded(a, s) for a in (self.function.lo, self.function.hi)]
        return min(ends), max(ends)

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        assert self.constants is not None
        s, offset, sign = self.constants
        shape = element_shape(*self._limits)
        results = []
        for lane, argument in enumerate(values):
            value = signed_argument(argument, inverted=False)
            up = value[s - 1] & (value[: s - 1].any() | value[s])
            quotient = (value >> s) + up
            total = quotient + offset if sign > 0 else offset - quotient
            bits = total[: shape.width]
            bits = bits.as_signed() if shape.signed else bits
            stage = register(m, bits, enables[0], f"{name}_rounded{lane}")
            results.append(
                saturated(m, stage, self._limits, self, enables[1], f"{name}_clipped{lane}")
            )
        return results

    def resources(self) -> Resources:
        assert self.constants is not None
        s, offset, sign = self.constants
        width = element_shape(*self._limits).width
        moved = width if offset or sign < 0 else 0
        each = Resources(lut=1 + -(-s // 6) + moved, ff=width)
        each += saturation_resources(self._limits, self)
        return sum((each for _ in range(self.lanes)), Resources())


def _rounded(a: int, s: int) -> int:
    """a / 2**s, rounded half to even."""
    return (a + (1 << (s - 1)) - 1 + (a >> s & 1)) >> s
