"""Division by a power of two, rounded half to even, and the clamp that goes before its increment.

The quotient of a by 2**s is q + up: q = floor(a / 2**s), and `up` is 1 where the highest of the s
bits is 1 and any bit below it or the lowest above it is. Where q has reached the greatest result
`up` no longer counts, and below the least neither; so q is clamped first, beside `up`, and the
increment, or a table of it, is as narrow as the results are.
"""

from typing import TypeVar

import numpy as np
from amaranth.hdl import Const, Mux, Value

__all__ = ["clamp_luts", "clamped", "divided", "rounded"]

_T = TypeVar("_T", int, np.ndarray)


def rounded(a: _T, s: int) -> _T:
    """a / 2**s, rounded half to even; of int64 arrays too."""
    return a if s == 0 else (a + (1 << (s - 1)) - 1 + (a >> s & 1)) >> s


def divided(value: Value, s: int) -> tuple[Value, Value]:
    """q and up of a signed value."""
    if s == 0:
        return value, Const(0, 1)
    return value >> s, value[s - 1] & (value[: s - 1].any() | value[s])


def clamped(q: Value, up: Value, least: int | None, most: int | None) -> tuple[Value, Value]:
    """q and up such that ``q + up`` is in [least, most]; None where it cannot go beyond."""
    if least is not None:
        q, up = Mux(below := q < least, least, q), up & ~below
    if most is not None:
        q, up = Mux(beyond := q >= most, most, q), up & ~beyond
    return q, up


def clamp_luts(s: int, width: int, bits: int, ends: tuple[int | None, int | None]) -> int:
    """The estimate for `divided`, `clamped` and the increment.

    :param width: bits of q.
    :param bits: bits of the result.
    :param ends: what the result is clamped to, None where it cannot go beyond.
    """
    if s == 0 and ends == (None, None):
        return 0
    sides = sum(end is not None for end in ends)
    compare = sides * -(-max(0, width - bits + 2) // 5)
    return bits + (1 + -(-s // 6) if s else 0) + compare
