"""Multipliers by constants held on chip, folded in time: the summands of an MVAU."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from thresher.rtl.kernel import element_shape
from thresher.rtl.lutproduct import lut_product, lut_product_stages
from thresher.rtl.operators import in_dsp
from thresher.rtl.packedproducts import PackedProducts
from thresher.rtl.registers import delay, register
from thresher.rtl.rom import Rom, pack_words, rom_memory

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
    :param pack: PEs in one multiplier at most; see `thresher.rtl.packedproducts`.
    :param last: nothing behind the trees adds to their sums.
    """

    weights: np.ndarray
    biases: np.ndarray | None
    lo: int
    hi: int
    memory: str
    multiplier: str = "dsp"
    pack: int = 1
    last: bool = True

    @property
    def folds(self) -> int:
        return self.weights.shape[0]

    @cached_property
    def packed(self) -> PackedProducts | None:
        """The products, where PEs may share multipliers."""
        if self.pack == 1:
            return None
        return PackedProducts(weights=self.weights, lo=self.lo, hi=self.hi, most=self.pack)

    @property
    def unpacked(self) -> str:
        """Why no multiplier has two PEs; "" where one has."""
        if self.multiplier != "dsp":
            return "products in LUTs have no DSP block to share"
        if self.folds == 1:
            return "without folds nothing is multiplied"
        if self.packed is None or not self.packed.shared:
            return "no products of two neighbouring PEs fit a DSP block"
        return ""

    @property
    def _stored(self) -> np.ndarray:
        """int64 (folds, pe, simd): what the memory holds."""
        return self.weights if self.packed is None else self.packed.digits

    @cached_property
    def _stored_shape(self) -> Shape:
        return _shape(self.weights) if self.packed is None else self.packed.shape

    @cached_property
    def layout(self) -> data.StructLayout:
        """One word of the memory."""
        _, pe, simd = self.weights.shape
        weights = data.ArrayLayout(data.ArrayLayout(self._stored_shape, simd), pe)
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
        return self.fetch_latency + self.product_stages

    @property
    def fetch_latency(self) -> int:
        return 2 if self.memory_bound == "block" else 1

    @property
    def product_stages(self) -> int:
        if self.packed is not None:
            return self.packed.stages
        return lut_product_stages(*self.factors) if self.multiplier == "lut" else 1

    @property
    def factors(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Least and greatest input, and weight."""
        return (self.lo, self.hi), (int(self.weights.min()), int(self.weights.max()))

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 (folds, pe, simd): the least and the greatest product."""
        ends = self.weights * self.lo, self.weights * self.hi
        return np.minimum(*ends), np.maximum(*ends)

    def _product(self, pe: int, lane: int, value: Value) -> Term:
        lo, hi = self.ends
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
        return self._complete(pe, terms, bias)

    def _complete(self, pe: int, terms: list[Term], bias: Value) -> list[Term]:
        """With the bias; or, where no other adder would take it, with a borrow as a summand."""
        if self.biases is not None and self.biases[:, pe].any():
            return [*terms, Term(bias, self.biases[:, pe], self.biases[:, pe])]
        if self.last and terms and terms[0].borrow is not None:
            first, *others = terms
            alone = replace(first, lo=first.lo - 1, borrow=None)
            return [*others, alone, Term(first.borrow, 0, 1)]
        return terms

    @cached_property
    def plans(self) -> list[list[Term]]:
        """The summands of each PE with their intervals but without hardware."""
        _, pes, simd = self.weights.shape
        zero = Const(0)
        if self.packed is not None:
            plans = self.packed.plans
            return [self._complete(pe, terms, zero) for pe, terms in enumerate(plans)]
        return [self._terms(pe, [zero] * simd, zero, made=False) for pe in range(pes)]

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 (pe,): of more folds than one, the summands of each PE."""
        if self.packed is not None:
            return np.array([len(plan) for plan in self.plans])
        biased = 0 if self.biases is None else self.biases.any(axis=0)
        return self.weights.any(axis=0).sum(axis=1) + biased

    @cached_property
    def tree_stages(self) -> int:
        """Register stages of the deepest tree."""
        if self.folds == 1:
            return max(tree_stages(plan) for plan in self.plans)
        return stages_of(int(self.counts.max()), after_dsp=self.after_dsp)

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
        late = enables[1 : self.fetch_latency]
        enables = enables[self.fetch_latency :]
        biases = self._biases_of(m, word, [*late, *enables])
        if self.packed is not None:
            stored = self._weights_of(m, word, ())
            terms = self.packed.elaborate_into(m, inputs, stored, enables, late)
            return [self._complete(pe, found, biases[pe]) for pe, found in enumerate(terms)]
        weights = self._weights_of(m, word, late)
        result = []
        for pe in range(pes):
            products: list[Value] = [Const(0)] * simd
            for lane in np.flatnonzero(self.weights[:, pe].any(axis=0)).tolist():
                factors, name = (inputs[lane], weights[pe][lane]), f"product{pe}_{lane}"
                if self.multiplier == "lut":
                    products[lane] = lut_product(
                        m, *factors, ends=self.factors, enables=enables, name=name
                    )
                    continue
                product = factors[0] * factors[1]
                shape = self._product(pe, lane, product).shape()
                products[lane] = register(m, product, enables[0], name, shape=shape)
            result.append(self._terms(pe, products, biases[pe]))
        return result

    def _weights_of(self, m: Module, word: data.View, late: Sequence[Signal]) -> list[list[Value]]:
        """Each weight of a word as a signal of its own, first cut by PE, then delayed.

        Whatever uses a part of a word makes Amaranth go over all of it.
        """
        _, pes, simd = self.weights.shape
        found = []
        for pe in range(pes):
            row = Signal(data.ArrayLayout(self._stored_shape, simd), name=f"weights{pe}")
            m.d.comb += row.eq(word.weights[pe])
            mine = [Signal(self._stored_shape, name=f"weight{pe}_{k}") for k in range(simd)]
            m.d.comb += [weight.eq(row[k]) for k, weight in enumerate(mine)]
            found.append([delay(m, w, late, f"late{pe}_{k}") for k, w in enumerate(mine)])
        return found

    def _biases_of(self, m: Module, word: data.View, enables: Sequence[Signal]) -> list[Value]:
        """The bias of each PE, delayed."""
        pes = self.weights.shape[1]
        if self.biases is None:
            return [Const(0)] * pes
        cut = [Signal(_shape(self.biases[:, pe]), name=f"bias{pe}") for pe in range(pes)]
        m.d.comb += [bias.eq(word.biases[pe]) for pe, bias in enumerate(cut)]
        return [delay(m, bias, enables, f"bias{pe}") for pe, bias in enumerate(cut)]

    @cached_property
    def words(self) -> list[int]:
        """What the memory holds."""
        words = pack_words(self._stored.reshape(self.folds, -1), self._stored_shape.width)
        if self.biases is None:
            return words
        low = self.layout["biases"].offset
        tops = pack_words(self.biases, _shape(self.biases).width)
        return [word | top << low for word, top in zip(words, tops, strict=True)]

    def _fetch(
        self, m: Module, inputs: list[Value], fold: Value, enables: Sequence[Signal]
    ) -> tuple[data.View, list[Value]]:
        """The word as the memory gives it, and the inputs delayed for all of the fetch."""
        rom = Rom(words=self.words, width=self.layout.size, memory=self.memory_bound)
        m.submodules.weights = rom
        m.d.comb += [rom.address.eq(fold), rom.enable.eq(enables[0])]
        late = enables[: self.fetch_latency]
        inputs = [delay(m, value, late, f"operand{lane}") for lane, value in enumerate(inputs)]
        return data.View(self.layout, rom.data), inputs

    @cached_property
    def products(self) -> list[int]:
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
        if self.packed is not None:
            return self.packed.dsp
        shapes = element_shape(self.lo, self.hi), _shape(self.weights)
        return sum(in_dsp(*shapes, width) for width in self.products)

    @property
    def after_dsp(self) -> bool:
        """What comes to the trees are products as DSP blocks give them, not yet added in pairs."""
        return self.dsp > 0 and self.packed is None

    @property
    def single_last(self) -> bool:
        """What comes to the trees are pairs, as DSP blocks give them."""
        return self.packed is not None and self.packed.stages > 1

    @property
    def in_dsp(self) -> bool:
        """Most products are made in DSP blocks, which have registers for their operands too."""
        return 2 * self.dsp > (len(self.products) if self.packed is None else self.packed.made)
