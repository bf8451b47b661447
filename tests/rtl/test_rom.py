"""Memories of constants: packing, binding, reading."""

import gc
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from thresher.rtl.rom import Rom, pack_words, rom_memory, rom_resources


@given(
    width=st.integers(1, 40),
    rows=st.lists(st.lists(st.integers(-(1 << 39), (1 << 39) - 1), min_size=3, max_size=3),
                  min_size=1, max_size=4),
)  # fmt: skip
def test_pack_words(width: int, rows: list[list[int]]) -> None:
    mask = (1 << width) - 1
    expected = [sum((v & mask) << (k * width) for k, v in enumerate(row)) for row in rows]
    assert pack_words(np.array(rows), width) == expected


def read(rom: Rom, sequence: list[tuple[int, int]]) -> list[int]:
    """What `data` shows after each cycle with this (address, enable)."""
    seen = []

    async def bench(ctx: Any) -> None:
        for address, enable in sequence:
            ctx.set(rom.address, address)
            ctx.set(rom.enable, enable)
            await ctx.tick()
            seen.append(ctx.get(rom.data))

    m = Module()
    m.submodules.rom = rom
    m.d.sync += Signal().eq(1)  # a clock, where the memory has none
    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


@pytest.mark.parametrize("memory", ["logic", "block"])
@pytest.mark.parametrize("width", [5, 72, 73, 150])
def test_reads_and_holds(memory: str, width: int, rng: np.random.Generator) -> None:
    words = pack_words(rng.integers(0, 2, (11, width)), 1)
    rom = Rom(words=words, width=width, memory=memory)
    sequence = [(3, 1), (4, 0), (10, 1), (0, 0), (0, 1)]
    assert read(rom, sequence) == [words[k] for k in (3, 3, 10, 10, 0)]


def test_one_word_is_a_constant() -> None:
    assert read(Rom(words=[9], width=4), [(0, 0), (0, 1)]) == [9, 9]


@pytest.mark.parametrize(
    "depth, width, memory, bound",
    [
        (1, 99, "block", "logic"),
        (2, 99, "block", "block"),
        (64, 36, "auto", "logic"),
        (512, 36, "auto", "block"),
        (512, 4, "auto", "logic"),
        (4096, 8, "auto", "block"),
        (4096, 8, "logic", "logic"),
    ],
)
def test_binding(depth: int, width: int, memory: str, bound: str) -> None:
    assert rom_memory(depth, width, memory) == bound


@pytest.mark.parametrize(
    "depth, width, blocks",
    [(1, 99, 0), (9, 36, 1), (9, 37, 2), (512, 72, 2), (513, 36, 2), (16384, 3, 3), (16385, 3, 6)],
)
def test_block_count(depth: int, width: int, blocks: int) -> None:
    assert rom_resources(depth, width, "block").bram18 == blocks


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"words": []}, ValueError, "words must not be empty"),
        ({"words": [1, 16]}, ValueError, "words must be unsigned ints of 4 bits"),
        ({"words": [-1]}, ValueError, "words must be unsigned ints of 4 bits"),
        ({"width": -1}, ValueError, "width must be at least 0, not -1"),
        ({"width": "4"}, TypeError, "width must be an int, not '4'"),
        ({"memory": "x"}, ValueError, "memory must be one of auto, logic, block, not 'x'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*created but never used")
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Rom(**{"words": [1, 2], "width": 4} | change)  # type: ignore[arg-type]
    gc.collect()  # so that the warning falls here
