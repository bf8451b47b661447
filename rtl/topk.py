"""The greatest elements of a row, and where they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources, element_shape
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["TopK", "TopKComponent"]


@dataclass(frozen=True, kw_only=True)
class TopK(Kernel):
    """``o = topk(i)`` over each row, the greatest first; see `TopKComponent` for the hardware.

    Of equal elements the one with the lower index stands first, as ONNX's TopK has it.

    :param elements: of a row.
    :param k: how many are kept; at most `elements`.
    :param lo: least element.
    :param hi: greatest element.
    :param with_value: the elements go out too, as `value`.
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    elements: int
    k: int
    lo: int
    hi: int
    with_value: bool = False

    def __post_init__(self) -> None:
        check_int("elements", self.elements, 1)
        check_int("k", self.k, 1)
        check_interval("element", self.lo, self.hi)
        if not isinstance(self.with_value, bool):
            raise TypeError(f"with_value must be a bool, not {self.with_value!r}")
        if self.k > self.elements:
            raise ValueError(f"k must be at most the {self.elements} elements, not {self.k}")

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.elements, 1, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        greatest = self.elements - 1 if self.lo < self.hi else self.k - 1
        ports = {"o": Port(1, self.k, 0, greatest)}
        if self.with_value:
            ports["value"] = Port(1, self.k, self.lo, self.hi)
        return ports

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        index = np.argsort(-rows, axis=1, kind="stable")[:, : self.k]
        results = (index.astype(np.int64),)
        return (*results, np.take_along_axis(rows, index, 1)) if self.with_value else results

    def timing(self) -> Timing:
        outputs = tuple(self.outputs)
        firings = [Firing(takes=("i",), gives=outputs)]
        if self.elements > 1:
            firings.insert(0, Firing(takes=("i",), repeat=self.elements - 1))
        return Timing.of(firings, **{name: register_stages(1) for name in outputs})

    def resources(self) -> Resources:
        """Per place a comparison, a LUT for each bit that it takes or gives, and registers."""
        value = element_shape(self.lo, self.hi).width if self.lo < self.hi else 0
        index = (self.elements - 1).bit_length()
        kept = self.elements > 1
        lut = self.k * (-(-2 * value // 3) + 1 + kept * (value + index))
        lut += self.with_value * self.k * value + index + 8
        ff = self.k * index * (1 + kept) + self.k * value * (kept + self.with_value)
        return Resources(lut=lut, ff=ff + index + self.k + 1 + self.with_value)

    def create(self) -> "TopKComponent":
        return TopKComponent(self)


@dataclass(frozen=True, eq=False)
class _Place:
    """One of the elements kept so far; `filled`, there is one."""

    value: Value
    index: Value
    filled: Value


def _either(condition: Value, yes: _Place, no: _Place) -> _Place:
    """A Mux of places."""
    return _Place(
        Mux(condition, yes.value, no.value),
        Mux(condition, yes.index, no.index),
        Mux(condition, yes.filled, no.filled),
    )


class TopKComponent(wiring.Component):
    """Hardware of `TopK`.

    In: `i`, a beat of one element for each of a row, in natural order. Out: one beat of k lanes a
    row on `o` (the indices) and, if asked for, on `value` (the elements), the greatest first.

    The k greatest so far stand in a row of registers, greatest first. Each element is compared with
    all of them in its cycle: those that are less move on by one, and it takes the place before
    them. Elements follow each other without a gap, also from row to row. The last of a row waits
    until all outputs are free; each output is taken by itself. Reset drops everything.
    """

    def __init__(self, parameters: TopK) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        outputs = {name: getattr(self, name) for name in p.outputs}
        at = Signal(range(p.elements))
        last, free, fire = Signal(), Signal(), Signal()
        m.d.comb += [
            last.eq(at == p.elements - 1),
            free.eq(~Cat(o.valid & ~o.ready for o in outputs.values()).any()),
            self.i.ready.eq(~last | free),
            fire.eq(self.i.valid & self.i.ready),
        ]
        for output in outputs.values():
            with m.If(output.ready):
                m.d.sync += output.valid.eq(0)
        following = self._inserted(m, at, fire, last)
        with m.If(fire):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
            with m.If(last):
                m.d.sync += [output.valid.eq(1) for output in outputs.values()]
                for place, found in enumerate(following):
                    m.d.sync += outputs["o"].payload[place].eq(found.index)
                    if p.with_value:
                        m.d.sync += outputs["value"].payload[place].eq(found.value)
        return m

    def _inserted(self, m: Module, at: Signal, fire: Signal, last: Signal) -> list[_Place]:
        """The places with the present element among them."""
        p = self.parameters
        shape = element_shape(p.lo, p.hi)
        places = [
            _Place(
                Signal(shape, name=f"value{k}"),
                Signal(range(p.elements), name=f"index{k}"),
                Signal(name=f"filled{k}"),
            )
            for k in range(p.k)
        ]
        new = _Place(self.i.payload[0], at, Const(1))
        found: list[_Place] = []
        came = new
        for k, place in enumerate(places):
            wins = Signal(name=f"wins{k}")
            m.d.comb += wins.eq(~place.filled | (new.value > place.value))
            found.append(_either(wins, came, place))
            came = _either(wins, place, new)
        with m.If(fire):
            for place, following in zip(places, found, strict=True):
                m.d.sync += [
                    place.value.eq(following.value),
                    place.index.eq(following.index),
                    place.filled.eq(following.filled & ~last),
                ]
        return found
