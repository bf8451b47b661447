"""UART and SPI slave in Amaranth's simulator, whose wires move at any time."""

import random
from typing import Any

import pytest
from stream_bench import mutant, simulate

from thresher.boards.host.packets import FLAG
from thresher.boards.shell import spi, uart
from thresher.boards.shell.uart import TOLERANCE, UartTransmitter, uart_divisor


def after(clocks: float) -> float:
    """In seconds: a clock takes a microsecond."""
    return round(1000 * clocks) * 1e-9


def received(module: Any, divisor: int, waves: list[tuple[int, float]]) -> list[tuple[int, int]]:
    """Bytes and error bits that a receiver makes of levels and how many clocks each lasts."""
    dut = module.UartReceiver(divisor)
    found: list[tuple[int, int]] = []

    async def drive(ctx: Any) -> None:
        await ctx.delay(after(5.3))
        for level, clocks in waves:
            ctx.set(dut.rx, level)
            await ctx.delay(after(clocks))
        ctx.set(dut.rx, 1)
        await ctx.delay(after(20 * divisor))

    async def watch(ctx: Any) -> None:
        async for _, _, valid, data, error in ctx.tick().sample(
            dut.o.valid, dut.o.payload.data, dut.o.payload.error
        ):
            if valid:
                found.append((data, error))

    simulate(dut, drive, background=[watch])
    return found


def byte_wave(byte: int, bit: float, stop: int = 1) -> list[tuple[int, float]]:
    return [(bits, bit) for bits in (0, *(byte >> k & 1 for k in range(8)), stop)]


def check_receiver(module: Any, divisor: int, skew: float, count: int = 24) -> None:
    rng = random.Random(divisor)
    sent = [0, 0xFF, 0x55, 0xAA, *(rng.randrange(256) for _ in range(count))]
    bit = divisor * (1 + skew)
    waves = [wave for byte in sent for wave in byte_wave(byte, bit)]
    assert received(module, divisor, waves) == [(byte, 0) for byte in sent]


@pytest.mark.parametrize("divisor", [4, 5, 8, 13, 50])
@pytest.mark.parametrize("skew", [-TOLERANCE, 0, TOLERANCE])
def test_receiver_back_to_back(divisor: int, skew: float) -> None:
    check_receiver(uart, divisor, skew, 24 if divisor < 20 else 4)


def check_faults(module: Any) -> None:
    """A false start, a wrong stop bit, a break; behind each a byte."""
    rest = [(1, 30.0)]
    waves = [
        (0, 2.5), *rest, *byte_wave(0x3C, 8), *byte_wave(0x81, 8, stop=0), (1, 8.0),
        *byte_wave(0x42, 8), (0, 200.0), *rest, *byte_wave(0xA5, 8),
    ]  # fmt: skip
    found = received(module, 8, waves)
    assert [error for _, error in found] == [0, 1, 0, 1, 0]
    assert [data for data, error in found if not error] == [0x3C, 0x42, 0xA5]


def test_faults_on_the_wire() -> None:
    check_faults(uart)


@pytest.mark.parametrize(
    "old, new",
    [
        ("(left == 9) & line)", "0)"),  # false starts are bytes
        ("self.o.payload.error.eq(~line)", "self.o.payload.error.eq(0)"),
        ("with m.If(line):", "with m.If(1):"),  # a break is many bytes
        ("(wait == _half(self._divisor) - 1)", "0"),  # samples at the edge
    ],
)
def test_bugs_in_the_receiver_are_found(old: str, new: str) -> None:
    broken = mutant("uart", old, new)

    def check() -> None:
        check_faults(broken)
        check_receiver(broken, 8, 0.02)

    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("divisor", [4, 9])
def test_transmitter_wave(divisor: int) -> None:
    dut = UartTransmitter(divisor)
    sent, levels = [0x00, 0xFF, 0x5A], []

    async def give(ctx: Any) -> None:
        for k, byte in enumerate(sent):
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            if k == 1:  # the third comes after a rest
                await ctx.tick().repeat(12 * divisor)
        await ctx.tick().repeat(12 * divisor)

    async def watch(ctx: Any) -> None:
        async for _, _, level in ctx.tick().sample(dut.tx):
            levels.append(level)

    simulate(dut, give, background=[watch])
    wave = [v for byte in sent[:2] for v, _ in byte_wave(byte, 1) for _ in range(divisor)]
    text = "".join(map(str, levels))
    first = text.index("0")
    assert text[first : first + len(wave)] == "".join(map(str, wave))  # without a gap
    third = text.index("0", first + len(wave))
    wave = [v for v, _ in byte_wave(sent[2], 1) for _ in range(divisor)]
    assert text[third : third + len(wave)] == "".join(map(str, wave))
    assert set(text[first + 20 * divisor : third] + text[third + 10 * divisor :]) == {"1"}


