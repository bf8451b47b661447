"""Kernels for the items of a flat graph, with their folding open."""

from dataclasses import replace
from functools import partial
from math import gcd, lcm

import numpy as np

from thresher.compiler.integer import ir
from thresher.compiler.schedule.dataflows import reduce_mvau, with_broadcast, with_luts
from thresher.compiler.schedule.flatten import (
    ConcatSpec,
    FlatGraph,
    FusedSpec,
    InjectSpec,
    Item,
    LoopStateSpec,
    SplitSpec,
    TapSpec,
)
from thresher.compiler.schedule.imagemakers import Made, reduce, repeat, wide, window
from thresher.compiler.schedule.patterns import Order, divisors, periodic, row_length
from thresher.compiler.schedule.requests import Dataflow, Names, Request
from thresher.rtl.argmax import Argmax
from thresher.rtl.deal import Deal
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.kernel import Kernel
from thresher.rtl.loopstate import LoopState
from thresher.rtl.recurrence import Inject, Tap
from thresher.rtl.reorder import Reorder
from thresher.rtl.route import Concat, Select, Split
from thresher.rtl.step import Step
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.topk import TopK

__all__ = ["requests_of"]

_FORMS = ("auto", "fast")
"""How a step function is made: small, or inside loops with the least latency."""


def requests_of(flat: FlatGraph, names: Names) -> tuple[Request, ...]:
    """One request per item, in their order."""
    return tuple(_request(flat, item, names) for item in flat.items)


def _request(flat: FlatGraph, item: Item, names: Names) -> Request:
    source = next(iter(item.inputs.values()), None)
    tensor = flat.streams[source].tensor if source else item.origin
    spec = item.spec
    fast = isinstance(spec, ir.Step) or getattr(spec, "step", None) is not None
    match spec:
        case ir.MatMul() | ir.GroupedMatMul():
            kind, allowed, make = _matmul(spec)
        case ir.Step():
            kind, allowed, make = _step(spec)
        case FusedSpec():
            kind, allowed, make = _elementwise(spec)
        case ir.ArgMax():
            kind, allowed, make = _argmax(spec, "value" in item.outputs)
        case ir.Window():
            kind, allowed, make = window(spec)
        case ir.Reduce():
            kind, allowed, make = reduce(spec)
        case ir.Repeat():
            kind, allowed, make = repeat(spec)
        case Order():
            kind, allowed, make = _order(spec, tensor, item.origin)
        case SplitSpec():
            kind, allowed, make = _split(spec, tensor)
        case ConcatSpec():
            tensors = [flat.streams[n].tensor for n in item.inputs.values()]
            kind, allowed, make = _concat(spec, tensors)
        case InjectSpec():
            kind, allowed, make = _inject(spec)
        case LoopStateSpec():
            kind, allowed, make = _state(spec, "final" in item.outputs)
            fast = _registered(flat, item.inputs["i"])
        case TapSpec():
            kind, allowed, make = _tap(spec, "final" in item.outputs)
    name = names.of(kind, item.origin.name)
    request = Request(
        name, item.origin.name, (allowed,), make, item.inputs, item.outputs, item.inner
    )
    if isinstance(spec, ir.MatMul):
        return with_broadcast(request, spec)
    if isinstance(spec, ir.GroupedMatMul):
        return with_luts(request, spec)
    flows: tuple[Dataflow, ...] = (allowed,)
    if isinstance(spec, FusedSpec) and _multiplies(spec):
        flows += ({**allowed, "lut": (1,)},)
    if isinstance(spec, ir.Window) and not item.inner:
        flows += wide(spec)
    if item.inner and fast:
        flows += tuple({**flow, "fast": (1,)} for flow in flows)
    return replace(request, dataflows=flows, plain=isinstance(spec, ir.Step | FusedSpec))


def _registered(flat: FlatGraph, stream: str) -> bool:
    """Whether the kernel that gives the stream ends in a register, whatever its folding."""
    kinds = ir.MatMul | ir.GroupedMatMul | ir.Step | FusedSpec
    return any(stream in i.outputs.values() and isinstance(i.spec, kinds) for i in flat.items)


