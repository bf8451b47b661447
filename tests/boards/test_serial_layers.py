"""The layers of the serial shell against plain Python: stuffing, CRC, buffers, bytes and beats."""

import random
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_bench import mutant, simulate, transfer

from thresher.boards.host.frames import FramePort
from thresher.boards.host.packets import ESCAPE, ESCAPED, FLAG
from thresher.boards.shell import crc as crc_module
from thresher.boards.shell import frame_buffer, stuffing
from thresher.boards.shell.beats import ToBeats, ToBytes
from thresher.boards.shell.counters import Counters
from thresher.boards.shell.crc import Crc32
from thresher.boards.shell.frame_buffer import FrameBuffer
from thresher.boards.shell.stuffing import Kind
from thresher.rtl.kernel import Port

# parts that a test only looks at, or that refuse their parameters
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

BYTES = st.one_of(st.sampled_from([FLAG, ESCAPE, FLAG ^ ESCAPED]), st.integers(0, 255))


def symbol(kind: Kind, data: int = 0) -> int:
    return kind.value | data << 2


def unstuffed(line: list[int | None]) -> list[int]:
    """The symbols of a line, None being a damaged byte."""
    found, begun, escaped = [], False, False
    for byte in line:
        if byte is None:
            found.append(symbol(Kind.BAD))
            begun, escaped = True, False
        elif byte == FLAG:
            if begun:
                found.append(symbol(Kind.ABORT if escaped else Kind.END))
            begun = escaped = False
        elif byte == ESCAPE and not escaped:
            begun = escaped = True
        else:
            found.append(symbol(Kind.DATA, byte ^ ESCAPED if escaped else byte))
            begun, escaped = True, False
    return found


def check_unstuffer(module: Any, line: list[int | None]) -> None:
    items = [0x17E if b is None else b for b in line]
    mask = [s if s & 3 == Kind.DATA.value else s & 3 for s in transfer(module.Unstuffer(), items)]
    assert mask == unstuffed(line)


LINES = st.lists(st.one_of(st.none(), BYTES), max_size=60)


@settings(max_examples=40)
@given(LINES)
def test_unstuffer(line: list[int | None]) -> None:
    check_unstuffer(stuffing, line)


WORST: list[int | None] = [
    1, FLAG, FLAG, ESCAPE, 0x5E, 2, FLAG, ESCAPE, ESCAPE, FLAG, 3, ESCAPE, FLAG, ESCAPE, FLAG,
    None, FLAG, ESCAPE, None, FLAG, 4, FLAG,
]  # fmt: skip


@pytest.mark.parametrize(
    "old, new",
    [
        ("& ~escaped):", "):"),
        ("Mux(escaped, Kind.ABORT, Kind.END)", "Kind.END"),
        ("m.d.sync += begun.eq(0)", "pass"),
        ("begun.eq(1), escaped.eq(0)", "begun.eq(1)"),
        ("self.o.valid.eq(begun)", "self.o.valid.eq(1)"),
        ("byte.data ^ Mux(escaped, ESCAPED, 0)", "byte.data"),
        ("with m.If(byte.error):", "with m.If(0):"),
    ],
)
def test_bugs_in_the_unstuffer_are_found(old: str, new: str) -> None:
    check_unstuffer(stuffing, WORST)
    broken = mutant("stuffing", old, new)
    with pytest.raises(AssertionError):
        check_unstuffer(broken, WORST)


def stuffed(packets: list[tuple[bytes, bool]]) -> list[int]:
    line: list[int] = []
    for payload, abort in packets:
        line.append(FLAG)
        for b in payload:
            line += [ESCAPE, b ^ ESCAPED] if b in (FLAG, ESCAPE) else [b]
        line += [ESCAPE, FLAG] if abort else [FLAG]
    return line


def check_stuffer(module: Any, packets: list[tuple[bytes, bool]], seed: int) -> None:
    symbols = []
    for payload, abort in packets:
        symbols += [symbol(Kind.DATA, b) for b in payload]
        symbols.append(symbol(Kind.ABORT if abort else Kind.END))
    for stalls in ((0, 0), (0.5, 0), (0, 0.5)):
        assert transfer(module.Stuffer(), symbols, stalls=stalls, seed=seed) == stuffed(packets)


PACKETS = st.lists(st.tuples(st.lists(BYTES, min_size=1, max_size=9), st.booleans()), max_size=5)