@pytest.mark.parametrize(
    "clock, baud, divisor",
    [(100_000_000, 115_200, 868), (12_000_000, 1_000_000, 12), (100_000_000, 3_000_000, 33),
     (8_000_000, 2_000_000, 4)],
)  # fmt: skip
def test_divisor(clock: int, baud: int, divisor: int) -> None:
    assert uart_divisor(clock, baud) == divisor


@pytest.mark.parametrize(
    "clock, baud, error, words",
    [
        (12_000_000, 4_000_000, ValueError, "at least 4, or nearly, not 4000000: it is 3.000"),
        (12_000_000, 2_666_667, ValueError, "it is 4.500 clocks a bit"),
        (12_000_000, 0, ValueError, "baud must be at least 1, not 0"),
        (1e6, 9600, TypeError, "clock_hz must be an int"),
    ],
)
def test_divisor_refuses(clock: Any, baud: int, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        uart_divisor(clock, baud)


def check_spi(module: Any, seed: int, period: float = spi.CLOCKS_PER_BIT) -> None:
    """Bytes both ways at the greatest rate, and select lines that rise in mid-byte."""
    dut = module.SpiSlave()
    rng = random.Random(seed)
    to_send = [rng.randrange(256) for _ in range(30)]
    sent: list[int] = []
    got: list[int] = []
    replies: list[int] = []
    half = period / 2

    async def bits(ctx: Any, byte: int, count: int) -> int:
        found = 0
        for k in range(count):
            ctx.set(dut.mosi, byte >> (7 - k) & 1)
            await ctx.delay(after(half))
            found = found << 1 | ctx.get(dut.miso)
            ctx.set(dut.sck, 1)
            await ctx.delay(after(half))
            ctx.set(dut.sck, 0)
        return found

    async def master(ctx: Any) -> None:
        ctx.set(dut.ss_n, 1)
        await ctx.delay(after(20 + rng.random()))
        for _ in range(40):
            ctx.set(dut.ss_n, 0)
            await ctx.delay(after(half))
            for _ in range(rng.randrange(4)):
                sent.append(rng.randrange(256))
                replies.append(await bits(ctx, sent[-1], 8))
            if rng.random() < 0.5:
                await bits(ctx, rng.randrange(256), rng.randrange(1, 8))
            await ctx.delay(after(half))
            ctx.set(dut.ss_n, 1)
            await ctx.delay(after(half + 3 * rng.random()))

    async def source(ctx: Any) -> None:
        for byte in to_send:
            await ctx.tick().repeat(rng.randrange(1, 90))
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            while not ctx.get(dut.i.ready):
                await ctx.tick()
            await ctx.tick()
            ctx.set(dut.i.valid, 0)

    async def watch(ctx: Any) -> None:
        async for _, _, valid, data in ctx.tick().sample(dut.o.valid, dut.o.payload.data):
            if valid:
                got.append(data)

    simulate(dut, master, background=[source, watch])
    assert got == sent
    wanted = [b for b in to_send if b != FLAG]
    assert [b for b in replies if b != FLAG] == wanted[: len([b for b in replies if b != FLAG])]
    assert sum(b != FLAG for b in replies) > 15


@pytest.mark.parametrize("seed", range(4))
def test_spi(seed: int) -> None:
    check_spi(spi, seed)


def test_spi_slow() -> None:
    check_spi(spi, 9, period=21.7)


@pytest.mark.parametrize(
    "old, new",
    [
        ("m.d.sync += done.eq(0)", "pass"),  # the select line does not end a byte
        ("& full)", "& self.i.valid)"),  # takes what came too late
        ("self.i.ready.eq(rise & (done == 7) & full)", "self.i.ready.eq(fall & (done == 0))"),
        ("coming.eq(Cat(mosi, coming))", "coming.eq(Cat(coming, mosi))"),
        ("Mux(self.i.valid, self.i.payload, FLAG)", "self.i.payload"),
        ("with m.If(ss_n | (fall & (done == 0))):", "with m.If(ss_n):"),
    ],
)
def test_bugs_in_the_spi_slave_are_found(old: str, new: str) -> None:
    broken = mutant("spi", old, new)

    def check() -> None:
        for seed in range(4):
            check_spi(broken, seed)

    with pytest.raises(AssertionError):
        check()
