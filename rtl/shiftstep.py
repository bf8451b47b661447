"""Step functions that divide by a power of two and round half to even."""

from collections.abc import Sequence
from functools import cached_property

from amaranth.hdl import Module, Value

from thresher.rtl.affinefit import step_limits
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.rounding import clamp_luts, clamped, divided, rounded
from thresher.rtl.saturation import signed_argument
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["ShiftStep"]


class ShiftStep(StepPipeline):
    """``clip(offset +- round_half_even(a / 2**s))``: an OR, a clamp and an increment, in one stage.

    See `thresher.rtl.rounding`. One channel for all, with steps of one.
    """

    product_bits = 16

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
            offset = k - rounded(first, s)
            if all(rounded(a, s) + offset >= k for a, k in limits.least) and all(
                rounded(a, s) + offset < k for a, k in limits.most
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
        return 1

    @property
    def _clamps(self) -> tuple[int | None, int | None]:
        """The least and the greatest quotient, each where the interval goes beyond it."""
        assert self.constants is not None
        s, offset, sign = self.constants
        f = self.function
        least, most = sorted((sign * (f.out_lo - offset), sign * (f.out_hi - offset)))
        return (
            least if rounded(f.lo, s) < least else None,
            most if rounded(f.hi, s) > most else None,
        )

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        assert self.constants is not None
        s, offset, sign = self.constants
        results = []
        for lane, argument in enumerate(values):
            value = signed_argument(argument, inverted=False)
            q, up = clamped(*divided(value, s), *self._clamps)
            total = (q + up) + offset if sign > 0 else offset - (q + up)
            bits = total[: self.shape.width]
            bits = bits.as_signed() if self.shape.signed else bits
            results.append(register(m, bits, enables[0], f"{name}_rounded{lane}"))
        return results

    def resources(self) -> Resources:
        assert self.constants is not None
        s, offset, sign = self.constants
        bits = self.shape.width
        width = element_shape(self.function.lo, self.function.hi).width - s
        moved = bits if offset or sign < 0 else 0
        each = Resources(lut=moved + clamp_luts(s, width, bits, self._clamps), ff=bits)
        return sum((each for _ in range(self.lanes)), Resources())
