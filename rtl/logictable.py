"""Small tables of constants as logic."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Value

__all__ = ["logic_table", "table_luts"]

_LUT_INPUTS = 6
_WIDE_TABLE = 18  # tenths


def logic_table(words: Sequence[int], width: int, address: Value) -> Value:
    """The word at this address, of a power of two of them, as logic."""
    if len(words) == 1:
        return Const(words[0], width)
    columns = [sum((word >> bit & 1) << k for k, word in enumerate(words)) for bit in range(width)]
    ones = (1 << len(words)) - 1
    bits: list[Value] = [
        Const(column & 1, 1)
        if column in (0, ones)
        else Const(column, len(words)).bit_select(address, 1)
        for column in columns
    ]
    return Cat(*bits)


def table_luts(words: Sequence[int], width: int, spare: int = 0) -> int:
    """LUTs for a table with `spare` other inputs to the logic that it is part of.

    A bit that depends on one address bit alone is that bit. For functions of more than seven inputs
    ABC finds no good tree of multiplexers, and takes near twice the LUTs.
    """
    bits = len(words).bit_length() - 1
    columns = np.array([[word >> bit & 1 for bit in range(width)] for word in words], bool)
    depends = np.zeros(width, np.int64)
    for k in range(bits):
        pairs = columns.reshape(-1, 2, 1 << k, width)
        depends += (pairs[:, 0] != pairs[:, 1]).any(axis=(0, 1))
    total = 0
    for count in depends.tolist():
        if count > (not spare):
            most = _LUT_INPUTS - spare
            luts = 1 if count <= most else spare + (1 << max(0, count - _LUT_INPUTS))
            total += luts if count + spare <= _LUT_INPUTS + 1 else -(-_WIDE_TABLE * luts // 10)
    return total
