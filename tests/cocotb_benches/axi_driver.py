"""The models of AXI round the core, for `axi_bench`, on the job that `$THRESHER_BENCH` names."""

import json
import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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

from cocotb_benches.axi_results import Packet, Result
from cocotb_benches.axi_wrapper import RULES
from thresher.boards.host.registers import Register, Status

__all__ = ["FIXED", "INTERVAL", "LATENCIES", "LATENCY", "SENT", "Bench"]

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
        self.stalls = 0.0
        self.halted = self.blocked = False  # the source, the sink
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # warns of what is meant
        ends = {"reset": dut.aresetn, "reset_active_level": False}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **ends)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **ends)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **ends)
        writes, reads = self.host.write_if, self.host.read_if
        self.channels = [
            writes.aw_channel, writes.w_channel, writes.b_channel,
            reads.ar_channel, reads.r_channel,
        ]  # fmt: skip

    async def start(self, stalls: float = 0.0) -> None:
        """Clock and hardware reset; from then on stalls of this probability on all channels."""
        self.stalls = stalls
        Clock(self.dut.aclk, 2, "ns").start()
        self.dut.aresetn.value = 0
        self.dut.mutant.value = JOB["mutant"]
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)
        self.source.set_pause_generator(self._pauses(lambda: self.halted))
        self.sink.set_pause_generator(self._pauses(lambda: self.blocked))
        if stalls:
            for channel in self.channels:
                channel.set_pause_generator(self._pauses(lambda: False))

    def _pauses(self, stopped: Callable[[], bool]) -> Iterator[bool]:
        """Stalls come in runs, so that channels run dry and full."""
        while True:
            stalled = self.random.random() < self.stalls
            for _ in range(self.random.choice((1, 1, 2, 3, 12)) if stalled else 1):
                yield stalled or stopped()

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
