"""Multipliers by constants held on chip, folded in time: the summands of an MVAU."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Const, Module, Shape, Signal, Value
from amaranth.lib import data

from thresher.rtl.addertree import (
    Term,
    product_terms,
    stages_of,
    tree_stages,
)
from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.lutproduct import lut_product, lut_product_resources, lut_product_stages
from thresher.rtl.operators import in_dsp, soft_product
from thresher.rtl.rom import Rom, pack_words, rom_memory, table_resources
from thresher.rtl.treearea import forest_resources, trees_resources

__all__ = ["Multipliers"]


def _shape(array: np.ndarray) -> Shape:
    return element_shape(int(np.min(array)), int(np.max(array)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Multipliers:
    """In each fold, for each PE, `simd` inputs times the weights of this fold.

    A single fold has constants: signed digits of the inputs and no register stage. More have a
    memory and multipliers. Whatever is 0 in every fold is left out.

    :param weights: int64 (folds, pe, simd).
    :param biases: int64 (folds, pe), summed with the products; or None.
    :param lo: least input.
    :param hi: greatest input.
    :param memory: of the weights, "auto", "logic" or "block".
    :param multiplier: what they are built from, "dsp" or "lut".
    """

    weights: np.ndarray
    biases: np.ndarray | None
    lo: int
    hi: int
    memory: str
    multiplier: str = "dsp"

    @property
    def folds(self) -> int:
        return self.weights.shape[0]

    @cached_property
    def layout(self) -> data.StructLayout:
        """One word of the memory."""
        _, pe, simd = self.weights.shape
        weights = data.ArrayLayout(data.ArrayLayout(_shape(self.weights), simd), pe)
        if self.biases is None:
            return data.StructLayout({"weights": weights})
        biases = data.ArrayLayout(_shape(self.biases), pe)
        return data.StructLayout({"weights": weights, "biases": biases})

    @cached_property
    def memory_bound(self) -> str:
        """What `memory` comes to: "logic" or "block"."""
        return rom_memory(self.folds, self.layout.size, self.memory)

    @property
    def latency(self) -> int:
        """Register stages: the memory, its output where it is a block RAM, the products."""
        if self.folds == 1:
            return 0
        return self._fetch_latency + self._product_stages

    @property
    def _fetch_latency(self) -> int:
        return 2 if self.memory_bound == "block" else 1

    @property
    def _product_stages(self) -> int:
        return lut_product_stages(*self._factors) if self.multiplier == "lut" else 1

    @property
    def _factors(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Least and greatest input, and weight."""
        return (self.lo, self.hi), (int(self.weights.min()), int(self.weights.max()))

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 (folds, pe, simd): the least and the greatest product."""
        ends = self.weights * self.lo, self.weights * self.hi
        return np.minimum(*ends), np.maximum(*ends)

    def _product(self, pe: int, lane: int, value: Value) -> Term:
        lo, hi = self._ends
        return Term(value, lo[:, pe, lane], hi[:, pe, lane])

    def _terms(
        self, pe: int, values: Sequence[Value], bias: Value, *, made: bool = True
    ) -> list[Term]:
        """The summands of one PE: of inputs if there is one fold, of products if more."""
        terms = []
        for lane, value in enumerate(values):
            if self.folds == 1:
                weight = int(self.weights[0, pe, lane])
                terms += product_terms(value, self.lo, self.hi, weight, lane, made=made)
            elif self.weights[:, pe, lane].any():
                terms.append(self._product(pe, lane, value))
        terms.sort(key=lambda term: term.shift)
        if self.biases is not None and self.biases[:, pe].any():
            terms.append(Term(bias, self.biases[:, pe], self.biases[:, pe]))
        return terms

    @cached_property
    def _plans(self) -> list[list[Term]]:
        """The summands of each PE with their intervals but without hardware."""
        _, pes, simd = self.weights.shape
        zero = Const(0)
        return [self._terms(pe, [zero] * simd, zero, made=False) for pe in range(pes)]

    @cached_property
    def _counts(self) -> np.ndarray:
        """int64 (pe,): of more folds than one, the summands of each PE."""
        biased = 0 if self.biases is None else self.biases.any(axis=0)
        return self.weights.any(axis=0).sum(axis=1) + biased

    @cached_property
    def tree_stages(self) -> int:
        """Register stages of the deepest tree."""
        if self.folds == 1:
            return max(tree_stages(plan) for plan in self._plans)
        return stages_of(int(self._counts.max()), after_dsp=self.dsp > 0)

    def tree_resources(self, width: np.ndarray, stages: int) -> Resources:
        """The estimate for the trees of all PEs.

        :param width: int64 (pe,), of each one's sums.
        """
        if self.folds == 1:
            return trees_resources(self._plans, widths=width.tolist(), stages=stages)
        total, factors, (lo, hi) = Resources(), self.weights, self._ends
        if self.biases is not None:
            biases = self.biases[:, :, None]
            factors, lo, hi = (np.concatenate([e, biases], axis=2) for e in (factors, lo, hi))
        summed = np.argwhere(factors.any(axis=0))
        for count in np.unique(self._counts).tolist():
            pes = np.flatnonzero(self._counts == count)
            lanes = summed[np.isin(summed[:, 0], pes), 1].reshape(len(pes), count)
            at = np.s_[:, pes[:, None], lanes]
            total += forest_resources(
                lo[at].transpose(1, 2, 0), hi[at].transpose(1, 2, 0),
                width=width[pes], stages=stages, in_dsp=self.in_dsp,
                after_dsp=self.dsp > 0,
            )  # fmt: skip
        return total

    def elaborate_into(
        self, m: Module, x: data.View, fold: Value, enables: Sequence[Signal]
    ) -> list[list[Term]]:
        """Add the hardware to `m`.

        :param x: the inputs of this fold.
        :param fold: its number.
        :param enables: of `latency` register stages.
        :returns: the summands of each PE.
        """
        _, pes, simd = self.weights.shape
        inputs = [x[lane] for lane in range(simd)]
        if self.folds == 1:
            biases = np.zeros(pes, np.int64) if self.biases is None else self.biases[0]
            return [self._terms(pe, inputs, Const(int(b))) for pe, b in enumerate(biases)]
        word, inputs = self._fetch(m, inputs, fold, enables)
        enables = enables[self._fetch_latency :]
        weights = self._weights_of(m, word)
        result = []
        for pe in range(pes):
            products: list[Value] = [Const(0)] * simd
            for lane in np.flatnonzero(self.weights[:, pe].any(axis=0)).tolist():
                factors, name = (inputs[lane], weights[pe][lane]), f"product{pe}_{lane}"
                if self.multiplier == "lut":
                    products[lane] = lut_product(
                        m, *factors, ends=self._factors, enables=enables, name=name
                    )
                    continue
                product = factors[0] * factors[1]
                shape = self._product(pe, lane, product).shape()
                products[lane] = _register(m, product, shape, enables[0], name)
            bias: Value = Const(0)
            if self.biases is not None:
                shape, bias = _shape(self.biases[:, pe]), word.biases[pe]
                for k, enable in enumerate(enables):
                    bias = _register(m, bias, shape, enable, f"bias{pe}_{k}")
            result.append(self._terms(pe, products, bias))
        return result

    def _weights_of(self, m: Module, word: data.View) -> list[list[Signal]]:
        """Each weight of a word as a signal of its own, first cut by PE.

        Whatever uses a part of a word makes Amaranth go over all of it.
        """
        _, pes, simd = self.weights.shape
        found = []
        for pe in range(pes):
            row = Signal(data.ArrayLayout(_shape(self.weights), simd), name=f"weights{pe}")
            m.d.comb += row.eq(word.weights[pe])
            mine = [Signal(_shape(self.weights), name=f"weight{pe}_{k}") for k in range(simd)]
            m.d.comb += [weight.eq(row[k]) for k, weight in enumerate(mine)]
            found.append(mine)
        return found

    @cached_property
    def _words(self) -> list[int]:
        """What the memory holds."""
        words = pack_words(self.weights.reshape(self.folds, -1), _shape(self.weights).width)
        if self.biases is None:
            return words
        low = self.layout["biases"].offset
        tops = pack_words(self.biases, _shape(self.biases).width)
        return [word | top << low for word, top in zip(words, tops, strict=True)]

    def _fetch(
        self, m: Module, inputs: list[Value], fold: Value, enables: Sequence[Signal]
    ) -> tuple[data.View, list[Value]]:
        """The word of this fold, and the inputs delayed to match."""
        rom = Rom(words=self._words, width=self.layout.size, memory=self.memory_bound)
        m.submodules.weights = rom
        m.d.comb += [rom.address.eq(fold), rom.enable.eq(enables[0])]
        word = data.View(self.layout, rom.data)
        for k in range(self._fetch_latency):
            inputs = [
                _register(m, value, value.shape(), enables[k], f"operand{k}_{lane}")
                for lane, value in enumerate(inputs)
            ]
            if k:
                later = Signal(self.layout, name=f"word{k}")
                with m.If(enables[k]):
                    m.d.sync += later.eq(word)
                word = later
        return word, inputs

    @cached_property
    def _products(self) -> list[int]:
        """Bits of each product that is made."""
        made = self.weights[:, self.weights.any(axis=0)]
        ends = np.stack([made * self.lo, made * self.hi])
        lows, highs = ends.min(axis=(0, 1)).tolist(), ends.max(axis=(0, 1)).tolist()
        return [element_shape(lo, hi).width for lo, hi in zip(lows, highs, strict=True)]

    @cached_property
    def dsp(self) -> int:
        """Products that the synthesiser makes in DSP blocks."""
        if self.folds == 1 or self.multiplier == "lut":
            return 0
        shapes = element_shape(self.lo, self.hi), _shape(self.weights)
        return sum(in_dsp(*shapes, width) for width in self._products)

    @property
    def in_dsp(self) -> bool:
        """Most products are made in DSP blocks, which have registers for their operands too."""
        return 2 * self.dsp > len(self._products)

    def resources(self) -> Resources:
        """The estimate; a ROM in LUTs keeps its register, a block RAM's goes into the DSP block."""
        if self.folds == 1:
            return Resources()
        _, pes, simd = self.weights.shape
        x, w = element_shape(self.lo, self.hi), _shape(self.weights)
        total = table_resources(
            self.folds, self.layout.size, self.memory_bound, lambda: self._words
        )
        total += Resources(dsp=self.dsp, ff=(self._fetch_latency - self.in_dsp) * simd * x.width)
        if self.multiplier == "lut":
            made = [lut_product_resources(*self._factors)] * len(self._products)
        else:
            widths = (width for width in self._products if not in_dsp(x, w, width))
            made = [soft_product(x, w) + Resources(ff=width) for width in widths]
        bias = 0 if self.biases is None else pes * _shape(self.biases).width
        total += sum(made, Resources(ff=bias * self._product_stages))
        if self.memory_bound == "block":
            total += Resources(ff=bias + len(made) * w.width)
        return total


def _register(m: Module, value: Value, shape: Shape, enable: Signal, name: str) -> Signal:
    register = Signal(shape, name=name)
    with m.If(enable):
        m.d.sync += register.eq(value)
    return register
