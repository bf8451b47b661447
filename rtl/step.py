"""Step functions on a stream: thresholds, quantisers, activations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.rom import MEMORIES
from thresher.rtl.stepforms import FORMS, step_pipeline
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline, restricted
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = [
    "FORMS",
    "Step",
    "StepComponent",
    "check_step",
    "count_rows",
    "row_resources",
    "step_pipeline",
]


def check_step(function: object, lanes: int, form: object, memory: object) -> None:
    """Check a step function, and how it shall be made, for a stream of `lanes` elements a beat."""
    if not isinstance(function, StepFunction):
        raise TypeError(f"function must be a StepFunction, not {function!r}")
    if function.channels > 1 and function.channels % lanes:
        raise ValueError(f"lanes must divide the {function.channels} channels, not {lanes}")
    check_choice("form", form, FORMS)
    check_choice("memory", memory, MEMORIES)


def count_rows(m: Module, rows: int, fire: Value) -> Value:
    """Add the number of the current beat of a period of `rows` to `m`; `fire` takes the beat."""
    if rows == 1:
        return Const(0, 0)
    row = Signal(range(rows))
    with m.If(fire):
        m.d.sync += row.eq(row + 1)
        with m.If(row == rows - 1):
            m.d.sync += row.eq(0)
    return row


def row_resources(rows: int) -> Resources:
    """The estimate for `count_rows`."""
    bits = (rows - 1).bit_length()
    return Resources(lut=min(bits, 3), ff=bits)


@dataclass(frozen=True, kw_only=True)
class Step(Kernel):
    """``o = function(i)``, element by element; see `StepComponent` for the hardware.

    :param function: element e of a row is in channel e; one channel serves all elements.
    :param lanes: elements a beat; divides the function's channels where these are several.
    :param i_lo: least input element; default `function.lo`.
    :param i_hi: greatest input element; default `function.hi`.
    :param form: a key of `FORMS`, or "auto": the one that is estimated smallest.
    :param memory: of tables and thresholds, "auto", "logic" or "block".
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    function: StepFunction
    lanes: int
    i_lo: int | None = None
    i_hi: int | None = None
    form: str = "auto"
    memory: str = "auto"

    def __post_init__(self) -> None:
        check_int("lanes", self.lanes, 1)
        check_step(self.function, self.lanes, self.form, self.memory)
        check_interval("i", *self._interval)
        _ = self.pipeline

    @cached_property
    def pipeline(self) -> StepPipeline:
        """The stages that apply the function."""
        function = restricted(self.function, *self._interval)
        return step_pipeline(function, lanes=self.lanes, form=self.form, memory=self.memory)

    @property
    def _interval(self) -> tuple[int, int]:
        lo, hi = self.i_lo, self.i_hi
        return self.function.lo if lo is None else lo, self.function.hi if hi is None else hi

    @property
    def beats(self) -> int:
        """Beats a period: channels / lanes, or 1 where all elements share one channel."""
        return max(1, self.function.channels // self.lanes)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.beats, self.lanes, *self._interval)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        function = self.pipeline.function
        return {"o": Port(self.beats, self.lanes, function.out_lo, function.out_hi)}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = stream_rows("i", inputs[0], self.inputs["i"])
        channels = np.arange(rows.shape[1]) if self.function.channels > 1 else None
        return (self.function(rows, channels),)

    @property
    def latency(self) -> int:
        """Register stages."""
        return max(1, self.pipeline.latency)

    def timing(self) -> Timing:
        fire = Firing(takes=("i",), gives=("o",), repeat=self.beats)
        return Timing.of([fire], o=register_stages(self.latency))

    def resources(self) -> Resources:
        control = Resources(lut=self.latency, ff=self.latency)
        return self.pipeline.area + control + row_resources(self.pipeline.rows)

    def create(self) -> "StepComponent":
        return StepComponent(self)


class StepComponent(wiring.Component):
    """Hardware of `Step`.

    In: `i`, Out: `o`, both beats of `lanes` elements in natural order, channels / lanes of them a
    period (any number where all elements share one channel).

    Every beat passes `latency` register stages that close bubbles; a beat a cycle. Back-pressure
    stops the stages only when they are full. Reset drops everything and expects channel 0.
    """

    def __init__(self, parameters: Step) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        stages = elastic_stages(
            m, count=p.latency, i_valid=self.i.valid, o_ready=self.o.ready, name="stage"
        )
        m.d.comb += [self.i.ready.eq(stages.ready), self.o.valid.eq(stages.valid)]
        results = p.pipeline.elaborate_into(
            m,
            [self.i.payload[lane] for lane in range(p.lanes)],
            count_rows(m, p.pipeline.rows, self.i.valid & stages.ready),
            stages.enables[: p.pipeline.latency],
            "step",
        )
        m.d.comb += [self.o.payload[lane].eq(value) for lane, value in enumerate(results)]
        return m
