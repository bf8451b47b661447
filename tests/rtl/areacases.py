"""Kernels of every kind, drawn over their parameters, whose estimates are held against Yosys.

Sizes are such that Yosys takes seconds. A seed gives the same kernels every time; another one gives
others of the same kinds, which tells whether an estimate is understood or merely fitted.
"""

from collections.abc import Callable, Mapping

import numpy as np
from stepcases import activation, requantise, requantise_channels

from thresher.rtl.argmax import Argmax
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.deal import Deal
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fanout import Fanout
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel
from thresher.rtl.loopstate import LoopState
from thresher.rtl.mvau import MVAU
from thresher.rtl.recurrence import Inject, Tap
from thresher.rtl.reduce import Reduce
from thresher.rtl.reorder import Reorder
from thresher.rtl.repeat import Repeat
from thresher.rtl.route import Concat, Select, Sink, Split
from thresher.rtl.step import Step
from thresher.rtl.topk import TopK
from thresher.rtl.width import WidthConverter
from thresher.rtl.window import Window

__all__ = ["COUNTS", "area_cases"]

Rng = np.random.Generator


def _interval(rng: Rng, least: int = 2, most: int = 8) -> tuple[int, int]:
    """A whole two's complement or unsigned range."""
    bits = int(rng.integers(least, most, endpoint=True))
    if rng.integers(3) == 0:
        return 0, (1 << bits) - 1
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _weights(rng: Rng, k: int, n: int, least: int = 3) -> np.ndarray:
    end = 1 << int(rng.integers(least - 1, 7, endpoint=True))
    return rng.integers(1 - end, end, (k, n))


def _one(rng: Rng, *values: int) -> int:
    return int(rng.choice(values))


def _bias(rng: Rng, n: int) -> np.ndarray | None:
    return rng.integers(-500, 500, n) if rng.integers(2) else None


def _mvau(rng: Rng) -> Kernel:
    """Folded, its products in DSP blocks or LUTs, its weights in either memory."""
    simd, pe = _one(rng, 1, 2, 4, 8), _one(rng, 1, 2, 4)
    k, n = simd * _one(rng, 1, 4, 8, 16), pe * _one(rng, 2, 4, 8)
    lo, hi = _interval(rng)
    return MVAU(
        weights=_weights(rng, k, n, 2), pe=pe, simd=simd, i_lo=lo, i_hi=hi, bias=_bias(rng, n),
        memory=("auto", "logic", "block")[rng.integers(3)],
    )  # fmt: skip


def _mvau_packed(rng: Rng) -> Kernel:
    """Folded, its PEs in pairs, or threes where weights are small; one may be alone."""
    simd, pe = _one(rng, 1, 2, 4, 5, 8), _one(rng, 2, 3, 4, 6)
    k, n = simd * _one(rng, 1, 4, 8), pe * _one(rng, 2, 4, 8)
    lo, hi = ((0, 63), (-32, 31), (-128, 127), (0, 15))[rng.integers(4)]
    return MVAU(
        weights=_weights(rng, k, n, 4), pe=pe, simd=simd, i_lo=lo, i_hi=hi, bias=_bias(rng, n),
        memory=("auto", "logic", "block")[rng.integers(3)], pack=_one(rng, 2, 2, 3),
    )  # fmt: skip


def _mvau_grouped(rng: Rng) -> Kernel:
    """Of a depthwise convolution, or of groups."""
    k, n, groups = _one(rng, 4, 9), _one(rng, 1, 1, 2, 4), _one(rng, 3, 8, 32)
    lo, hi = _interval(rng, 4)
    return MVAU(
        weights=_weights(rng, k, groups * n, 4), pe=_one(rng, 1, n), simd=_one(rng, 1, k),
        groups=groups, i_lo=lo, i_hi=hi, bias=_bias(rng, groups * n),
    )  # fmt: skip


