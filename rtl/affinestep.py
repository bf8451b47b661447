"""Step functions as multiply, add, shift and saturate, with a constant factor in each lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Const, Module, Value

from thresher.rtl.addertree import (
    Term,
    product_terms,
    signed_digits,
    sum_terms,
    tree_stages,
)
from thresher.rtl.affinefit import (
    Limits,
    narrowest,
    offset_interval,
    roundest,
    slope_bounds,
    step_limits,
)
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.saturation import saturated, saturation_resources, signed_argument
from thresher.rtl.steppipeline import StepPipeline
from thresher.rtl.treearea import trees_resources

__all__ = ["AffineConstants", "AffineStep"]

_MOST_SHIFT = 48
_SHIFTS, _FACTORS = 6, 512  # how far the factor with fewest digits is looked for


@dataclass(frozen=True)
class AffineConstants:
    """``clip((m * a + b) >> s)``."""

    m: int
    b: int
    s: int


def _fit(limits: Limits) -> AffineConstants | None:
    """The constants with the fewest signed digits, then the least shift; exact, or None."""
    bounds = slope_bounds(limits)
    least = narrowest([bounds], _MOST_SHIFT) if bounds else None
    if bounds is None or least is None:
        return None
    candidates = (
        (len(signed_digits(m)), s, m)
        for s in range(least, min(least + _SHIFTS, _MOST_SHIFT + 1))
        for m in bounds.factors(s)[:_FACTORS]
    )
    _, s, m = min(candidates)
    found = AffineConstants(m, roundest(*offset_interval(limits, m, s)), s)
    assert limits.hold(found.m, found.b, found.s), "the bounds are exact"
    return found


class AffineStep(StepPipeline):
    """Multiply, add, shift, saturate: signed digits of the factor in a tree of adders.

    The constants are proven at every threshold, see `thresher.rtl.affinefit`. It needs the same
    thresholds in every row.
    """

    @cached_property
    def _fits(self) -> tuple[tuple[AffineConstants, ...], bool] | None:
        """The constants of each lane, and whether arguments are inverted."""
        found = step_limits(self.function) if self.rows == 1 else None
        if found is None:
            return None
        limits, sign = found
        fits = [_fit(row) for row in limits]
        known = [f for f in fits if f is not None]
        if len(known) < len(fits):
            return None
        return tuple(known[int(self.channels(k)[0])] for k in range(self.lanes)), sign < 0

    @property
    def refusal(self) -> str | None:
        if self._fits is not None:
            return None
        return "an affine form needs the steps of one (m * a + b) >> s in each lane"

    @property
    def constants(self) -> tuple[AffineConstants, ...]:
        """One of each lane."""
        assert self._fits is not None
        return self._fits[0]

    @property
    def inverted(self) -> bool:
        """The argument is -1 - a."""
        assert self._fits is not None
        return self._fits[1]

    @property
    def _interval(self) -> tuple[int, int]:
        lo, hi = self.function.lo, self.function.hi
        return (~hi, ~lo) if self.inverted else (lo, hi)

    def _limits(self, c: AffineConstants) -> tuple[int, int]:
        """The least and the greatest value before the saturation."""
        lo, hi = self._interval
        return (c.m * lo + c.b) >> c.s, (c.m * hi + c.b) >> c.s

    def _terms(self, c: AffineConstants, value: Value) -> list[Term]:
        terms = product_terms(value, *self._interval, c.m)
        if c.b or not terms:
            terms.append(Term(Const(c.b), c.b, c.b))
        return terms

    def _width(self, c: AffineConstants) -> int:
        return c.s + element_shape(*self._limits(c)).width

    @cached_property
    def _stages(self) -> int:
        return max(tree_stages(self._terms(c, Const(0))) for c in self.constants)

    @property
    def latency(self) -> int:
        return self._stages + 1

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        results = []
        for k, (value, c) in enumerate(zip(values, self.constants, strict=True)):
            total = sum_terms(
                m,
                self._terms(c, signed_argument(value, self.inverted)),
                width=self._width(c),
                enables=enables[:-1],
                name=f"{name}_sum{k}",
            )
            quotient = total.value >> c.s
            bits = quotient[: element_shape(*self._limits(c)).width]
            bits = bits.as_signed() if self._limits(c)[0] < 0 else bits
            results.append(
                saturated(m, bits, self._limits(c), self, enables[-1], f"{name}_clipped{k}")
            )
        return results

    def resources(self) -> Resources:
        """A constant beside products is almost free; bits below the result need no register."""
        total = Resources()
        for c in self.constants:
            terms = self._terms(c, Const(0))
            products = [t for t in terms if not isinstance(t.value, Const)] or terms
            tree = trees_resources([products], widths=[self._width(c)], stages=self._stages)
            saved = min(tree.ff, c.s) if tree_stages(products) == self._stages else 0
            result = element_shape(*self._limits(c)).width
            if len(products) == 1:
                total += Resources(lut=(c.b & ((1 << self._width(c)) - 1)).bit_count())
            total += Resources(lut=tree.lut, ff=max(tree.ff - saved, result))
            total += saturation_resources(self._limits(c), self)
        return total