def _matmul(node: ir.MatMul | ir.GroupedMatMul) -> Made:
    k, n = node.weights.shape[-2:]
    return "mvau", {"pe": divisors(n), "simd": divisors(k)}, partial(reduce_mvau, node)


def _step(node: ir.Step) -> Made:
    def make(lanes: int, fast: int = 0) -> Kernel:
        function, form = _in_stream_order(node, lanes), _FORMS[fast]
        return Step(function=function, lanes=lanes, i_lo=node.x.lo, i_hi=node.x.hi, form=form)

    return "step", _lanes(row_length(node.x.shape)), make


def _in_stream_order(node: ir.Step, lanes: int) -> StepFunction:
    """The function with one channel per element of a period of whole beats."""
    f = node.function
    if node.channel is None or f.channels == 1:
        return f
    channel = _whole_beats(periodic(node.channel, node.x.shape), lanes)
    if len(np.unique(channel)) == 1:
        channel = channel[:1]
    values = f.values if len(f.values) == 1 else f.values[channel]
    return StepFunction(f.lo, f.hi, f.thresholds[channel], values)


def _whole_beats(period: np.ndarray, lanes: int) -> np.ndarray:
    """As many periods as end with a beat; one element where all are equal."""
    return period if len(period) == 1 else np.resize(period, lcm(len(period), lanes))


def _multiplies(spec: FusedSpec) -> bool:
    """Whether both factors vary."""
    constants = (t for t in (spec.binary.x, spec.binary.y) if isinstance(t, np.ndarray))
    return spec.binary.op == "mul" and all(np.unique(t).size > 1 for t in constants)


def _elementwise(spec: FusedSpec) -> Made:
    node, step = spec.binary, spec.step
    streams = [
        (t, shift)
        for t, shift in ((node.x, node.shift_x), (node.y, node.shift_y))
        if isinstance(t, ir.Tensor)
    ]
    constants = [periodic(t, node.out.shape) for t in (node.x, node.y) if isinstance(t, np.ndarray)]
    op = "rsub" if node.op == "sub" and isinstance(node.x, np.ndarray) else node.op
    intervals = [(tensor.lo, tensor.hi) for tensor, _ in streams]
    shifts = [shift for _, shift in streams]
    bare = partial(
        Elementwise, op=op, a=intervals[0], shift_a=shifts[0],
        b=intervals[1] if len(streams) > 1 else None,
        shift_b=shifts[1] if len(streams) > 1 else 0,
    )  # fmt: skip

    def make(lanes: int, fast: int = 0, lut: int = 0) -> Kernel:
        function = None if step is None else _in_stream_order(step, lanes)
        constant = _whole_beats(constants[0], lanes) if constants else None
        if function is not None and constant is not None:
            constant, function = _alike(constant, function)
        if function is not None:
            function = _widened(function, *bare(lanes=lanes, constant=constant).result)
        return bare(
            lanes=lanes, constant=constant, step=function, form=_FORMS[fast],
            multiplier="lut" if lut else "dsp",
        )  # fmt: skip

    return "elementwise", _lanes(row_length(node.out.shape)), make


def _alike(constant: np.ndarray, f: StepFunction) -> tuple[np.ndarray, StepFunction]:
    """Both with one channel, or with equally many."""
    channels = lcm(len(constant), f.channels)
    if len(constant) > 1:
        constant = np.resize(constant, channels)
    if f.channels > 1:
        index = np.resize(np.arange(f.channels), channels)
        values = f.values if len(f.values) == 1 else f.values[index]
        f = StepFunction(f.lo, f.hi, f.thresholds[index], values)
    return constant, f


def _widened(f: StepFunction, lo: int, hi: int) -> StepFunction:
    """The function with any value it has for arguments outside its interval."""
    if f.lo <= lo and hi <= f.hi:
        return f
    f = f.minimal()
    thresholds = np.where(f.thresholds > f.hi, max(hi, f.hi) + 1, f.thresholds)
    return StepFunction(min(lo, f.lo), max(hi, f.hi), thresholds, f.values)


