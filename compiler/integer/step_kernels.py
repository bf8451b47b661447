"""NumPy kernels of the Step node: whichever of three is fast, all exact.

1. A table of all inputs, where it is small.
2. Where thresholds stand apart, buckets so narrow that each holds one threshold at most: one look
   gives the threshold, a comparison the value. The accumulator of a gate has a wide interval and a
   function for each channel, but its thresholds stand an output quantum apart.
3. Binary search.
"""

from collections.abc import Callable

import numpy as np

from thresher.compiler.integer.ir import Step, Tensor

__all__ = ["Env", "Kernel", "Slots", "dtype_of", "step_kernel"]

Env = list[np.ndarray]
Kernel = Callable[[Env], None]
Slots = Callable[[Tensor], int]

_SMALL, _LARGE = 1 << 16, 1 << 21  # entries of a table: nothing is faster; memory that we spend
_APART = 8  # least distance of thresholds that makes buckets worth while


def dtype_of(*magnitudes: int) -> np.dtype:
    """The least dtype in which all integers up to the given magnitudes are exact."""
    most = max(abs(m) for m in magnitudes)
    if most < 1 << 24:
        return np.dtype(np.float32)
    return np.dtype(np.float64 if most < 1 << 53 else np.int64)


def step_kernel(node: Step, slot: Slots) -> Kernel:
    """The closure that runs the node; `slot` gives a tensor's place in the environment."""
    entries = (node.x.hi - node.x.lo + 1) * node.function.channels
    if entries <= _SMALL:
        return _by_table(node, slot)
    found = _by_bucket(node, slot)
    if found is not None:
        return found
    return _by_table(node, slot) if entries <= _LARGE else _by_search(node, slot)


def _places(node: Step) -> np.ndarray:
    return np.zeros((1,) * len(node.x.shape), np.int64) if node.channel is None else node.channel


def _narrow(values: np.ndarray) -> np.ndarray:
    """The values in as few bits as they can be: the tables of a body then stay in the cache."""
    ends = (np.min_scalar_type(int(v)) for v in (values.min(), values.max()))
    return np.ascontiguousarray(values).reshape(-1).astype(np.promote_types(*ends))


def _by_table(node: Step, slot: Slots) -> Kernel:
    """One entry an integer and channel.

    An index is never negative: its sign would be a branch that no processor foresees. Where `a`
    fits 8 or 16 bits, its two's complement is the index.
    """
    x, out, f = slot(node.x), slot(node.out), node.function
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


def _by_bucket(node: Step, slot: Slots) -> Kernel | None:
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
    limits = np.where(inside, following, top + 1).astype(np.intp).reshape(-1)
    values = np.broadcast_to(f.values, (f.channels, f.values.shape[1]))
    behind = np.minimum(past + inside, t.shape[1])
    pairs = [np.take_along_axis(values, n, axis=1) for n in (past, behind)]
    flat = _narrow(np.stack(pairs, axis=-1))

    x, out = slot(node.x), slot(node.out)
    work = dtype_of(lo, hi, lo - int(first.max()), hi - int(first.min()))
    base = first[_places(node), 0][None].astype(work)
    row = (_places(node) * count)[None].astype(np.intp)
    zero, most = np.zeros((), work), np.asarray(top, work)

    def run(env: Env) -> None:
        v = np.subtract(env[x], base, dtype=work, casting="unsafe")
        np.maximum(v, zero, out=v)
        np.minimum(v, most, out=v)
        place = v.astype(np.intp)
        index = place >> shift
        index += row
        passed = place >= limits.take(index)
        index += index
        index += passed
        env[out][...] = flat.take(index)

    return run


def _by_search(node: Step, slot: Slots) -> Kernel:
    """All channels in one sorted list: channel c's thresholds lie c intervals further on."""
    x, out, f = slot(node.x), slot(node.out), node.function
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
