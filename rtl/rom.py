"""Memories of constants."""

from collections.abc import Callable, Sequence

import numpy as np
from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from thresher.rtl.checks import check_choice, check_int
from thresher.rtl.kernel import Resources

__all__ = [
    "BRAM18_IN_LUTS",
    "MEMORIES",
    "RAM_STYLE",
    "Rom",
    "bram36_width",
    "column_resources",
    "pack_words",
    "rom_memory",
    "rom_resources",
    "table_luts",
    "table_resources",
]

MEMORIES = ("auto", "logic", "block")
"""How a memory may be asked for."""

RAM_STYLE = {"logic": "distributed", "lutram": "distributed", "block": "block", "ultra": "ultra"}
"""Vivado's name for every style, of memories that are written too (`thresher.rtl.lutram`)."""

BRAM18_IN_LUTS = 128
"""LUTs that one RAMB18 counts for where a memory may be either."""

_LUT_INPUTS = 6
# Greatest depth and width of one RAMB18 that is only read.
_BLOCKS = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def _block_width(depth: int) -> int:
    """The bits that one RAMB18 of this depth is wide."""
    return next((width for most, width in _BLOCKS if depth <= most), 1)


def bram36_width(depth: int) -> int:
    """The bits that one RAMB36 of this depth is wide: of two RAMB18 side by side."""
    return 2 * _block_width(depth)


def rom_resources(depth: int, width: int, memory: str) -> Resources:
    """The estimate for a ROM bound to "logic" or "block", its output register included."""
    if depth <= 1 or width == 0:
        return Resources()
    if memory == "block":
        return Resources(bram18=-(-width // _block_width(depth)) * -(-depth // _BLOCKS[-1][0]))
    return Resources(lut=width * -(-depth // 64), ff=width)


def table_luts(depends: int) -> int:
    """LUTs for a function of so many bits.

    A slice's own multiplexers join four LUTs, others take LUTs that choose one of four.
    """
    luts = 1 << max(0, depends - _LUT_INPUTS) if depends else 0
    return luts + -(-max(0, luts // 4 - 1) // 3)


def column_resources(bits: np.ndarray) -> Resources:
    """The estimate for a ROM in LUTs, its output register included.

    Constant columns cost nothing, and equal ones are made once. One that depends on a single
    address bit is that bit.

    :param bits: bool (depth, width).
    """
    bits = bits[:, bits.any(axis=0) & ~bits.all(axis=0)]
    if not bits.size:
        return Resources()
    packed, octets = np.packbits(bits, axis=0).T.tobytes(), -(-len(bits) // 8)
    different = {packed[k * octets : (k + 1) * octets]: k for k in range(bits.shape[1])}
    bits = bits[:, list(different.values())]
    depth = len(bits)
    depends = np.zeros(bits.shape[1], np.int64)
    for k in range((depth - 1).bit_length()):
        pairs = depth >> k + 1 << k + 1  # whole ones, in halves that differ in address bit k
        low, high = bits[:pairs].reshape(-1, 2, 1 << k, bits.shape[1]).swapaxes(0, 1)
        differs = (low != high).any(axis=(0, 1))
        left = max(0, depth - pairs - (1 << k))
        low, high = bits[pairs : pairs + left], bits[pairs + (1 << k) :]
        depends += differs | (low != high).any(axis=0)
    counts = np.bincount(depends).tolist()
    luts = sum(table_luts(d) * count for d, count in enumerate(counts) if d > 1 and count)
    return Resources(lut=luts, ff=bits.shape[1])


def table_resources(
    depth: int, width: int, memory: str, words: Callable[[], Sequence[int]]
) -> Resources:
    """The estimate of `rom_resources`, but in LUTs for just these contents.

    :param words: gives them; called for "logic" alone.
    """
    if memory == "block" or depth <= 1 or width == 0:
        return rom_resources(depth, width, memory)
    octets = -(-width // 8)
    raw = np.frombuffer(b"".join(word.to_bytes(octets, "little") for word in words()), np.uint8)
    bits = np.unpackbits(raw.reshape(-1, octets), axis=1, bitorder="little")
    return column_resources(bits[:, :width].astype(bool))


def rom_memory(depth: int, width: int, memory: str) -> str:
    """What `memory` comes to for this size: "logic" or "block"."""
    check_choice("memory", memory, MEMORIES)
    if depth <= 1:
        return "logic"
    if memory != "auto":
        return memory
    blocks = rom_resources(depth, width, "block").bram18 * BRAM18_IN_LUTS
    return "logic" if rom_resources(depth, width, "logic").lut <= blocks else "block"


def pack_words(table: np.ndarray, width: int) -> list[int]:
    """One int per row of int64 (depth, n): its elements in two's complement, the first lowest."""
    table = np.asarray(table, dtype=np.int64)
    bits = (table[:, :, None] >> np.minimum(np.arange(width), 63)) & 1
    octets = np.packbits(bits.reshape(len(table), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in octets]


class Rom(wiring.Component):
    """A memory of constants with one registered read port.

    In: `address`, `enable`. Out: `data`, the word at the address of the last cycle in which
    `enable` was 1. Reset leaves `data` as it is. One word alone is a constant and needs no enable.

    The Verilog carries `ram_style` as Vivado knows it. Yosys refuses "distributed" for a memory
    that is never written, and its ABC finds thrice the LUTs when it maps such a memory along with
    the logic around it. So, before `synth_xilinx`, run
    `setattr -set ram_style "logic" a:ram_style=distributed` and
    `setattr -mod -set keep_hierarchy 1 a:ram_style=logic %m`.

    :param words: the contents, each an int of `width` bits.
    :param memory: "logic", "block" or "auto" (`rom_memory` tells).
    """

    def __init__(self, *, words: Sequence[int], width: int, memory: str = "auto") -> None:
        check_int("width", width, 0)
        if not words:
            raise ValueError("words must not be empty")
        if min(words) < 0 or max(words).bit_length() > width:
            raise ValueError(f"words must be unsigned ints of {width} bits")
        self.words = tuple(words)
        self.width = width
        self.memory = rom_memory(len(words), width, memory)
        super().__init__(
            {
                "address": In(range(len(words))),
                "enable": In(1),
                "data": Out(unsigned(width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if len(self.words) == 1 or self.width == 0:
            m.d.comb += self.data.eq(self.words[0])
            return m
        # A column as wide as one RAMB36: wider memories cost the synthesiser minutes.
        column = bram36_width(len(self.words)) if self.memory == "block" else self.width
        parts = []
        for low in range(0, self.width, column):
            width = min(column, self.width - low)
            mask = (1 << width) - 1
            store = memory.Memory(
                shape=unsigned(width),
                depth=len(self.words),
                init=[(word >> low) & mask for word in self.words],
                attrs={"ram_style": RAM_STYLE[self.memory]},
            )
            m.submodules[f"column{low // column}"] = store
            port = store.read_port()
            m.d.comb += [port.addr.eq(self.address), port.en.eq(self.enable)]
            parts.append(port.data)
        m.d.comb += self.data.eq(Cat(*parts))
        return m
