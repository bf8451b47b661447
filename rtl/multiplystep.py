"""Step functions as multiply, add, shift and saturate, with a factor for each channel."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Value, unsigned

from thresher.rtl.affinefit import step_limits
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.multiplyfit import MultiplyPlan, plan_multiply
from thresher.rtl.registers import delay, held, register
from thresher.rtl.rom import Rom, rom_memory
from thresher.rtl.saturation import saturated, saturation_resources, signed_argument
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["MultiplyStep"]


class MultiplyStep(StepPipeline):
    """Multiply, add, shift, saturate: one DSP a lane and a memory of factors and offsets.

    The constants are proven at every threshold, see `thresher.rtl.multiplyfit`. Register stages:
    the memory, one or two; the operands; the product; the sum; the saturation.
    """

    @cached_property
    def _found(self) -> tuple[MultiplyPlan, bool] | None:
        """The plan, and whether arguments are inverted."""
        found = step_limits(self.function) if self.rows > 1 else None
        if found is None:
            return None
        plan = plan_multiply(found[0], self._width)
        return None if plan is None else (plan, found[1] < 0)

    @property
    def refusal(self) -> str | None:
        if self._found is not None:
            return None
        return "an affine form needs the steps of one (m * a + b) >> s in each channel"

    @property
    def plan(self) -> MultiplyPlan:
        """The constants."""
        assert self._found is not None
        return self._found[0]

    @property
    def inverted(self) -> bool:
        """The argument is -1 - a."""
        assert self._found is not None
        return self._found[1]

    @property
    def _width(self) -> int:
        """Bits of an argument with its sign."""
        shape = element_shape(self.function.lo, self.function.hi)
        return shape.width + (not shape.signed)

    @cached_property
    def _offset(self) -> tuple[int, Shape]:
        """Zero bits at the end of every offset, and the shape of the rest, none if equal."""
        offsets = self.plan.offsets
        together = 0
        for b in offsets:
            together |= b
        zeros = max(0, (together & -together).bit_length() - 1)
        if len(set(offsets)) == 1:
            return zeros, unsigned(0)
        return zeros, element_shape(min(offsets) >> zeros, max(offsets) >> zeros)

    @cached_property
    def _limits(self) -> tuple[int, int]:
        """The least and the greatest value before the saturation."""
        lo, hi = self.function.lo, self.function.hi
        ends = np.array([~hi, ~lo] if self.inverted else [lo, hi])
        values = [self.plan.values(c, ends) for c in range(self.function.channels)]
        return int(min(v[0] for v in values)), int(max(v[1] for v in values))

    @property
    def _word(self) -> int:
        """Bits of a factor and an offset."""
        return self.plan.split.bits + self._offset[1].width

    @property
    def _bound(self) -> str:
        return rom_memory(self.rows, self._word, self.memory)

    @property
    def _fetch_latency(self) -> int:
        return 2 if self._bound == "block" else 1

    @property
    def latency(self) -> int:
        return self._fetch_latency + 4

    def _words(self, lane: int) -> list[int]:
        plan, (zeros, shape) = self.plan, self._offset
        mask = (1 << shape.width) - 1
        return [
            plan.factors[c] << shape.width | (plan.offsets[c] >> zeros & mask)
            for c in self.channels(lane).tolist()
        ]

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        fetch = self._fetch_latency
        results = []
        for lane, value in enumerate(values):
            prefix = f"{name}_lane{lane}"
            m.submodules[f"{prefix}_constants"] = rom = Rom(
                words=self._words(lane), width=self._word, memory=self._bound
            )
            m.d.comb += [rom.address.eq(row), rom.enable.eq(enables[0])]
            word = delay(m, rom.data, enables[1:fetch], f"{prefix}_word")
            a = delay(m, signed_argument(value, self.inverted), enables[:fetch], f"{prefix}_a")
            total = self._multiplied(m, a, word, enables[fetch:], prefix)
            results.append(saturated(m, total, self._limits, self, enables[-1], f"{prefix}_result"))
        return results

    def _multiplied(
        self, m: Module, a: Value, word: Value, enables: Sequence[Value], name: str
    ) -> Value:
        """f(a) >> s, three stages later."""
        split, shape = self.plan.split, element_shape(*self._limits)
        scale = split.below + split.low
        factor = word[self._offset[1].width :]
        high = register(m, a[split.below :].as_signed(), enables[0], f"{name}_high")
        by = register(m, factor[split.low :], enables[0], f"{name}_factor")
        product = register(m, high * by, enables[1], f"{name}_product")
        width = self.plan.s - scale + shape.width
        rest = signed_argument(self._rest(m, a, word, enables, name), inverted=False)
        rest = Cat(Const(1, 1), rest[1:width]).as_signed()
        rest = register(m, rest, enables[1], f"{name}_rest")
        total = register(m, (product + rest)[:width], enables[2], f"{name}_sum")
        quotient = total[width - shape.width :]
        return quotient.as_signed() if shape.signed else quotient

    def _rest(self, m: Module, a: Value, word: Value, enables: Sequence[Value], name: str) -> Value:
        """What is added to the product, in its units, before its register."""
        split, (zeros, stored) = self.plan.split, self._offset
        scale = split.below + split.low
        factor = word[stored.width :]
        if stored.width:
            offset = word[: stored.width]
            rest: Value = (offset.as_signed() if stored.signed else offset) << (zeros - scale)
        else:
            rest = Const(self.plan.offsets[0] >> scale)
        top = Cat(a[split.top : -1], ~a[-1])
        summands = [(a[k], factor[split.part :], split.part + k) for k in range(split.below)]
        summands += [(factor[k], top, split.top + k) for k in range(split.low)]
        terms = [register(m, rest, enables[0], f"{name}_offset")]
        for k, (bit, value, shift) in enumerate(summands):
            # A register's reset input saves what else took a LUT a bit.
            kept = held(m, value, enables[0], f"{name}_summand{k}", force=~bit, to=0)
            terms.append(kept << (shift - scale))
        while len(terms) > 1:
            odd = terms[len(terms) & ~1 :]
            pairs = zip(terms[::2], terms[1::2], strict=False)
            terms = [one + other for one, other in pairs] + odd
        return terms[0]

    def resources(self) -> Resources:
        split, offset = self.plan.split, self._offset[1].width
        result = element_shape(*self._limits).width
        each = saturation_resources(self._limits, self)
        each += Resources(dsp=1, lut=split.luts + split.below + split.low)
        summed = max(offset, *split.parts) + split.below + split.low
        each += Resources(ff=self._width * self._fetch_latency + offset + split.luts)
        each += Resources(ff=summed + result + (self._word if self._bound == "block" else 0))
        total = sum((each for _ in range(self.lanes)), Resources())
        return total + self.tables(self.rows, self._word, self._bound, self._words)