def _mvau_unrolled(rng: Rng) -> Kernel:
    """One fold: constants in adder trees."""
    k, n = _one(rng, 4, 8, 12), _one(rng, 2, 4, 6)
    lo, hi = _interval(rng, 3)
    weights = _weights(rng, k, n)
    return MVAU(weights=weights, pe=n, simd=k, i_lo=lo, i_hi=hi, bias=_bias(rng, n))


def _broadcast(rng: Rng) -> Kernel:
    lanes, groups = _one(rng, 1, 2, 3, 4), _one(rng, 1, 2, 4, 6, 8)
    k, n = _one(rng, 8, 16, 20, 40), lanes * groups * _one(rng, 1, 1, 2)
    lo, hi = _interval(rng, 4)
    return BroadcastMVAU(
        weights=_weights(rng, k, n, 4), rows=lanes * groups, lanes=lanes, i_lo=lo, i_hi=hi,
        bias=_bias(rng, n), memory=("auto", "logic", "block")[rng.integers(3)],
    )  # fmt: skip


def _step(rng: Rng) -> Kernel:
    """One channel, from a wide sum."""
    bits, out = _one(rng, 12, 16, 18, 21), _one(rng, 4, 6, 8)
    lanes = _one(rng, 1, 1, 2, 4)
    scale = 2.0 ** (out - bits) * rng.uniform(0.6, 3)
    if rng.integers(2):
        return Step(function=requantise(scale, bits=bits, out_bits=out), lanes=lanes)
    kind = ("sigmoid", "tanh")[rng.integers(2)]
    function = activation(kind, rng.uniform(2, 8) * 2.0 ** (1 - bits), bits=bits, out_bits=out)
    return Step(function=function, lanes=lanes)


def _step_shift(rng: Rng) -> Kernel:
    bits, out = _one(rng, 12, 16, 20), _one(rng, 4, 6, 8)
    function = requantise(2.0 ** -_one(rng, 4, 6, 8), bits=bits, out_bits=out)
    return Step(function=function, lanes=_one(rng, 1, 2, 4))


def _step_narrow(rng: Rng) -> Kernel:
    """An activation of few bits: a table or comparators."""
    bits, out = _one(rng, 4, 6, 7, 8), _one(rng, 3, 4, 6)
    kind = ("sigmoid", "tanh")[rng.integers(2)]
    function = activation(kind, rng.uniform(2, 6) * 2.0 ** (1 - bits), bits=bits, out_bits=out)
    return Step(function=function, lanes=_one(rng, 1, 2, 4))


def _step_channels(rng: Rng) -> Kernel:
    """A scale and perhaps a bias for each channel."""
    channels, bits, out = _one(rng, 8, 16, 32, 64), _one(rng, 14, 18, 21), _one(rng, 2, 4, 6)
    scales = (2.0 ** (out - bits) * rng.uniform(0.6, 2, channels)).tolist()
    biases = rng.normal(size=channels).tolist() if rng.integers(2) else None
    function = requantise_channels(scales, bits=bits, out_bits=out, biases=biases)
    form = ("auto", "auto", "search")[rng.integers(3)]
    return Step(function=function, lanes=_one(rng, 1, 2), form=form)


def _step_offsets(rng: Rng) -> Kernel:
    """A bias for each channel before an activation."""
    kind = ("sigmoid", "tanh")[rng.integers(2)]
    biases = tuple(rng.normal(0, 0.5, _one(rng, 8, 16, 32)).tolist())
    bits = _one(rng, 14, 18)
    function = activation(
        kind, rng.uniform(3, 6) * 2.0 ** (1 - bits), bits=bits, out_bits=_one(rng, 4, 6),
        biases=biases,
    )  # fmt: skip
    return Step(function=function, lanes=_one(rng, 1, 2))


def _elementwise(rng: Rng) -> Kernel:
    """Of two streams, with a step behind or not."""
    op = ("add", "sub", "mul", "mul")[rng.integers(4)]
    a, b = _interval(rng, 4), _interval(rng, 4)
    lanes = _one(rng, 1, 2, 4)
    plain = Elementwise(op=op, a=a, b=b, shift_b=_one(rng, 0, 0, 2), lanes=lanes)
    if not rng.integers(3):
        return plain
    bits = plain.outputs["o"].width + 1
    step = requantise(rng.uniform(0.02, 0.2), bits=bits, out_bits=_one(rng, 4, 6))
    return Elementwise(op=op, a=a, b=b, shift_b=plain.shift_b, lanes=lanes, step=step)


