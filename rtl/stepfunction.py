"""Step functions of an integer: the exact remains of every quantiser and activation."""

from dataclasses import dataclass

import numpy as np

__all__ = ["StepFunction", "UnitSteps"]

_DENSE_LIMIT = 1 << 22


@dataclass(frozen=True)
class UnitSteps:
    """base + sign * #{k : thresholds[c, k] <= a}: what a bank of comparators and a counter do.

    :param thresholds: int64 (C, K), ascending along K; a step of height n stands n times.
    """

    thresholds: np.ndarray
    base: int
    sign: int


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A piecewise constant function of an integer in [lo, hi], one per channel.

    Value ``values[c, #{k : thresholds[c, k] <= a}]`` for input a in channel c.

    :param lo: least input.
    :param hi: greatest input.
    :param thresholds: int64 (C, K), ascending along K; entries of hi + 1 are never reached.
    :param values: int64 (C, K + 1), or one row shared by all channels.
    """

    lo: int
    hi: int
    thresholds: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        t = np.ascontiguousarray(self.thresholds, dtype=np.int64)
        v = np.ascontiguousarray(self.values, dtype=np.int64)
        if t.ndim != 2 or v.ndim != 2 or v.shape[1] != t.shape[1] + 1:
            raise ValueError(
                f"thresholds (C, K) and values (C, K + 1) must fit, not {t.shape} and {v.shape}"
            )
        if v.shape[0] not in (1, t.shape[0]):
            raise ValueError(f"values must have 1 or {t.shape[0]} rows, not {v.shape[0]}")
        if t.shape[1] and (np.diff(t, axis=1) < 0).any():
            raise ValueError("thresholds must be ascending")
        if self.lo > self.hi:
            raise ValueError(f"interval must not be empty, not [{self.lo}, {self.hi}]")
        t.setflags(write=False)
        v.setflags(write=False)
        object.__setattr__(self, "thresholds", t)
        object.__setattr__(self, "values", v)

    @classmethod
    def from_table(cls, lo: int, table: np.ndarray) -> "StepFunction":
        """The minimal step function with ``f(lo + j) = table[c, j]``; table int (C, hi-lo+1)."""
        table = np.asarray(table, dtype=np.int64)
        channels, size = table.shape
        hi = lo + size - 1
        changes = table[:, 1:] != table[:, :-1]
        most = int(changes.sum(axis=1).max()) if size > 1 else 0
        thresholds = np.full((channels, most), hi + 1, dtype=np.int64)
        values = np.repeat(table[:, -1:], most + 1, axis=1)
        for c in range(channels):
            at = np.flatnonzero(changes[c])
            thresholds[c, : len(at)] = lo + 1 + at
            values[c, : len(at)] = table[c, at]
        return cls._shared(lo, hi, thresholds, values)

    @classmethod
    def _shared(
        cls, lo: int, hi: int, thresholds: np.ndarray, values: np.ndarray
    ) -> "StepFunction":
        both = np.concatenate([thresholds, values], axis=1)
        if len(both) > 1 and (both == both[0]).all():
            thresholds, values = thresholds[:1], values[:1]
        elif len(values) > 1 and (values == values[0]).all():
            values = values[:1]
        return cls(lo, hi, thresholds, values)

    @property
    def channels(self) -> int:
        """C, the number of channels with thresholds of their own; 1 where all share them."""
        return self.thresholds.shape[0]

    @property
    def out_lo(self) -> int:
        """Least value that is reached."""
        return int(self._reached().min())

    @property
    def out_hi(self) -> int:
        """Greatest value that is reached."""
        return int(self._reached().max())

    def _reached(self) -> np.ndarray:
        t = self.thresholds
        low = np.concatenate([np.full((len(t), 1), self.lo), np.maximum(t, self.lo)], axis=1)
        high = np.concatenate([t, np.full((len(t), 1), self.hi + 1)], axis=1)
        used = low < np.minimum(high, self.hi + 1)
        return np.broadcast_to(self.values, used.shape)[used]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal parameters; for sharing and caching."""
        t, v = self.thresholds, self.values
        return (self.lo, self.hi, t.shape, t.tobytes(), v.shape, v.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepFunction) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __call__(self, a: np.ndarray, channel: np.ndarray | None = None) -> np.ndarray:
        """Apply to int64 `a`, element i in channel ``channel[i]`` (broadcast; default all 0)."""
        a = np.asarray(a, dtype=np.int64)
        if a.size and (a.min() < self.lo or a.max() > self.hi):
            raise ValueError(
                f"input must lie in [{self.lo}, {self.hi}], not [{a.min()}, {a.max()}]"
            )
        if channel is None:
            channel = np.zeros((), dtype=np.int64)
        if self.channels == 1:
            return self._apply(0, a)
        out = np.empty(a.shape, dtype=np.int64)
        channel = np.broadcast_to(channel, a.shape)
        for c in range(self.channels):
            mask = channel == c
            out[mask] = self._apply(c, a[mask])
        return out

    def _apply(self, c: int, a: np.ndarray) -> np.ndarray:
        count = np.searchsorted(self.thresholds[c], a, side="right")
        return self.values[c if len(self.values) > 1 else 0][count]

    @property
    def dense_size(self) -> int:
        """Entries of the table over all channels."""
        return self.channels * (self.hi - self.lo + 1)

    def table(self) -> np.ndarray:
        """int64 (C, hi - lo + 1): all values; ValueError above 4 Mi entries."""
        if self.dense_size > _DENSE_LIMIT:
            raise ValueError(f"a table of {self.dense_size} entries is too large")
        a = np.arange(self.lo, self.hi + 1)
        return np.stack([self._apply(c, a) for c in range(self.channels)])

    def then(self, outer: "StepFunction") -> "StepFunction":
        """The composition ``outer(self(a))``; `outer` must cover what `self` reaches."""
        channels = max(self.channels, outer.channels)
        if min(self.channels, outer.channels) not in (1, channels):
            raise ValueError(f"channels must fit, not {self.channels} and {outer.channels}")
        t = np.broadcast_to(self.thresholds, (channels, self.thresholds.shape[1]))
        v = np.broadcast_to(self.values, (channels, self.values.shape[1]))
        v = np.clip(v, outer.lo, outer.hi)  # only unreached values change
        row = np.arange(channels)[:, None] if outer.channels > 1 else None
        return StepFunction._merged(self.lo, self.hi, t, outer(v, row))

    @classmethod
    def _merged(
        cls, lo: int, hi: int, thresholds: np.ndarray, values: np.ndarray
    ) -> "StepFunction":
        """Drop thresholds that change nothing or are never reached."""
        rows = []
        for t, v in zip(thresholds, values, strict=True):
            below = int(np.searchsorted(t, lo, side="right"))
            pairs = [(lo, int(v[below]))]
            for k in range(below, len(t)):
                if t[k] > hi:
                    break
                if t[k] == pairs[-1][0]:
                    pairs.pop()
                if not pairs or pairs[-1][1] != v[k + 1]:
                    pairs.append((int(t[k]), int(v[k + 1])))
            rows.append(pairs)
        most = max(len(p) for p in rows)
        t_out = np.full((len(rows), most - 1), hi + 1, dtype=np.int64)
        v_out = np.empty((len(rows), most), dtype=np.int64)
        for c, pairs in enumerate(rows):
            t_out[c, : len(pairs) - 1] = [p[0] for p in pairs[1:]]
            v_out[c] = [p[1] for p in pairs] + [pairs[-1][1]] * (most - len(pairs))
        return cls._shared(lo, hi, t_out, v_out)

    def minimal(self) -> "StepFunction":
        """The same function with no threshold to spare and no unreached value."""
        return StepFunction._merged(
            self.lo,
            self.hi,
            self.thresholds,
            np.broadcast_to(self.values, (self.channels, self.values.shape[1])),
        )

    def unit_steps(self) -> UnitSteps | None:
        """The form of comparators and a counter, where every channel rises (or falls) only.

        All channels start from one base, so a channel that starts higher holds thresholds of `lo`.
        """
        m = self.minimal()
        values = np.broadcast_to(m.values, (m.channels, m.values.shape[1]))
        rise = np.diff(values, axis=1)
        if (rise >= 0).all():
            sign, base = 1, int(values[:, 0].min())
        elif (rise <= 0).all():
            sign, base = -1, int(values[:, 0].max())
        else:
            return None
        rows = []
        for t, v in zip(m.thresholds, values, strict=True):
            heights = np.concatenate([[v[0] - base], np.diff(v)]) * sign
            rows.append(np.repeat(np.concatenate([[m.lo], t]), heights))
        most = max(len(r) for r in rows)
        out = np.full((len(rows), most), m.hi + 1, dtype=np.int64)
        for c, r in enumerate(rows):
            out[c, : len(r)] = r
        return UnitSteps(out, base, sign)
