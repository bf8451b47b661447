"""Sources and sinks of ready/valid streams for cocotb test benches, on any simulator.

Everything is driven after the falling edge of `clk` and read once the design has settled, so what
is read is what the next rising edge takes, and no simulator's order of events matters. Cycle 0 is
the first after reset, and stall patterns mean the same as in `thresher.sim.engine.Stalls`::

    Clock(dut.clk, 2, "ns").start()
    source, sink = StreamSource(dut, "i", in_port), StreamSink(dut, "o", out_port)
    await reset(dut)
    source.start(codes)
    sink.start()
    outputs = await sink.receive(frames)
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from thresher.rtl.kernel import Port
from thresher.sim.packing import from_ints, to_ints

__all__ = ["ProtocolError", "StreamSink", "StreamSource", "reset"]


class ProtocolError(AssertionError):
    """A stream that broke a rule of ready/valid."""


async def reset(dut: Any, *ends: "StreamSource | StreamSink", cycles: int = 1) -> None:
    """Hold `rst` for some cycles and stop these sources and sinks; cycle 0 comes next."""
    await FallingEdge(dut.clk)
    for end in ends:
        end.stop()
    dut.rst.value = 1
    for _ in range(cycles):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


class _End(ABC):
    """One end of a stream, one step a cycle."""

    def __init__(
        self, dut: Any, name: str, port: Port, pattern: Sequence[int] | np.ndarray | None = None
    ) -> None:
        self.name, self.port, self.pattern = name, port, pattern
        self._clk = dut.clk
        self._payload = getattr(dut, f"{name}__payload")
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._task: Any = None
        self.times: list[int] = []

    def _open(self, cycle: int) -> bool:
        return self.pattern is None or bool(self.pattern[cycle % len(self.pattern)])

    def stop(self) -> None:
        """Stop driving; the signals keep their values."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _start(self) -> None:
        self.stop()
        self.times = []
        self._task = cocotb.start_soon(self._run())

    @abstractmethod
    async def _run(self) -> None:
        """Drive until stopped."""


class StreamSource(_End):
    """Drives the stream `name`, an input of `dut`.

    :param port: beats, lanes and interval.
    :param pattern: 0/1 a cycle, repeated: 0 keeps the next beat from being offered. None: no pause.

    `times` holds the cycle of every transfer. While no beat is offered the payload is wrong in
    every bit.
    """

    def start(self, codes: np.ndarray) -> None:
        """Send int (N, elements), from the current cycle on; to be called after a falling edge."""
        self._beats = to_ints(self.port, codes)
        self._start()

    @property
    def done(self) -> bool:
        """All beats are sent."""
        return len(self.times) == len(self._beats)

    async def sent(self, timeout: int = 20_000) -> None:
        """Wait until all beats are sent.

        :raises TimeoutError: when they are not within so many cycles.
        """
        for _ in range(timeout):
            if self.done:
                return
            await FallingEdge(self._clk)
        raise TimeoutError(
            f"{self.name}: {len(self.times)} of {len(self._beats)} beats after {timeout} cycles"
        )

    async def _run(self) -> None:
        mask = (1 << self.port.width * self.port.lanes) - 1
        offered, cycle = False, 0
        while True:
            offered = offered or (self._open(cycle) and not self.done)
            bits = 0 if self.done else self._beats[len(self.times)]
            self._payload.value = bits if offered else bits ^ mask
            self._valid.value = int(offered)
            await ReadOnly()
            if offered and int(self._ready.value):
                self.times.append(cycle)
                offered = False
            await FallingEdge(self._clk)
            cycle += 1


class StreamSink(_End):
    """Takes the stream `name`, an output of `dut`, and checks its rules.

    A valid beat must stay valid, and as it is, until it is taken.

    :param port: beats, lanes and interval.
    :param pattern: `ready`, 0/1 a cycle, repeated. None: always ready.

    `times` holds the cycle of every transfer.
    """

    def start(self) -> None:
        """Take beats from the current cycle on; to be called after a falling edge."""
        self._beats: list[int] = []
        self._start()

    async def receive(self, frames: int, timeout: int = 20_000) -> np.ndarray:
        """Wait for N frames; gives int64 (N, elements).

        :raises TimeoutError: when they do not come within so many cycles.
        :raises ProtocolError: when the stream breaks a rule.
        """
        wanted = frames * self.port.beats
        for _ in range(timeout):
            if self._task.done():
                self._task.result()
            if len(self._beats) >= wanted:
                return from_ints(self.port, self._beats[:wanted])
            await FallingEdge(self._clk)
        raise TimeoutError(
            f"{self.name}: {len(self._beats)} of {wanted} beats after {timeout} cycles"
        )

    async def _run(self) -> None:
        held: int | None = None
        cycle = 0
        while True:
            ready = self._open(cycle)
            self._ready.value = int(ready)
            await ReadOnly()
            valid = int(self._valid.value)
            if held is not None and not valid:
                raise ProtocolError(f"{self.name}: withdrew a beat that waited (cycle {cycle})")
            if valid:
                bits = int(self._payload.value)
                if held is not None and bits != held:
                    raise ProtocolError(f"{self.name}: changed a beat that waited (cycle {cycle})")
                held = None if ready else bits
                if ready:
                    self.times.append(cycle)
                    self._beats.append(bits)
            await FallingEdge(self._clk)
            cycle += 1
