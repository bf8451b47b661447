"""The AXI core under random traffic, faults and resets: runs inside the simulator.

`$THRESHER_BENCH` names the folder of a job of `axi_plan`; the top is `axi_wrapper`'s.
"""

import json
import logging
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from cocotb_benches.axi_results import Packet, Result, counted, expected_flags, explained, matches
from cocotb_benches.axi_wrapper import RULES
from thresher.boards.host.registers import Control, Flag, Register, Status

__all__: list[str] = []

FOLDER = Path(os.environ["THRESHER_BENCH"])
JOB = json.loads((FOLDER / "job.json").read_text())
SENT = {name: [Packet(**p) for p in sent] for name, sent in JOB["traffic"].items()}
LATENCIES, INTERVAL = JOB["latencies"], JOB["interval"]
LATENCY = max(LATENCIES)
I_SIZE, O_SIZE = JOB["sizes"]
PATIENCE = 60 * LATENCY + 3000  # cycles without a sign of life
FIXED = {Register(int(r)): value for r, value in JOB["constants"].items()}


class Bench:
    """Everything round the core, with one knob for the stalls."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut, self.random = dut, random.Random(seed)
        self.stalls, self.halted = 0.0, False
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # warns of what is meant
        ends = {"reset": dut.aresetn, "reset_active_level": False}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **ends)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **ends)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **ends)
        writes, reads = self.host.write_if, self.host.read_if
        self.channels = [
            self.sink, writes.aw_channel, writes.w_channel, writes.b_channel,
            reads.ar_channel, reads.r_channel,
        ]  # fmt: skip
        self.written = 0
        self.results: list[Result] = []

    async def start(self, stalls: float = 0.0) -> None:
        """Clock and hardware reset; from then on stalls of this probability on all channels."""
        self.stalls = stalls
        Clock(self.dut.aclk, 2, "ns").start()
        self.dut.aresetn.value = 0
        self.dut.mutant.value = JOB["mutant"]
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)
        self.source.set_pause_generator(self._pauses(halts=True))
        if stalls:
            for channel in self.channels:
                channel.set_pause_generator(self._pauses(halts=False))

    def _pauses(self, *, halts: bool) -> Iterator[bool]:
        """Stalls come in runs, so that channels run dry and full."""
        while True:
            stalled = self.random.random() < self.stalls
            for _ in range(self.random.choice((1, 1, 2, 3, 12)) if stalled else 1):
                yield stalled or (halts and self.halted)

    def send(self, packets: Sequence[Packet]) -> None:
        """Queue packets."""
        for p in packets:
            data = b"".join(w.to_bytes(I_SIZE, "little") for w in p.words)
            keep = [k >> n & 1 for k in p.keep for n in range(I_SIZE)]
            self.source.send_nowait(AxiStreamFrame(data, keep))

    async def receive(self, count: int) -> list[Result]:
        """The next results; a result that does not come in time is an error."""
        found: list[Result] = []
        for _ in range(count):
            for _ in range(PATIENCE):
                if not self.sink.empty():
                    break
                await RisingEdge(self.dut.aclk)
            else:
                raise TimeoutError(f"{len(found)} of {count} results")
            found.append(Result.of(self.sink.recv_nowait(compact=False), O_SIZE))
        return found

    async def read(self, register: int) -> int:
        """A register that exists."""
        answer = await self.host.read(register, 4)
        assert answer.resp == AxiResp.OKAY, hex(register)
        return int.from_bytes(answer.data, "little")

    async def write(self, register: int, value: int) -> None:
        """A register that takes it."""
        answer = await self.host.write(register, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, hex(register)

    async def quiet(self) -> None:
        """Wait until nothing is inside and nothing on its way."""
        for _ in range(PATIENCE // 8):
            idle = self.halted or (self.source.idle() and self.source.empty())
            if idle and not await self.read(Register.STATUS):
                await ClockCycles(self.dut.aclk, 2)
                return
            await ClockCycles(self.dut.aclk, 4)
        raise TimeoutError(f"status stays {Status(await self.read(Register.STATUS))!r}")

    async def finish(self) -> None:
        """No rule was broken, and nothing comes any more."""
        assert self.sink.empty()
        await FallingEdge(self.dut.aclk)
        broken = int(self.dut.violations.value)
        assert not broken, [rule for k, rule in enumerate(RULES) if broken >> k & 1]


@cocotb.test(timeout_time=20, timeout_unit="us")
async def registers(dut: Any) -> None:
    """What they tell, which there are, strobes, and addresses and data in any order."""
    bench = Bench(dut, 1)
    await bench.start(stalls=0.3)
    for register in Register:
        value = await bench.read(register)
        if register not in (Register.CYCLES_LOW, Register.CYCLES_HIGH):
            assert value == FIXED.get(register, 0), register
    for address in (max(Register) + 4, 0x80, 0x400, 0xFFC):
        assert (await bench.host.read(address, 4)).resp == AxiResp.SLVERR
        assert (await bench.host.write(address, b"\1\0\0\0")).resp == AxiResp.SLVERR
    for register in set(Register) - {Register.CONTROL, Register.FLAGS, Register.INTERRUPTS}:
        answer = await bench.host.write(register, b"\xff\xff\xff\xff")
        assert answer.resp == AxiResp.SLVERR, register
        assert register not in FIXED or await bench.read(register) == FIXED[register]
    await bench.write(Register.INTERRUPTS, 0xFFFFFFFF)
    assert await bench.read(Register.INTERRUPTS) == sum(Flag)
    for byte in (1, 2, 3):  # all bits are in byte 0
        await bench.host.write(Register.INTERRUPTS + byte, b"\0")
        assert await bench.read(Register.INTERRUPTS) == sum(Flag)
    await bench.host.write(Register.INTERRUPTS, b"\5")
    assert await bench.read(Register.INTERRUPTS) == 5
    await bench.host.write(Register.CONTROL + 1, b"\1")  # no reset
    await bench.write(Register.CONTROL, Control.FORGET)  # neither
    first = await bench.read(Register.CYCLES_LOW)
    await ClockCycles(dut.aclk, 100)
    assert 100 < await bench.read(Register.CYCLES_LOW) - first < 200
    assert await bench.read(Register.CYCLES_HIGH) == 0
    await bench.finish()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def line_rate(dut: Any) -> None:
    """Two frames alone, then many without a gap, in the cycles that the solver foretells."""
    bench = Bench(dut, 2)
    await bench.start()
    sent = SENT["line_rate"]
    for latency in LATENCIES:
        await ClockCycles(dut.aclk, 2 * LATENCY)
        bench.send(sent[:1])
        assert matches(sent[:1], await bench.receive(1))
        await ClockCycles(dut.aclk, 2)
        assert await bench.read(Register.LATENCY) == latency

    ends = cocotb.start_soon(_ends(dut, len(sent)))
    bench.send(sent)
    assert matches(sent, await bench.receive(len(sent)))
    times = await ends
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    late = gaps[len(gaps) // 2 :]
    assert set(late) == {INTERVAL}, (INTERVAL, gaps)
    await ClockCycles(dut.aclk, 2)
    assert await bench.read(Register.INTERVAL) == INTERVAL
    assert await bench.read(Register.FLAGS) == Flag.DONE
    await bench.finish()


async def _ends(dut: Any, count: int) -> list[int]:
    """The cycles in which results end."""
    times: list[int] = []
    cycle = 0
    while len(times) < count:
        await RisingEdge(dut.aclk)
        cycle += 1
        if dut.m_axis_tvalid.value and dut.m_axis_tready.value and dut.m_axis_tlast.value:
            times.append(cycle)
    return times


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(run=[name for name in SENT if name.startswith("traffic")])
async def traffic(dut: Any, run: str) -> None:
    """Right and wrong packets in random order, all channels stalled at random."""
    bench = Bench(dut, 3)
    await bench.start(stalls=float(run.partition("_")[2]))
    sent = SENT[run]
    watch = cocotb.start_soon(_watch_registers(bench))
    bench.send(sent)
    assert matches(sent, await bench.receive(len(sent)))
    watch.cancel()
    await ClockCycles(dut.aclk, 50)  # accesses that were under way
    await bench.quiet()
    found = {r: await bench.read(r) for r in counted(sent, sent, 0)}
    assert found == counted(sent, sent, 0)
    assert await bench.read(Register.FLAGS) == expected_flags(sent)
    await _check_interrupt(bench, expected_flags(sent))
    await bench.finish()


async def _watch_registers(bench: Bench) -> None:
    """Counters and cycles never go back; unknown addresses stay unknown."""
    last = dict.fromkeys((Register.FRAMES_IN, Register.FRAMES_OUT, Register.CYCLES_LOW), 0)
    while True:
        for register in last:
            value = await bench.read(register)
            assert value >= last[register]
            last[register] = value
        assert last[Register.FRAMES_OUT] <= await bench.read(Register.FRAMES_IN)
        assert (await bench.host.read(0x7FC, 4)).resp == AxiResp.SLVERR
        await bench.host.write(Register.CLOCK_HZ, b"abcd")
        await ClockCycles(bench.dut.aclk, 20)


async def _check_interrupt(bench: Bench, flags: int) -> None:
    """It is there while a flag that may raise it is set; each is cleared by its own bit."""
    for flag in Flag:
        await bench.write(Register.INTERRUPTS, flag)
        await ClockCycles(bench.dut.aclk, 2)
        assert int(bench.dut.interrupt.value) == bool(flags & flag), flag
    await bench.write(Register.INTERRUPTS, sum(Flag))
    for flag in Flag:
        await bench.write(Register.FLAGS, flag)
        flags &= ~flag
        assert await bench.read(Register.FLAGS) == flags
        await ClockCycles(bench.dut.aclk, 2)
        assert int(bench.dut.interrupt.value) == bool(flags)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(forget=[False, True])
async def soft_resets(dut: Any, forget: bool) -> None:
    """In the middle of anything, with packets and results half through, one or two in a row."""
    bench = Bench(dut, 4 + forget)
    await bench.start(stalls=0.2)
    rounds = SENT["forget" if forget else "resets"]
    size = 8
    lost_at_all = cut_at_all = 0
    for at in range(0, len(rounds), size + 1):
        sent, good = rounds[at : at + size], rounds[at + size]
        begun, lost = [await bench.read(r) for r in (Register.FRAMES_IN, Register.FRAMES_LOST)]
        bench.stalls = bench.random.choice((0.0, 0.2, 0.5))
        bench.send(sent)
        await ClockCycles(dut.aclk, bench.random.randrange(2, LATENCY + size * INTERVAL))
        resets = bench.random.choice((1, 1, 2))
        await (_dma_reset(bench) if forget else _reset(bench, resets))
        await bench.quiet()
        now = [await bench.read(r) for r in (Register.FRAMES_IN, Register.FRAMES_LOST)]
        began, gone = now[0] - begun, now[1] - lost
        assert forget or began == len(sent)
        got = await bench.receive(began - gone)
        assert bench.sink.empty()
        assert explained(sent[:began], got, gone, resets)
        flags = await bench.read(Register.FLAGS)
        assert bool(flags & Flag.LOST) == bool(gone)
        assert flags & ~Flag.LOST & ~expected_flags(sent[:began]) == 0
        await bench.write(Register.FLAGS, sum(Flag))
        bench.send([good])
        assert matches([good], await bench.receive(1))
        await bench.quiet()
        assert await bench.read(Register.FLAGS) == Flag.DONE
        lost_at_all += gone
        cut_at_all += sum(any(r.cut(p) for p in sent) for r in got)
    assert lost_at_all
    assert cut_at_all or FIXED[Register.RESULT_WORDS] == 1
    await bench.finish()


async def _reset(bench: Bench, count: int) -> None:
    for _ in range(count):
        await bench.write(Register.CONTROL, Control.RESET)


async def _dma_reset(bench: Bench) -> None:
    """Stop the source, between words or packets; reset the core; throw the source's rest away."""
    bench.halted = True
    while bench.dut.s_axis_tvalid.value:
        await RisingEdge(bench.dut.aclk)
    await bench.write(Register.CONTROL, Control.RESET | Control.FORGET)
    bench.source.assert_reset(True)
    bench.source.clear()
    await RisingEdge(bench.dut.aclk)
    bench.source.assert_reset(False)
    await RisingEdge(bench.dut.aclk)
    bench.halted = False


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def hardware_reset(dut: Any) -> None:
    """In mid-traffic: all starts anew, counters and registers too."""
    bench = Bench(dut, 6)
    await bench.start(stalls=0.2)
    sent = SENT["hardware"]
    bench.send(sent)
    await bench.write(Register.INTERRUPTS, sum(Flag))
    await ClockCycles(dut.aclk, LATENCY + 3 * INTERVAL)
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 4)
    bench.source.clear()
    bench.sink.clear()
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    for register in set(Register) - {Register.CYCLES_LOW}:
        assert await bench.read(register) == FIXED.get(register, 0), register
    bench.send(sent)
    assert matches(sent, await bench.receive(len(sent)))
    await bench.quiet()
    assert await bench.read(Register.FRAMES_IN) == len(sent)
    await bench.finish()