def _argmax(node: ir.ArgMax, value: bool) -> Made:
    x, k = node.x, node.out.shape[-1]
    if k > 1:
        whole = TopK(elements=x.shape[-1], k=k, lo=x.lo, hi=x.hi, with_value=value)
        return "topk", {}, lambda: whole

    def make(lanes: int) -> Kernel:
        return Argmax(
            elements=x.shape[-1], lanes=lanes, lo=x.lo, hi=x.hi, last=node.last, with_value=value
        )

    return "argmax", _lanes(x.shape[-1]), make


def _lanes(*sizes: int) -> dict[str, tuple[int, ...]]:
    return {"lanes": divisors(gcd(*sizes))}


def _order(order: Order, x: ir.Tensor, out: ir.Tensor) -> Made:
    sizes = gcd(order.size, len(order.index))
    lanes = tuple(n for n in divisors(sizes) if order.moves_beats(n))

    def select(lanes: int) -> Kernel:
        keep = np.zeros(order.size // lanes, dtype=bool)
        keep[list(order.in_beats(lanes))] = True
        return Select(keep=tuple(bool(k) for k in keep), lanes=lanes, lo=x.lo, hi=x.hi)

    def reorder(lanes: int) -> Kernel:
        return Reorder(
            index=order.in_beats(lanes), i_beats=order.size // lanes, lanes=lanes, lo=x.lo, hi=x.hi
        )

    if order.increasing:
        return "select", {"lanes": lanes}, select
    return "reorder", {"lanes": lanes}, reorder


def _split(spec: SplitSpec, x: ir.Tensor) -> Made:
    """A Split, or where all segments are equal and a beat holds whole rounds of them a Deal."""
    lanes_allowed = _lanes(*spec.segments)["lanes"]
    period, chunk, branches = sum(spec.segments), spec.segments[0], len(spec.segments)
    if len(set(spec.segments)) == 1 and branches > 1:
        rounds = max(1, row_length(x.shape) // period)
        lanes_allowed += tuple(period * r for r in divisors(rounds) if x.size % (period * r) == 0)

    def make(lanes: int) -> Kernel:
        if lanes >= period and branches > 1:
            rounds = lanes // period
            return Deal(branches=branches, chunk=chunk, rounds=rounds, lo=x.lo, hi=x.hi)
        segments = tuple(s // lanes for s in spec.segments)
        return Split(segments=segments, lanes=lanes, lo=x.lo, hi=x.hi)

    return "split", {"lanes": lanes_allowed}, make


def _concat(spec: ConcatSpec, xs: list[ir.Tensor]) -> Made:
    lo, hi = min(x.lo for x in xs), max(x.hi for x in xs)

    def make(lanes: int) -> Kernel:
        segments = tuple(s // lanes for s in spec.segments)
        return Concat(segments=segments, lanes=lanes, lo=lo, hi=hi)

    return "concat", _lanes(*spec.segments), make


def _inject(spec: InjectSpec) -> Made:
    state = spec.state

    def make(lanes: int) -> Kernel:
        return Inject(
            steps=spec.steps, beats=state.size // lanes, initial=spec.initial,
            lanes=lanes, lo=state.lo, hi=state.hi,
        )  # fmt: skip

    return "inject", _lanes(row_length(state.shape)), make


def _state(spec: LoopStateSpec, final: bool) -> Made:
    state = spec.state

    def make(lanes: int, fast: int = 0) -> Kernel:
        beats = state.size // lanes
        return LoopState(
            steps=spec.steps, beats=beats, lanes=lanes, lo=state.lo, hi=state.hi,
            initial=spec.initial, final=final, bypass=bool(fast) and beats == 1,
        )  # fmt: skip

    return "state", _lanes(row_length(state.shape)), make


def _tap(spec: TapSpec, final: bool) -> Made:
    state = spec.state

    def make(lanes: int) -> Kernel:
        return Tap(
            steps=spec.steps, beats=state.size // lanes, final=final,
            lanes=lanes, lo=state.lo, hi=state.hi,
        )  # fmt: skip

    return "tap", _lanes(row_length(state.shape)), make
