"""The test bench: runs inside the simulator, on the job that `$THRESHER_BENCH` names.

A job is a folder: `job.json` holds the ports and the runs, `data.npz` what goes in, what must come
out, and the cycle of every transfer.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from thresher.rtl.kernel import Port
from thresher.sim.cocotb_streams import StreamSink, StreamSource, reset
from thresher.sim.engine import Stalls

__all__ = ["run_job"]

FOLDER = Path(os.environ["THRESHER_BENCH"])
JOB = json.loads((FOLDER / "job.json").read_text())
DATA = np.load(FOLDER / "data.npz")


class Bench:
    """The streams of one component."""

    def __init__(self, dut: Any, stalls: Stalls | None) -> None:
        self.dut, self.prefix = dut, JOB["prefix"]
        names = [*JOB["inputs"], *JOB["outputs"]]

        def pattern(name: str) -> np.ndarray | None:
            return None if stalls is None else stalls.pattern(name, names.index(name))

        self.sources = {
            n: StreamSource(dut, self.prefix + n, Port(*p), pattern(n))
            for n, p in JOB["inputs"].items()
        }
        self.sinks = {
            n: StreamSink(dut, self.prefix + n, Port(*p), pattern(n))
            for n, p in JOB["outputs"].items()
        }

    async def reset(self) -> None:
        await reset(self.dut, *self.sources.values(), *self.sinks.values())

    def start(self) -> None:
        for name, source in self.sources.items():
            source.start(DATA[f"in_{name}"])
        for sink in self.sinks.values():
            sink.start()

    async def check(self, run: str) -> None:
        for name, sink in self.sinks.items():
            rows = await sink.receive(JOB["frames"])
            np.testing.assert_array_equal(rows, DATA[f"out_{name}"], err_msg=name)
        for source in self.sources.values():
            await source.sent()
        await ClockCycles(self.dut.clk, 20)
        for name, end in (self.sources | self.sinks).items():
            times = DATA[f"time_{run}_{name}"]
            np.testing.assert_array_equal(end.times[: len(times)], times, err_msg=name)
            assert len(end.times) == len(times) or not JOB["drains"], name


@cocotb.test()
@cocotb.parametrize(run=list(JOB["runs"]))
async def run_job(dut: Any, run: str) -> None:
    """One run: data, protocol and every cycle."""
    options = JOB["runs"][run]
    bench = Bench(dut, Stalls(*options["stalls"]) if options["stalls"] else None)
    Clock(dut.clk, 2, "ns").start()
    await bench.reset()
    bench.start()
    if options["reset_at"] is not None:
        await ClockCycles(dut.clk, options["reset_at"])
        await bench.reset()
        bench.start()
    await bench.check(run)
