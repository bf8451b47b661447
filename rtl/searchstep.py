"""Step functions as a search among constant thresholds, each lane its own."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

from amaranth.hdl import Cat, Const, Module, Value

from thresher.rtl.indexedstep import IndexedStep
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.logictable import logic_table, table_luts
from thresher.rtl.registers import delay, held, register, resized
from thresher.rtl.searchplan import Guess, Round, SearchPlan, plan_search
from thresher.rtl.steppipeline import area_cost

__all__ = ["SearchStep"]

_planned = lru_cache(1 << 12)(plan_search)


class SearchStep(IndexedStep):
    """The number of thresholds reached, found by a guess, its correction and bisections.

    See `thresher.rtl.searchplan`, which also tells why this is exact. Register stages: the clamp,
    where any lane needs it; the guess; its correction; each bisection; the table of results, where
    the number is not the result itself. It needs the same thresholds in every row.
    """

    product_bits = 16

    @property
    def refusal(self) -> str | None:
        if self.rows == 1:
            return None
        return f"a search needs one channel, or one a lane, not {self.rows} a lane"

    @cached_property
    def plans(self) -> tuple[SearchPlan, ...]:
        """One of each lane, alike in their rounds: those that are estimated smallest together."""
        best: tuple[float, tuple[SearchPlan, ...]] | None = None
        channels = [int(self.channels(lane)[0]) for lane in range(self.lanes)]
        for bisections in range(self.index_bits + 1):
            plans = {c: self._plan(c, bisections) for c in dict.fromkeys(channels)}
            found = tuple(p for p in map(plans.__getitem__, channels) if p is not None)
            if len(found) < self.lanes:
                continue
            cost = area_cost(sum((_plan_resources(p, self._width) for p in found), Resources()))
            if best is None or cost < best[0]:
                best = cost, found
        assert best is not None, "without a guess there always is a plan"
        return best[1]

    def _plan(self, channel: int, bisections: int) -> SearchPlan | None:
        marks = tuple(self.columns[channel].tolist())
        marks = marks[::-1] if self.inverted else marks
        f = self.function
        return _planned(marks, self.index_bits, f.lo, f.hi, bisections=bisections)

    @property
    def _width(self) -> int:
        return element_shape(self.function.lo, self.function.hi).width

    @property
    def _guesses(self) -> bool:
        return self.plans[0].guess is not None

    @cached_property
    def _clamps(self) -> bool:
        return any(p.guess and (p.guess.below or p.guess.above) for p in self.plans)

    @property
    def latency(self) -> int:
        if self.function.out_lo == self.function.out_hi:
            return 0
        rounds = len(self.plans[0].rounds)
        return self._clamps + self._guesses + rounds + (not self.direct)

    def elaborate_into(
        self, m: Module, values: Sequence[Value], row: Value, enables: Sequence[Value], name: str
    ) -> list[Value]:
        if self.latency == 0:
            return [Const(self.function.out_lo, self.shape)] * self.lanes
        results = []
        for lane, value in enumerate(values):
            index = self._searched(m, lane, value, enables, f"{name}_lane{lane}")
            index = ~index if self.inverted else index
            results.append(self.result(m, lane, index, Const(0, 0), enables[-1], name))
        return results

    def _searched(
        self, m: Module, lane: int, value: Value, enables: Sequence[Value], name: str
    ) -> Value:
        """The number of thresholds of this lane that the value reaches."""
        plan, stages = self.plans[lane], iter(enables)
        rounds = list(plan.rounds)
        index: Value = Const(0, 0)
        if plan.guess:
            clamp = next(stages) if self._clamps else None
            width = max(r.width for r in rounds)
            index, value = _guess(m, plan.guess, width, value, clamp, next(stages), name)
            enable = next(stages)
            total = (index + _reached(rounds.pop(0), value, index))[: plan.guess.bits]
            index = register(m, total, enable, f"{name}_guessed")
            if rounds:
                value = delay(m, value[: max(r.width for r in rounds)], [enable], f"{name}_rest")
        for k, step in enumerate(rounds):
            enable = next(stages)
            index = register(m, Cat(_reached(step, value, index), index), enable, f"{name}_{k}")
            if rounds[k + 1 :]:
                least = max(r.width for r in rounds[k + 1 :])
                value = register(m, resized(value, least), enable, f"{name}_value{k}")
        return index

    def resources(self) -> Resources:
        """A LUT per bit of each comparison that depends on the argument."""
        if self.latency == 0:
            return Resources()
        total = self.result_resources()
        for plan in self.plans:
            total += _plan_resources(plan, self._width)
        return total


def _reached(step: Round, value: Value, index: Value) -> Value:
    """Whether the value reaches the threshold that the index chooses.

    The offset is added as ``value ^ (value ^ offset)``: so the carry chain's propagate is one
    table of value and index to the synthesiser, where else it may map table and XOR each for
    itself, with twice the LUTs.
    """
    value = resized(value, step.width)
    if not step.bits:
        return (value + step.offsets[0])[step.width - 1]
    size = 1 << step.bits
    offset = []
    for bit in range(step.width):
        column = [word >> bit & 1 for word in step.offsets]
        differs = sum((column[k] | (1 - column[k]) << 1) << 2 * k for k in range(size))
        address = Cat(value[bit], index[: step.bits])
        offset.append(value[bit] ^ Const(differs, 2 * size).bit_select(address, 1))
    return (value + Cat(*offset))[step.width - 1]


def _guess(
    m: Module,
    guess: Guess,
    width: int,
    value: Value,
    clamp: Value | None,
    enable: Value,
    name: str,
) -> tuple[Value, Value]:
    """The guess and the lower `width` bits of the value, which is clamped in a stage before."""
    above: Value | None = None
    low, size = guess.low, len(guess.table)
    if clamp is not None:
        cell = value[low:].as_signed() if value.shape().signed else value[low:]
        below = cell < guess.first if guess.below else None
        if guess.above:
            above = register(m, cell > guess.last, clamp, f"{name}_above")
        kept = resized(value, max(width, low + guess.cell_bits))
        value = held(m, kept, clamp, f"{name}_clamped", force=below, to=guess.least)
    address = resized(value, low + guess.cell_bits)[low:]
    index = held(
        m,
        logic_table(guess.table, guess.bits, address),
        enable,
        f"{name}_guess",
        force=above,
        to=guess.table[guess.last % size],
    )
    rest = resized(value, width)
    return index, held(m, rest, enable, f"{name}_rest_in", force=above, to=guess.most)


@lru_cache(1 << 12)
def _plan_resources(plan: SearchPlan, width: int) -> Resources:
    """The estimate for one lane whose arguments have this many bits."""
    return Resources(lut=_plan_luts(plan, width), ff=_plan_ffs(plan, width))


def _plan_luts(plan: SearchPlan, width: int) -> int:
    total = 0
    for step in plan.rounds:
        constant = step.bits == 0
        total += -(-2 * width // 9) if constant else table_luts(step.offsets, step.width, 1)
    if plan.guess:
        g = plan.guess
        total += g.bits - 1 + table_luts(g.table, g.bits)
        total += (g.below + g.above) * -(-2 * (width - g.low) // 9)
    return total


def _plan_ffs(plan: SearchPlan, width: int) -> int:
    total, rounds = 0, plan.rounds
    if plan.guess:
        g = plan.guess
        wide = max(r.width for r in rounds)
        total += g.bits + wide
        if g.below or g.above:
            total += max(wide, g.low + g.cell_bits) + g.above
    for k, step in enumerate(rounds):
        total += step.bits + (not (plan.guess and k == 0))
        total += max((r.width for r in rounds[k + 1 :]), default=0)
    return total