@settings(max_examples=25)
@given(PACKETS, st.integers(0, 99))
def test_stuffer(packets: list[tuple[list[int], bool]], seed: int) -> None:
    check_stuffer(stuffing, [(bytes(p), abort) for p, abort in packets], seed)


@pytest.mark.parametrize(
    "old, new",
    [
        ("special & ~second", "special"),
        ("inside.eq(symbol.kind == Kind.DATA)", "inside.eq(1)"),
        ("symbol.data ^ Mux(second, ESCAPED, 0)", "symbol.data"),
        ("| (symbol.data == ESCAPE)", ""),
        ("self.o.ready & last)", "self.o.ready)"),
        ("(inside | (symbol.kind == Kind.ABORT))", "1"),
    ],
)
def test_bugs_in_the_stuffer_are_found(old: str, new: str) -> None:
    packets = [(bytes([1, FLAG, ESCAPE, 2]), False), (bytes([FLAG]), True), (b"\x03", False)]
    broken = mutant("stuffing", old, new)
    with pytest.raises(AssertionError):
        check_stuffer(broken, packets, 1)


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=3))
def test_crc(messages: list[bytes]) -> None:
    dut = Crc32()

    async def run(ctx: Any) -> None:
        for message in messages:
            await ctx.tick()
            sealed = message + zlib.crc32(message).to_bytes(4, "little")
            for k, byte in enumerate(sealed):
                assert ctx.get(dut.crc) == zlib.crc32(sealed[:k])
                assert k < 4 or ctx.get(dut.match) == (zlib.crc32(sealed[:k]) == CRC_RESIDUE)
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                waited = 1
                while not ctx.get(dut.i.ready):
                    await ctx.tick()
                    waited += 1
                assert waited == 9
            assert ctx.get(dut.match)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)

    simulate(dut, run)
    assert crc_module.__all__ == ["Crc32"]


CRC_RESIDUE = zlib.crc32(bytes(4))
"""The CRC of any message with its own CRC behind it."""


