"""Sums, differences and products, element by element, with a step function fused behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from amaranth.hdl import Const, Module
from amaranth.lib import wiring

from thresher.rtl.arithmetic import MULTIPLIERS, OPS, Arithmetic
from thresher.rtl.checks import (
    check_choice,
    check_int,
    check_interval,
    integer_array,
    stream_rows,
)
from thresher.rtl.elastic import elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.registers import delay
from thresher.rtl.rom import MEMORIES
from thresher.rtl.step import check_step, count_rows, row_resources, step_pipeline
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline, restricted
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Elementwise", "ElementwiseComponent"]

_EXACT_IN_INT = 1 << 62
_NARROW = 8  # bits of a sum that a fast step can follow in the same stage


@dataclass(frozen=True, kw_only=True)
class Elementwise(Kernel):
    """``o = step((a << shift_a) op (b << shift_b))``; see `ElementwiseComponent` for the hardware.

    :param op: "add", "sub" (a - b), "rsub" (b - a) or "mul".
    :param a: least and greatest element of stream `a`.
    :param b: the same of stream `b`; or
    :param constant: int (C,), in place of stream `b`: element e of a row has constant[e]; C = 1
        serves all elements.
    :param shift_a: at least 0.
    :param shift_b: at least 0.
    :param lanes: elements a beat; divides the channels of `constant` and `step`.
    :param step: applied to the result, whose whole interval it must cover; default none.
    :param form: of the step, as in `Step`; "fast" leaves out the register between a narrow sum
        and its step.
    :param multiplier: what products are built from, "dsp" or "lut"; those with a constant that is
        the same in every beat are always built from LUTs.
    :param memory: of the step, and of constants that change from beat to beat.
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    op: str
    a: tuple[int, int]
    b: tuple[int, int] | None = None
    constant: np.ndarray | None = field(default=None, compare=False)
    shift_a: int = 0
    shift_b: int = 0
    lanes: int
    step: StepFunction | None = None
    form: str = "auto"
    multiplier: str = "dsp"
    memory: str = "auto"
    content: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_choice("op", self.op, OPS)
        check_choice("memory", self.memory, MEMORIES)
        check_choice("multiplier", self.multiplier, MULTIPLIERS)
        if self.multiplier == "lut" and self.op != "mul":
            raise ValueError(f"multiplier must be 'dsp' where op is '{self.op}', not 'lut'")
        check_int("lanes", self.lanes, 1)
        check_int("shift_a", self.shift_a, 0)
        check_int("shift_b", self.shift_b, 0)
        _check_pair("a", self.a)
        if (self.b is None) == (self.constant is None):
            raise ValueError(
                f"exactly one of b and constant must be given, not {self.b!r} and {self.constant!r}"
            )
        if self.b is not None:
            _check_pair("b", self.b)
        content = b""
        if self.constant is not None:
            constant = integer_array("constant", self.constant, 1)
            object.__setattr__(self, "constant", constant)
            content = constant.tobytes()
        object.__setattr__(self, "content", content)
        if self.step is not None:
            check_step(self.step, self.lanes, self.form, self.memory)
        self._check_channels()
        bound = max(abs(int(end)) for ends in self.arithmetic.ends() for end in ends)
        if bound >= _EXACT_IN_INT:
            raise ValueError(f"results must stay below 2**62 in magnitude, not reach {bound}")
        _ = self.pipeline

    def _check_channels(self) -> None:
        ours = 1 if self.constant is None else len(self.constant)
        theirs = 1 if self.step is None else self.step.channels
        if ours > 1 and ours % self.lanes:
            raise ValueError(f"lanes must divide the {ours} constants, not {self.lanes}")
        if min(ours, theirs) > 1 and ours != theirs:
            raise ValueError(f"constant must have the step's {theirs} channels, not {ours}")

    @property
    def beats(self) -> int:
        """Beats a period: channels / lanes, or 1 where nothing differs between channels."""
        ours = 1 if self.constant is None else len(self.constant)
        theirs = 1 if self.step is None else self.step.channels
        return max(1, max(ours, theirs) // self.lanes)

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """The stages of the operation."""
        rows = self.constant
        if rows is not None:
            scalar = len(rows) == 1
            rows = np.full((1, self.lanes), rows[0]) if scalar else rows.reshape(-1, self.lanes)
        registered = Arithmetic(
            op=self.op, a=self.a, b=self.b, constants=rows, shift_a=self.shift_a,
            shift_b=self.shift_b, lanes=self.lanes, memory=self.memory, multiplier=self.multiplier,
        )  # fmt: skip
        if self.step is None:
            return registered
        lows, highs = registered.ends()
        function = restricted(self.step, int(lows.min()), int(highs.max()))
        pipeline = step_pipeline(function, lanes=self.lanes, form=self.form, memory=self.memory)
        if pipeline.latency == 0:
            return registered
        width = registered.shape.width
        if registered.in_dsp and width > pipeline.product_bits:
            return replace(registered, late=True)
        narrow = self.op != "mul" and rows is None and width <= _NARROW
        return replace(registered, registered=not (narrow and self.form == "fast"))

    @cached_property
    def pipeline(self) -> StepPipeline | None:
        """The stages that apply the step."""
        if self.step is None:
            return None
        function = restricted(self.step, *self.result)
        return step_pipeline(function, lanes=self.lanes, form=self.form, memory=self.memory)

    @property
    def result(self) -> tuple[int, int]:
        """Least and greatest result before the step."""
        lows, highs = self.arithmetic.ends()
        return int(lows.min()), int(highs.max())

    @property
    def inputs(self) -> Mapping[str, Port]:
        ports = {"a": Port(self.beats, self.lanes, *self.a)}
        if self.b is not None:
            ports["b"] = Port(self.beats, self.lanes, *self.b)
        return ports

    @property
    def outputs(self) -> Mapping[str, Port]:
        return {"o": Port(self.beats, self.lanes, *self._output)}

    @cached_property
    def _output(self) -> tuple[int, int]:
        """Least and greatest element of the output, each channel on its own interval."""
        if self.step is None:
            return self.result
        found: set[int] = set()
        step, (lows, highs) = self.step, self.arithmetic.ends()
        for c in range(max(len(lows), step.channels)):
            row = step.thresholds[c % step.channels]
            values = step.values[c % len(step.values)]
            lo, hi = int(lows[c % len(lows)]), int(highs[c % len(lows)])
            own = StepFunction(lo, hi, row[None], values[None])
            found |= {own.out_lo, own.out_hi}
        return min(found), max(found)

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        ports = self.inputs
        rows = [stream_rows(n, x, ports[n]) for n, x in zip(ports, inputs, strict=True)]
        b = rows[1] if self.constant is None else self.constant
        result = OPS[self.op](rows[0] << self.shift_a, b << self.shift_b)
        if self.step is None:
            return (result,)
        channels = np.arange(result.shape[1]) if self.step.channels > 1 else None
        return (self.step(result, channels),)

    @property
    def latency(self) -> int:
        """Register stages."""
        return self.arithmetic.latency + (self.pipeline.latency if self.pipeline else 0)

    def timing(self) -> Timing:
        fire = Firing(takes=tuple(self.inputs), gives=("o",), repeat=self.beats)
        return Timing.of([fire], o=register_stages(self.latency))

    def resources(self) -> Resources:
        control = Resources(lut=self.latency + len(self.inputs), ff=self.latency)
        rows = max(self.arithmetic.rows, self.pipeline.rows if self.pipeline else 1)
        total = self.arithmetic.resources() + control + row_resources(rows)
        return total + self.pipeline.area if self.pipeline else total

    def create(self) -> "ElementwiseComponent":
        return ElementwiseComponent(self)


class ElementwiseComponent(wiring.Component):
    """Hardware of `Elementwise`.

    In: `a` and, without a constant, `b`. Out: `o`. All are beats of `lanes` elements in natural
    order, channels / lanes of them a period (any number where nothing differs between channels).

    A beat is taken from `a` and `b` in one same cycle and passes `latency` register stages that
    close bubbles; a beat a cycle. Back-pressure stops the stages only when they are full. Reset
    drops everything and expects channel 0.
    """

    def __init__(self, parameters: Elementwise) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p, ops = self.parameters, self.parameters.arithmetic
        m = Module()
        sources = [getattr(self, name) for name in p.inputs]
        valid = sources[0].valid if len(sources) == 1 else sources[0].valid & sources[1].valid
        stages = elastic_stages(
            m, count=p.latency, i_valid=valid, o_ready=self.o.ready, name="stage"
        )
        m.d.comb += self.o.valid.eq(stages.valid)
        m.d.comb += [source.ready.eq(stages.ready & valid) for source in sources]
        lanes = [[s.payload[k] for k in range(p.lanes)] for s in sources]
        step_rows = p.pipeline.rows if p.pipeline else 1
        row = count_rows(m, max(ops.rows, step_rows), valid & stages.ready)
        split = ops.latency
        results = ops.elaborate_into(m, lanes[0], lanes[-1], row, stages.enables[:split])
        if p.pipeline:
            row = delay(m, row, stages.enables[:split], "row") if step_rows > 1 else Const(0, 0)
            end = split + p.pipeline.latency
            results = p.pipeline.elaborate_into(m, results, row, stages.enables[split:end], "step")
        m.d.comb += [self.o.payload[k].eq(value) for k, value in enumerate(results)]
        return m


def _check_pair(name: str, pair: object) -> None:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"{name} must be a pair (lo, hi), not {pair!r}")
    check_interval(name, *pair)
