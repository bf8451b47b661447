"""Sums, differences and products as register stages, of two streams or of one and constants."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Const, Module, Shape, Signal, Value
from amaranth.lib import data

from thresher.rtl.addertree import Term, product_terms, sum_terms, tree_stages
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutproduct import lut_product, lut_product_resources, lut_product_stages
from thresher.rtl.operators import in_dsp, soft_product, sum_luts
from thresher.rtl.registers import delay, register
from thresher.rtl.rom import Rom, pack_words, rom_memory, table_resources
from thresher.rtl.treearea import trees_resources

__all__ = ["MULTIPLIERS", "OPS", "Arithmetic"]

OPS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "rsub": lambda a, b: b - a,
    "mul": lambda a, b: a * b,
}
"""The operations, of ints, arrays and Amaranth values alike."""

MULTIPLIERS = ("dsp", "lut")
"""What products of two variables may be built from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arithmetic:
    """``(a << shift_a) op (b << shift_b)`` in each lane.

    :param op: a key of `OPS`.
    :param a: least and greatest value of `a`.
    :param b: the same of `b`, or None.
    :param constants: int64 (rows, lanes), in place of `b`; rows that are equal count as one.
    :param memory: of the constants where there is more than one row, "auto", "logic" or "block".
    :param multiplier: of products, one of `MULTIPLIERS`.
    :param registered: results come from a register; else, of two streams' sum, at once.
    :param late: products pass a second register, the DSP's own behind that of its multiplier.
    """

    op: str
    a: tuple[int, int]
    b: tuple[int, int] | None
    constants: np.ndarray | None
    shift_a: int
    shift_b: int
    lanes: int
    memory: str
    multiplier: str = "dsp"
    registered: bool = True
    late: bool = False

    def __post_init__(self) -> None:
        rows = self.constants
        if rows is not None and (rows == rows[0]).all():
            object.__setattr__(self, "constants", rows[:1])

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Python ints (channels,): least and greatest result, which two of the corners are."""
        if self.constants is None:
            bs = [np.array([end], object) for end in self.b or ()]
        else:
            bs = [self.constants.ravel().astype(object)]
        a_ends = [a << self.shift_a for a in self.a]
        corners = np.array([OPS[self.op](a, b << self.shift_b) for a in a_ends for b in bs])
        return corners.min(axis=0), corners.max(axis=0)

    @property
    def shape(self) -> Shape:
        """Shape of a result."""
        lows, highs = self.ends()
        return element_shape(int(lows.min()), int(highs.max()))

    @property
    def rows(self) -> int:
        """Beats after which the constants come again."""
        return 1 if self.constants is None else len(self.constants)

    @property
    def _constant_shape(self) -> Shape:
        assert self.constants is not None
        return element_shape(int(self.constants.min()), int(self.constants.max()))

    @property
    def _bound(self) -> str:
        if self.rows == 1:
            return "logic"
        return rom_memory(self.rows, self.lanes * self._constant_shape.width, self.memory)

    @property
    def _fetch_latency(self) -> int:
        if self.rows == 1:
            return 0
        return 2 if self._bound == "block" else 1

    @property
    def latency(self) -> int:
        """Register stages: memory of constants, then the operation."""
        if not self.registered:
            return 0
        if self._in_luts:
            return self._fetch_latency + lut_product_stages(*self._factors)
        trees = [tree_stages(self._terms(lane, Const(0))) for lane in range(self._in_trees)]
        return self._fetch_latency + max([1, *trees]) + self.late

    @property
    def in_dsp(self) -> bool:
        """The synthesiser makes the products in DSP blocks."""
        return (
            self.op == "mul"
            and not (self._in_trees or self._in_luts)
            and in_dsp(*self._operands, self._product_width)
        )

    @property
    def _operands(self) -> tuple[Shape, Shape]:
        """Shapes of both operands, without the shifts."""
        b = self._constant_shape if self.b is None else element_shape(*self.b)
        return element_shape(*self.a), b

    @property
    def _product_width(self) -> int:
        return self.shape.width - self.shift_a - self.shift_b

    @property
    def _in_luts(self) -> bool:
        """The results are products that `lut_product` makes."""
        return self.multiplier == "lut" and self.op == "mul" and not self._in_trees

    @property
    def _factors(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Least and greatest value of both factors, without the shifts."""
        if self.constants is None:
            assert self.b is not None
            return self.a, self.b
        return self.a, (int(self.constants.min()), int(self.constants.max()))

    @property
    def _in_trees(self) -> int:
        """Lanes that multiply by a constant, which is a sum of shifted arguments."""
        return self.lanes if self.op == "mul" and self._is_constant else 0

    @property
    def _is_constant(self) -> bool:
        return self.constants is not None and self.rows == 1

    def _terms(self, lane: int, a: Value) -> list[Term]:
        assert self.constants is not None
        factor = int(self.constants[0, lane]) << (self.shift_a + self.shift_b)
        return product_terms(a, *self.a, factor)

    def elaborate_into(
        self,
        m: Module,
        a: Sequence[Value],
        b: Sequence[Value],
        row: Value,
        enables: Sequence[Value],
    ) -> list[Value]:
        """Add the hardware to `m`.

        :param a: the arguments, one a lane.
        :param b: the other arguments; none where there are constants.
        :param row: number of their row, where there are several rows of constants.
        :param enables: one of each of the `latency` register stages.
        :returns: the results, one a lane.
        """
        shape = self.shape
        if self._in_trees:
            return [
                sum_terms(
                    m, self._terms(k, a[k]), width=shape.width, enables=enables, name=f"product{k}"
                ).value
                for k in range(self.lanes)
            ]
        fetch = self._fetch_latency
        if self.constants is not None:
            b = self._constants(m, row, enables[:fetch])
        results = []
        for k in range(self.lanes):
            a_value = delay(m, a[k], enables[:fetch], f"a{k}")
            if self._in_luts:
                factors, late = (a_value, b[k]), enables[fetch:]
                product = lut_product(
                    m, *factors, ends=self._factors, enables=late, name=f"product{k}"
                )
                results.append(product << (self.shift_a + self.shift_b))
                continue
            value = OPS[self.op](a_value << self.shift_a, b[k] << self.shift_b)
            if self.registered:
                result = register(m, value, enables[fetch], f"result{k}", shape=shape)
                results.append(delay(m, result, enables[fetch + 1 :], f"late{k}"))
            else:
                m.d.comb += (result := Signal(shape, name=f"result{k}")).eq(value)
                results.append(result)
        return results

    def _constants(self, m: Module, row: Value, enables: Sequence[Value]) -> list[Value]:
        assert self.constants is not None
        if self.rows == 1:
            return [Const(c) for c in self.constants[0].tolist()]
        layout = data.ArrayLayout(self._constant_shape, self.lanes)
        m.submodules.constants = rom = Rom(
            words=self._words(), width=layout.size, memory=self._bound
        )
        m.d.comb += [rom.address.eq(row), rom.enable.eq(enables[0])]
        word = data.View(layout, delay(m, rom.data, enables[1:], "constants"))
        return [word[k] for k in range(self.lanes)]

    def _words(self) -> list[int]:
        """What the memory of constants holds."""
        assert self.constants is not None
        return pack_words(self.constants, self._constant_shape.width)

    def resources(self) -> Resources:
        """The estimate."""
        if self._in_trees:
            trees = [self._terms(k, Const(0)) for k in range(self.lanes)]
            widths = [self.shape.width] * self.lanes
            return trees_resources(trees, widths=widths, stages=self.latency)
        lanes = (self._product() if self.op == "mul" else self._sum(k) for k in range(self.lanes))
        total = sum(lanes, Resources())
        if self.rows > 1:
            width = self.lanes * self._constant_shape.width
            total += table_resources(self.rows, width, self._bound, self._words)
            total += Resources(ff=width if self._bound == "block" and not total.dsp else 0)
        return total

    def _product(self) -> Resources:
        """The estimate for a lane; a DSP block has a register for each operand."""
        a, b = self._operands
        fetch = self._fetch_latency
        if self._in_luts:
            return lut_product_resources(*self._factors) + Resources(ff=a.width * fetch)
        if self.in_dsp:
            return Resources(dsp=1, ff=a.width * max(0, fetch - 1))
        return soft_product(a, b) + Resources(ff=self._product_width + a.width * fetch)

    def _sum(self, lane: int) -> Resources:
        """The estimate for a lane: a LUT a bit where both operands are.

        A constant alone costs inverters, for its ones or for its zeros.
        """
        width, (a, b) = self.shape.width, self._operands
        lut = sum_luts(self.op, (a, self.shift_a), (b, self.shift_b), width)
        if self._is_constant:
            assert self.constants is not None
            added = int(self.constants[0, lane]) << self.shift_b
            ones = (added & (1 << width) - 1).bit_count()
            lut = ones if self.op == "add" else width - ones
        zeros = min(self.shift_a, self.shift_b)
        ff = width - zeros if self.registered else 0
        return Resources(lut=lut, ff=ff + a.width * self._fetch_latency)
