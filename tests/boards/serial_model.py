"""What a serial core must make of the bytes on its line, in plain Python, and a top for tests."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from thresher.boards.framing import serial_frames
from thresher.boards.host.frames import Frame
from thresher.boards.host.packets import (
    FLAG,
    UNKNOWN_SEQUENCE,
    Packet,
    PacketError,
    Reason,
    Type,
    decode,
)
from thresher.boards.shell.core import Core, core_stub
from thresher.boards.shell.receiver import LEAST_SPACING
from thresher.boards.shell.serial_core import join_core, serial_shell
from thresher.gen.compiled import Compiled
from thresher.gen.verilog import to_verilog
from thresher.rtl.kernel import Port
from thresher.sim.packing import to_ints
from thresher.sim.top import top_of

__all__ = ["REQUESTS", "Model", "byte_verilog", "frames_and_results", "random_codes", "to_bytes"]

REQUESTS = {Type.IDENTIFY: Type.IDENTITY, Type.STATUS: Type.COUNTERS, Type.RESET: Type.DONE}


@dataclass
class Model:
    """Counts, and gives what each byte brings about; None is a byte that the line has damaged.

    Room is without end here: whoever sends more than the window must expect BUSY as well.
    """

    frame_bytes: int
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "crc", "length", "unknown", "line"), 0)
    )
    packets: int = 0
    raw: bytearray = field(default_factory=bytearray)
    bad: bool = False

    def feed(self, line: Iterable[int | None]) -> list[Packet]:
        """Accepted frames, as packets, and every answer, of which REFUSED alone has a payload."""
        found = []
        for byte in line:
            if byte is None:
                self.counts["line"] += 1
                self.bad = True
                self.raw.append(0)
            elif byte != FLAG:
                self.raw.append(byte)
            elif self.raw:
                self.packets += 1
                found += self._packet()
                self.raw.clear()
                self.bad = False
        return found

    def _packet(self) -> list[Packet]:
        try:
            packet = decode(bytes(self.raw))
        except PacketError as e:
            if "aborted" in str(e):
                self.counts["line"] += 1
                return []
            return self._refused("crc", Reason.CRC, UNKNOWN_SEQUENCE)
        if self.bad:
            return self._refused("crc", Reason.CRC, UNKNOWN_SEQUENCE)
        if packet.type not in (*REQUESTS, Type.FRAME):
            return self._refused("unknown", Reason.TYPE, packet.sequence)
        if len(packet.payload) != (self.frame_bytes if packet.type == Type.FRAME else 0):
            return self._refused("length", Reason.LENGTH, packet.sequence)
        if packet.type == Type.FRAME:
            self.counts["accepted"] += 1
            return [packet]
        return [Packet(REQUESTS[Type(packet.type)], packet.sequence)]

    def _refused(self, counter: str, reason: Reason, sequence: int) -> list[Packet]:
        self.counts[counter] += 1
        return [Packet(Type.REFUSED, sequence, bytes([reason]))]


def random_codes(ports: Iterable[Port], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """int64 (count, elements) a port."""
    return [rng.integers(p.lo, p.hi, (count, p.elements), endpoint=True) for p in ports]


def to_bytes(
    frame: Frame, ports: Iterable[Port], arrays: Iterable[np.ndarray], junk: int = 0
) -> list[bytes]:
    """Frames as links carry them.

    :param junk: what stands in the bits that no beat uses.
    """
    found = [b""] * len(next(iter(arrays := list(arrays))))
    for place, port, rows in zip(frame.ports, ports, arrays, strict=True):
        unused = junk & ((1 << 8 * place.beat_bytes) - (1 << place.bits))
        for k, row in enumerate(rows):
            beats = to_ints(port, row)
            found[k] += b"".join((b | unused).to_bytes(place.beat_bytes, "little") for b in beats)
    return found


def frames_and_results(
    compiled: Compiled, count: int, seed: int
) -> tuple[list[bytes], list[bytes]]:
    """Random frames, every other one with ones in its unused bits, and the golden results."""
    design, rng = compiled.design, np.random.default_rng(seed)
    i_ports = [p.port for p in design.inputs]
    o_ports = [p.port for p in design.outputs]
    i_frame, o_frame = serial_frames(design)
    codes = random_codes(i_ports, count, rng)
    plain = to_bytes(i_frame, i_ports, codes)
    marked = to_bytes(i_frame, i_ports, codes, -1)
    frames = [(plain, marked)[k % 2][k] for k in range(count)]
    return frames, to_bytes(o_frame, o_ports, top_of(compiled).model(*codes))


class ByteCore(wiring.Component):
    """The core and its shell without pins: a byte goes in, and comes out, with each change of a
    toggle. A byte leaves every `LEAST_SPACING` cycles at most, none while `pause`.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        inputs = {"i_data": 8, "i_error": 1, "i_toggle": 1, "pause": 1}
        outputs = {"o_data": 8, "o_toggle": 1, "busy": 1}
        super().__init__(
            {name: wiring.In(bits) for name, bits in inputs.items()}
            | {name: wiring.Out(bits) for name, bits in outputs.items()}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self._compiled.design)
        m.submodules.shell = shell = serial_shell(self._compiled, 1_000_000)
        join_core(m, shell, core, self._compiled)
        before, wait = Signal(), Signal(range(LEAST_SPACING))
        m.d.sync += before.eq(self.i_toggle)
        m.d.comb += [
            shell.i.payload.data.eq(self.i_data),
            shell.i.payload.error.eq(self.i_error),
            shell.i.valid.eq(self.i_toggle != before),
            shell.o.ready.eq((wait == 0) & ~self.pause),
            self.busy.eq(shell.busy),
        ]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(shell.o.valid & ~self.pause):
            m.d.sync += [
                wait.eq(LEAST_SPACING - 1),
                self.o_data.eq(shell.o.payload),
                self.o_toggle.eq(~self.o_toggle),
            ]
        return m


def byte_verilog(compiled: Compiled) -> str:
    """`ByteCore` as module `thresher_serial`."""
    return to_verilog(ByteCore(compiled), "thresher_serial", boxes=core_stub(compiled.design))
