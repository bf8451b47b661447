"""NumPy kernels of the Step node: whichever of three is fast, all exact.

1. A table of all inputs, where it is small.
2. Where thresholds stand apart, buckets so narrow that each holds one threshold at most: one look
   gives the threshold, a comparison the value. The accumulator of a gate has a wide interval and a
   function for each channel, but its thresholds stand an output quantum apart.
3. Binary search.
"""

import numpy as np

from thresher.compiler.integer.ir import Step
from thresher.compiler.integer.memory import Env, Kernel, Memory, dtype_of

__all__ = ["step_kernel"]

_SMALL, _LARGE = 1 << 16, 1 << 21  # entries of a table: nothing is faster; memory that we spend
_APART = 8  # least distance of thresholds that makes buckets worth while


def step_kernel(node: Step, memory: Memory) -> Kernel:
    """The closure that runs the node; `memory` gives tensors their places."""
    entries = (node.x.hi - node.x.lo + 1) * node.function.channels
    if entries <= _SMALL:
        return _by_table(node, memory)
    found = _by_bucket(node, memory)
    if found is not None:
        return found
    return _by_table(node, memory) if entries <= _LARGE else _by_search(node, memory)


def _places(node: Step) -> np.ndarray:
    return np.zeros((1,) * len(node.x.shape), np.int64) if node.channel is None else node.channel


def _narrow(values: np.ndarray) -> np.ndarray:
    """The values in as few bits as they can be: the tables of a body then stay in the cache."""
    lo, hi = int(values.min()), int(values.max())
    types = (np.uint8, np.int8, np.int16, np.int32, np.int64)
    fitting = next(t for t in types if np.iinfo(t).min <= lo and hi <= np.iinfo(t).max)
    return np.ascontiguousarray(values).reshape(-1).astype(fitting)


def _by_table(node: Step, memory: Memory) -> Kernel:
    """One entry an integer and channel.

    An index is never negative: its sign would be a branch that no processor foresees. Where `a`
    fits 8 or 16 bits, its two's complement is the index.
    """
    x, out, f = memory.slot(node.x), memory.own(node.out), node.function
    lo, hi = node.x.lo, node.x.hi
    bits = next((b for b in (8, 16) if -(1 << b - 1) <= lo and hi < 1 << b - 1), 0)
    wrapped = f.channels == 1 and bits
    a = np.arange(1 << bits).astype(f"int{bits}") if wrapped else np.arange(lo, hi + 1)
    rows = np.arange(f.channels)[:, None]
    values = f(np.clip(a, lo, hi).astype(np.int64)[None].repeat(f.channels, 0), rows)
    flat = _narrow(values)

    if wrapped:
        signed, unsigned = np.dtype(f"int{bits}"), np.dtype(f"uint{bits}")

        def run_wrapped(env: Env) -> None:
            env[out][...] = flat.take(env[x].astype(signed).view(unsigned))

        return run_wrapped
    offset = (_places(node) * len(a) - lo)[None].astype(np.intp)

    def run(env: Env) -> None:
        index = np.add(env[x], offset, dtype=np.intp, casting="unsafe")
        env[out][...] = flat.take(index)

    return run


def _by_bucket(node: Step, memory: Memory) -> Kernel | None:
    """Buckets of 2^shift integers, counted from below each channel's first threshold.

    None where thresholds stand too close, or the buckets are too many.
    """
    f, lo, hi = node.function, node.x.lo, node.x.hi
    t = np.clip(f.thresholds, lo, hi + 1)
    gaps = np.diff(t, axis=1)[t[:, 1:] <= hi]
    least = int(gaps.min()) if gaps.size else 1 << 40
    if not t.shape[1] or least < _APART:
        return None
    first = t[:, :1] - 1
    top = max(int(np.where(t <= hi, t - first, 0).max()), 1)
    shift = min(least.bit_length() - 1, top.bit_length())
    count = (top >> shift) + 1
    if count * f.channels > _LARGE:
        return None
    starts = np.arange(count) << shift
    past = np.stack([np.searchsorted(row, starts) for row in t - first])
    padded = np.concatenate([t - first, np.full((len(t), 1), top + 1)], axis=1)
    following = np.minimum(np.take_along_axis(padded, past, axis=1), top + 1)
    inside = following < starts + (1 << shift)
    apart = np.arange(len(t))[:, None] * (count << shift)  # channel after channel
    limits = (np.where(inside, following, top + 1) + apart).astype(np.intp).reshape(-1)
    values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))
    behind = np.minimum(past + inside, t.shape[1])
    pairs = [np.take_along_axis(values, n, axis=1) for n in (behind, past)]
    flat = _narrow(np.stack(pairs, axis=-1))

    moved = apart - first
    ends = (int(e) for e in (first.min(), first.max() + top, moved.min(), moved.max()))
    work = dtype_of(lo, hi, *ends, len(limits) << shift)
    rows = [e[_places(node), 0][None].astype(work) for e in (first, first + top, moved)]
    x, out = memory.slot(node.x), memory.own(node.out)
    shape = node.x.shape
    slots = (
        memory.scratch("moved", shape, work),
        *(memory.scratch(role, shape, np.dtype(np.intp)) for role in ("place", "index", "limit")),
    )
    least_x, most_x, offset = rows

    def run(env: Env) -> None:
        v, place, index, limit = (env[i] for i in slots)
        np.maximum(env[x], least_x, out=v, casting="unsafe")
        np.minimum(v, most_x, out=v)
        np.add(v, offset, out=v)
        np.copyto(place, v, casting="unsafe")
        np.right_shift(place, shift, out=index)
        limits.take(index, out=limit, mode="clip")
        np.subtract(place, limit, out=place)
        np.right_shift(place, 63, out=place)  # -1 below the threshold, else 0
        np.add(index, index, out=index)
        np.subtract(index, place, out=index)
        env[out][...] = flat.take(index)

    return run


def _by_search(node: Step, memory: Memory) -> Kernel:
    """All channels in one sorted list: channel c's thresholds lie c intervals further on."""
    x, out, f = memory.slot(node.x), memory.own(node.out), node.function
    channels = np.arange(f.channels)[:, None]
    span = node.x.hi - node.x.lo + 2
    places = _places(node)
    if f.channels * span >= 1 << 62:

        def slow(env: Env) -> None:
            env[out][...] = f(env[x].astype(np.int64), places[None])

        return slow
    thresholds = np.clip(f.thresholds, node.x.lo, node.x.hi + 1) - node.x.lo
    keys = (thresholds + channels * span).reshape(-1)
    values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))
    flat = np.ascontiguousarray(values).reshape(-1)
    offset = (places * span - node.x.lo)[None]

    def run(env: Env) -> None:
        a = env[x].astype(np.int64) + offset
        env[out][...] = flat.take(np.searchsorted(keys, a, side="right") + places[None])

    return run
