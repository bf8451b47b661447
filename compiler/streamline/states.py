"""The states of a Scan: their scales and their intervals.

1. The body is walked with its states `Unknown`; quantisers inside it make known what they close,
   and so the scale of each state comes to light, again and again until nothing new appears. Where
   nothing does, the scale of the initial value is taken.
2. With the scales fixed, the interval of each state is the least one that holds its initial value
   and, if it holds the state, also the next state: iterated from the initial value. Where that is
   slow the interval is doubled until it holds, then iterated down; where it passes all bounds the
   state is refused.
"""

import numpy as np

from thresher.compiler.errors import ModelError
from thresher.compiler.expr import Leaf
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.body import Body, Interval, State
from thresher.compiler.streamline.context import Context, scaled
from thresher.compiler.streamline.values import Lazy, Raw, Unknown, Value, shape_of, to_const

__all__ = ["find_intervals", "find_scales"]

_SLOW = 24
_SETTLE = 8
_WIDEST = 1 << 40


def find_scales(scan: Body) -> list[State]:
    """Case 1."""
    scales: list[np.ndarray | None] = [None] * scan.count
    while True:
        inner = scan.context.child(scan.steps, scratch=True)
        values = [_guess(inner, v, s) for v, s in zip(scan.initial, scales, strict=True)]
        updates, _ = scan.walk_body(inner, values)
        found = [
            s if s is not None or isinstance(u, Unknown) else _scale(scan, inner, u)
            for s, u in zip(scales, updates, strict=True)
        ]
        if all(s is not None for s in found):
            scales = found
            break
        if sum(s is not None for s in found) == sum(s is not None for s in scales):
            found = _scales_of_initial(scan, found)
        scales = found
    return [
        _state(scan, k, v, s)
        for k, (v, s) in enumerate(zip(scan.initial, scales, strict=True))
        if s is not None
    ]


def _guess(inner: Context, initial: Value, scale: np.ndarray | None) -> Value:
    shape = shape_of(initial)
    if scale is None:
        return Unknown(shape)
    return scaled(inner.builder.input(shape, -1, 1, name="guess"), scale)


def _scale(scan: Body, inner: Context, update: Value) -> np.ndarray:
    with inner.at(scan.node):
        return inner.integers(update).scale


def _scales_of_initial(scan: Body, scales: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """No quantiser told the scale of these states: take that of the initial value."""
    found = list(scales)
    for k, (scale, value) in enumerate(zip(scales, scan.initial, strict=True)):
        if scale is None and isinstance(value, Lazy) and not isinstance(value.tensor, Raw):
            found[k] = scan.context.integers(value).scale
            return found
    k = scales.index(None)
    raise scan.context.error(
        f"nothing tells the scale of state '{scan.body.inputs[k].name}'",
        "quantise the state at the end of the body",
    )


def _state(scan: Body, k: int, value: Value, scale: np.ndarray) -> State:
    shape, name = shape_of(value), scan.body.inputs[k].name
    constant = to_const(value)
    if constant is not None:
        codes = np.broadcast_to(constant.array.astype(np.float64) / scale, shape)
        near = np.rint(codes)
        if (np.abs(codes - near) > 2.0**-21 * np.abs(codes)).any():
            raise scan.context.error(
                f"the constant initial value of state '{name}' is no multiple of its scale "
                f"{float(scale.flat[0]):.9g}",
                "quantise the initial value with the state's quantiser",
            )
        return State(shape, scale, near.astype(np.int64))
    assert isinstance(value, Lazy)
    if isinstance(value.tensor, Raw) and isinstance(value.expr, Leaf):
        return State(shape, scale, value.tensor)
    initial = scan.context.integers(value)
    assert isinstance(initial.tensor, Tensor)
    tensor = scan.aligned(scan.context, initial, scale, f"initial value of state '{name}'")
    return State(shape, scale, tensor)


def find_intervals(scan: Body, states: list[State]) -> list[Interval]:
    """Case 2."""
    start = [_interval(s.initial) for s in states]
    now = start
    for turn in range(_SLOW * 4):
        after = _join(start, _next(scan, states, now), now)
        if after == now:
            return _with_raw(scan, states, now) if any(_is_raw(states)) else now
        now = after if turn < _SLOW else [(2 * lo - 1, 2 * hi + 1) for lo, hi in after]
        for k, (lo, hi) in enumerate(now):
            if max(-lo, hi) > _WIDEST:
                raise _unbounded(scan, k)
        if turn >= _SLOW:
            found = _shrink(scan, states, start, now)
            if found is not None:
                return _with_raw(scan, states, found) if any(_is_raw(states)) else found
    raise _unbounded(scan, 0)


def _unbounded(scan: Body, k: int) -> ModelError:
    return scan.context.error(
        f"state '{scan.body.inputs[k].name}' grows without bound from step to step",
        "put a quantiser on the state at the end of the body",
    )


def _shrink(
    scan: Body, states: list[State], start: list[Interval], wide: list[Interval]
) -> list[Interval] | None:
    """If `wide` holds its own image, the intervals reached by iterating down from it."""
    after = _join(start, _next(scan, states, wide))
    if _join(after, wide) != wide:
        return None
    for _ in range(_SETTLE):
        wide, after = after, _join(start, _next(scan, states, after))
        if after == wide:
            break
    return wide


def _with_raw(scan: Body, states: list[State], now: list[Interval]) -> list[Interval]:
    """States that start from a raw input may start anywhere in the range of their bits."""
    while True:
        after = _join(now, _next(scan, states, now))
        after = [_hull(*i) if raw else i for i, raw in zip(after, _is_raw(states), strict=True)]
        if after == now:
            return now
        now = after


def _next(scan: Body, states: list[State], now: list[Interval]) -> list[Interval]:
    inner = scan.context.child(scan.steps, scratch=True)
    updates = scan.updates(inner, states, scan.inner_states(inner, states, now))[0]
    return [(u.lo, u.hi) for u in updates]


def _is_raw(states: list[State]) -> list[bool]:
    return [isinstance(s.initial, Raw) for s in states]


def _interval(initial: Tensor | np.ndarray | Raw) -> Interval:
    if isinstance(initial, Tensor):
        return initial.lo, initial.hi
    if isinstance(initial, Raw):
        return 0, 0
    return int(initial.min()), int(initial.max())


def _hull(lo: int, hi: int) -> Interval:
    """All values that the bits of [lo, hi] can hold."""
    if lo >= 0:
        return 0, (1 << hi.bit_length()) - 1
    half = 1 << max((-lo - 1).bit_length(), hi.bit_length())
    return -half, half - 1


def _join(*many: list[Interval]) -> list[Interval]:
    return [(min(i[0] for i in k), max(i[1] for i in k)) for k in zip(*many, strict=True)]