def _elementwise_constant(rng: Rng) -> Kernel:
    channels = _one(rng, 1, 16, 64)
    end = 1 << _one(rng, 4, 6, 8)
    constant = rng.integers(-end, end, channels)
    op = ("add", "rsub", "mul")[rng.integers(3)]
    a = _interval(rng, 5, 10)
    return Elementwise(op=op, a=a, constant=constant, lanes=_one(rng, 1, 2, 4))


def _argmax(rng: Rng) -> Kernel:
    lanes = _one(rng, 1, 2, 5)
    lo, hi = _interval(rng, 4, 12)
    return Argmax(
        elements=lanes * _one(rng, 1, 2, 10) if lanes > 1 else 10, lanes=lanes, lo=lo, hi=hi,
        with_value=bool(rng.integers(2)),
    )  # fmt: skip


def _topk(rng: Rng) -> Kernel:
    lo, hi = _interval(rng, 4, 12)
    return TopK(
        elements=_one(rng, 5, 10, 100), k=_one(rng, 2, 3, 5), lo=lo, hi=hi,
        with_value=bool(rng.integers(2)),
    )  # fmt: skip


def _fifo(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    depth = _one(rng, 1, 2, 8, 30, 64, 100, 256)
    return Fifo(depth=depth, lanes=_one(rng, 1, 4, 8), lo=lo, hi=hi)


def _fork(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    return Fork(branches=_one(rng, 2, 3, 4), lanes=_one(rng, 1, 4, 8), lo=lo, hi=hi)


def _deal(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    branches, chunk, rounds = _one(rng, 2, 3, 4), _one(rng, 1, 2), _one(rng, 1, 2)
    return Deal(branches=branches, chunk=chunk, rounds=rounds, lo=lo, hi=hi)


def _fanout(rng: Rng) -> Kernel:
    inner = _elementwise(rng)
    lanes = tuple(range(inner.outputs["o"].lanes))
    return Fanout(kernel=inner, port="o", branches=(lanes,) * _one(rng, 2, 3, 4))


def _width(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    one, other = (_one(rng, 1, 2, 3, 4, 6, 8) for _ in range(2))
    return WidthConverter(elements=24 * 2, i_lanes=one, o_lanes=other, lo=lo, hi=hi)


def _loop_state(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    return LoopState(
        steps=_one(rng, 2, 10, 25), beats=_one(rng, 1, 5, 20, 64), lanes=_one(rng, 1, 2, 4),
        lo=lo, hi=hi, final=bool(rng.integers(2)),
    )  # fmt: skip


def _inject(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    steps, beats, lanes = _one(rng, 5, 10, 25), _one(rng, 1, 5, 20), _one(rng, 1, 2, 4)
    initial = None
    if rng.integers(2):
        initial = tuple(rng.integers(lo, hi, beats * lanes, endpoint=True).tolist())
    return Inject(steps=steps, beats=beats, lanes=lanes, lo=lo, hi=hi, initial=initial)


def _tap(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    return Tap(
        steps=_one(rng, 5, 10, 25), beats=_one(rng, 1, 5, 20), lanes=_one(rng, 1, 4), lo=lo, hi=hi,
        final=True,
    )  # fmt: skip


def _route(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    kind = (Split, Concat)[rng.integers(2)]
    segments = tuple(rng.integers(1, 20, _one(rng, 2, 3, 4)).tolist())
    return kind(segments=segments, lanes=_one(rng, 1, 2, 4), lo=lo, hi=hi)


def _select(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    keep = (False,) * _one(rng, 3, 9, 24) + (True,)
    return Select(keep=keep, lanes=_one(rng, 1, 2, 4), lo=lo, hi=hi)


def _sink(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    return Sink(beats=8, lanes=2, lo=lo, hi=hi)


def _reorder(rng: Rng) -> Kernel:
    """A transposition, or any order at all; in LUTs, or in block RAM where it is large."""
    lo, hi = _interval(rng)
    rows, columns = _one(rng, 2, 4, 8, 32), _one(rng, 3, 4, 10)
    order = np.arange(rows * columns).reshape(rows, columns).T.ravel()
    if not rng.integers(3):
        order = rng.permutation(order)
    return Reorder(
        index=tuple(order.tolist()), i_beats=rows * columns, lanes=_one(rng, 1, 2, 4), lo=lo, hi=hi
    )


def _window(rng: Rng) -> Kernel:
    """Of a convolution, padded or not, or of pooling; in LUTs, or in block RAM if large."""
    lo, hi = _interval(rng)
    lanes, groups = _one(rng, 1, 2, 4), _one(rng, 1, 1, 2)
    size, stride = _one(rng, 2, 3, 3, 5), _one(rng, 1, 1, 2)
    pad = _one(rng, 0, size // 2)
    channels = lanes * groups * _one(rng, 1, 2, 5)
    return Window(
        height=_one(rng, 8, 12, 28), width=_one(rng, 8, 15, 28, 40), kernel=(size, size),
        channels=channels, groups=groups, lanes=lanes, wide=size if channels == lanes else 1,
        strides=(stride, stride), pads=(pad,) * 4, lo=lo, hi=hi,
    )  # fmt: skip


def _window_large(rng: Rng) -> Kernel:
    size, stride = _one(rng, 1, 3, 5), _one(rng, 1, 1, 2)
    lanes, channels = [(1, 1), (1, 3), (3, 3)][rng.integers(3)]
    return Window(
        height=_one(rng, 120, 240, 480), width=_one(rng, 160, 320, 640), channels=channels,
        kernel=(size, size), strides=(stride, stride), pads=(size // 2,) * 4, lanes=lanes,
        lo=0, hi=255,
    )  # fmt: skip


def _reduce(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    lanes = _one(rng, 1, 2, 4)
    return Reduce(
        op=("max", "sum")[rng.integers(2)], count=_one(rng, 4, 9, 49),
        channels=lanes * _one(rng, 1, 3, 16, 40), lanes=lanes, lo=lo, hi=hi,
    )  # fmt: skip


def _repeat(rng: Rng) -> Kernel:
    lo, hi = _interval(rng)
    lanes = _one(rng, 1, 2, 4)
    rows, columns = [(1, 2), (2, 2), (2, 1), (3, 3)][rng.integers(4)]
    return Repeat(
        width=_one(rng, 7, 16, 40), channels=lanes * _one(rng, 1, 3, 16), rows=rows,
        columns=columns, lanes=lanes, lo=lo, hi=hi,
    )  # fmt: skip


COUNTS: Mapping[Callable[[Rng], Kernel], int] = {
    _mvau: 9, _mvau_packed: 5, _mvau_grouped: 5, _mvau_unrolled: 3, _broadcast: 9, _step: 6,
    _step_shift: 2, _step_narrow: 4, _step_channels: 5, _step_offsets: 2, _elementwise: 7,
    _elementwise_constant: 5, _argmax: 3, _topk: 4, _fifo: 5, _fork: 2, _deal: 2, _fanout: 2,
    _width: 4, _loop_state: 3, _inject: 2, _tap: 1,
    _route: 3, _select: 1, _sink: 1, _reorder: 4, _window: 6, _window_large: 3,
    _reduce: 5, _repeat: 5,
}  # fmt: skip
"""How many are drawn of each kind."""


def area_cases(seed: int = 0) -> dict[str, Kernel]:
    """The kernels by name; each is drawn by itself, so that a new kind leaves the others alone."""
    return {
        f"{draw.__name__.strip('_')} {n}": draw(
            np.random.default_rng([seed, n, *map(ord, draw.__name__)])
        )
        for draw, count in COUNTS.items()
        for n in range(count)
    }