def check_frame_buffer(module: Any, size: int, window: int, seed: int) -> None:
    """Random writes, commits, rollbacks and reads against queues."""
    dut: FrameBuffer = module.FrameBuffer(size, window)
    rng = random.Random(seed)

    async def run(ctx: Any) -> None:
        writing: list[int] = []
        kept: deque[int] = deque()  # bytes that must come
        frames = read = 0
        for cycle in range(900):
            slow = cycle // 150 % 3  # the reader: never, now and then, always
            full = len(writing) == size
            act = rng.random()
            offer = act < 0.7  # when it is full as well
            commit = full and rng.random() < 0.5
            rollback = not offer and not commit and act > 0.9
            byte = rng.randrange(256)
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, offer)
            ctx.set(dut.commit, commit)
            ctx.set(dut.rollback, rollback)
            ctx.set(dut.o.ready, slow == 2 or (slow == 1 and rng.random() < 0.3))
            assert ctx.get(dut.full) == full
            held = -(-(len(kept)) // size)  # frames whose last byte is not gone
            if held < window or full:
                assert ctx.get(dut.i.ready) == (not full), "there is room until it is full"
            if offer and ctx.get(dut.i.ready):
                writing.append(byte)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                assert ctx.get(dut.o.payload.data) == kept.popleft()
                read += 1
                assert ctx.get(dut.o.payload.last) == (read % size == 0)
            if commit:
                kept += writing
                frames += 1
            if commit or rollback:
                writing = []
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.commit, 0)
        ctx.set(dut.rollback, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(size * window + 4):
            if ctx.get(dut.o.valid):
                assert ctx.get(dut.o.payload.data) == kept.popleft()
            await ctx.tick()
        assert not kept
        assert frames > 10

    simulate(dut, run)


@pytest.mark.parametrize("size, window", [(1, 1), (1, 2), (5, 1), (5, 2), (8, 2), (7, 3), (3, 4)])
def test_frame_buffer(size: int, window: int) -> None:
    check_frame_buffer(frame_buffer, size, window, size)


@pytest.mark.parametrize(
    "old, new",
    [
        ("with m.If(self.commit | self.rollback):", "with m.If(self.commit):"),
        ("with m.If(self.commit):", "with m.If(self.commit | self.rollback):"),
        ("(frames != self._window)", "1"),
        ("(frames != 0) & (~self.o.valid", "(~self.o.valid"),
        ("frames + self.commit - freed", "frames + self.commit"),
        ("(frames != 0) & (~self.o.valid | self.o.ready)", "frames != 0"),
        ("self.i.ready.eq(~self.full & ", "self.i.ready.eq("),
        ("last.eq(taken == self._size - 1)", "last.eq(taken == self._size - 2)"),
        ("Cat(taken[:bits], read_slot)", "taken[:bits]"),
    ],
)
def test_bugs_in_the_frame_buffer_are_found(old: str, new: str) -> None:
    broken = mutant("frame_buffer", old, new)
    with pytest.raises(AssertionError):
        check_frame_buffer(broken, 5, 2, 5)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"size": 0}, ValueError, "size must be at least 1, not 0"),
        ({"window": 0}, ValueError, "window must be at least 1, not 0"),
        ({"size": 1.5}, TypeError, "size must be an int, not 1.5"),
    ],
)
def test_frame_buffer_refuses(change: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        FrameBuffer(**{"size": 1, "window": 1} | change)


@pytest.mark.parametrize("width, lanes", [(3, 1), (8, 1), (9, 1), (6, 5)])
def test_beats(width: int, lanes: int) -> None:
    rng = random.Random(width)
    bits = width * lanes
    size = -(-bits // 8)
    port = Port(4, lanes, 0, 2**width - 1)
    place = FramePort("x", 4, lanes, width, False, size)
    beats = [rng.randrange(1 << bits) for _ in range(8)]
    line = [b >> 8 * k & 0xFF for b in beats for k in range(size)]
    for stalls in ((0, 0), (0.4, 0.4)):
        assert transfer(ToBytes(port, place), beats, stalls=stalls) == line
        marked = [b | (k % (4 * size) == 4 * size - 1) << 8 for k, b in enumerate(line)]
        junk = (1 << 8 * size) - (1 << bits)
        dirty = [b | (junk >> 8 * (k % size) & 0xFF) for k, b in enumerate(marked)]
        assert transfer(ToBeats(port, place), dirty, stalls=stalls) == beats


def test_counters_are_read_whole() -> None:
    """A counter that changes between two of its bytes is not torn."""
    identity = bytes(range(40))
    dut = Counters(identity)
    payloads: list[bytes] = []

    async def read(ctx: Any, count: int, pause: Callable[[], int]) -> bytes:
        found = bytearray()
        while len(found) < count:
            ctx.set(dut.o.ready, 0)
            for _ in range(pause()):
                await ctx.tick()
            if ctx.get(dut.o.valid):
                found.append(ctx.get(dut.o.payload))
                ctx.set(dut.o.ready, 1)
            await ctx.tick()
        ctx.set(dut.o.ready, 0)
        return bytes(found)

    async def run(ctx: Any) -> None:
        ctx.set(dut.now.payload, 0)
        ctx.set(dut.latency, 0x01020304)
        ctx.set(dut.interval, 0xA0B0C0D0)
        ctx.set(dut.now.valid, 1)
        for _ in range(250):
            await ctx.tick()
        ctx.set(dut.now.valid, 0)
        ctx.set(dut.ask, 1)
        payloads.append(await read(ctx, 1, lambda: 3))
        ctx.set(dut.now.valid, 1)
        ctx.set(dut.later.valid, 1)
        ctx.set(dut.later.payload, 7)
        for _ in range(20):
            assert not ctx.get(dut.later.ready)
            await ctx.tick()
        ctx.set(dut.now.valid, 0)
        assert ctx.get(dut.later.ready)
        await ctx.tick()
        ctx.set(dut.later.valid, 0)
        payloads.append(await read(ctx, 39, lambda: 1))
        ctx.set(dut.ask, 0)
        await ctx.tick()
        ctx.set(dut.identity, 1)
        ctx.set(dut.ask, 1)
        payloads.append(await read(ctx, 40, lambda: 0))
        ctx.set(dut.identity, 0)
        payloads.append(await read(ctx, 4, lambda: 0))

    simulate(dut, run)
    first = (250).to_bytes(4, "little") + bytes(24) + (1).to_bytes(4, "little")
    times = bytes([4, 3, 2, 1, 0xD0, 0xC0, 0xB0, 0xA0])
    assert payloads[0] + payloads[1] == first + times
    assert payloads[2] == identity
    assert payloads[3] == (270).to_bytes(4, "little")


def test_counters_refuse() -> None:
    with pytest.raises(ValueError, match="identity must have 40 bytes, not 39"):
        Counters(bytes(39))
