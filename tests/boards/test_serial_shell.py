"""The serial core as Verilog and as parts: lint, hierarchy, times, refusals, area."""

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from serial_model import Model, frames_and_results
from stream_bench import simulate

from thresher.boards.host.packets import (
    FLAG,
    MAGIC,
    Packet,
    Status,
    Type,
    decode,
    encode,
)
from thresher.boards.shell.receiver import LEAST_SPACING
from thresher.boards.shell.serial_core import (
    SERIAL_NAME,
    TRANSPORTS,
    SerialCore,
    serial_identity,
    serial_shell,
    serial_verilog,
)
from thresher.gen import tools
from thresher.gen.compiled import Compiled
from thresher.gen.elaborate import Top
from zoo.rtl import compiled

# parts that a test only looks at, or that refuse their parameters
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

CLOCK_HZ = 12_000_000


@pytest.fixture(scope="module")
def model() -> Compiled:
    return compiled("lstm_init_input")


def text(model: Compiled, transport: str) -> str:
    return serial_verilog(model, transport, CLOCK_HZ, 1_000_000 if transport == "uart" else None)


# How Yosys writes Verilog: constants of any width, and one-hot choices as casez.
WAIVED = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEOVERLAP")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_lint(model: Compiled, transport: str, tmp_path: Path) -> None:
    (tmp_path / "serial.v").write_text(text(model, transport))
    (tmp_path / "core.v").write_text(model.verilog)
    tool = tools.verilator()
    waived = [f"-Wno-{name}" for name in WAIVED]
    command = [str(tool.binary), "--lint-only", "--no-timing", "-Wall", "-Wno-style", *waived]
    command += ["--top-module", SERIAL_NAME, "serial.v", "core.v"]
    printed = tools.run_tool(command, tmp_path, "Verilator", {"VERILATOR_ROOT": str(tool.root)})
    assert "%Warning" not in printed


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_hierarchy(model: Compiled, transport: str, tmp_path: Path) -> None:
    (tmp_path / "serial.v").write_text(text(model, transport))
    (tmp_path / "core.v").write_text(model.verilog)
    script = (
        f"read_verilog serial.v core.v\nhierarchy -check -top {SERIAL_NAME}\nproc\ncheck -assert"
    )
    tools.run_yosys(script, tmp_path)
    broken = model.verilog.replace("h0__valid", "h1__valid")
    (tmp_path / "core.v").write_text(broken)
    with pytest.raises(tools.ToolError, match="h0__valid"):
        tools.run_yosys(script, tmp_path)


@pytest.mark.parametrize("transport, pins", [("uart", {"rx", "tx"}),
                                             ("spi", {"sck", "ss_n", "mosi", "miso"})])  # fmt: skip
def test_ports_and_bytes(model: Compiled, transport: str, pins: set[str]) -> None:
    core = SerialCore(
        model, transport=transport, clock_hz=CLOCK_HZ, baud=1_000_000 if "rx" in pins else None
    )
    assert set(core.signature.members) == pins | {"busy"}
    core.elaborate(None)
    assert text(model, transport) == text(model, transport)
    assert f"module {SERIAL_NAME}(" in text(model, transport)


def test_identity(model: Compiled) -> None:
    identity = serial_identity(model, CLOCK_HZ)
    assert identity.magic == MAGIC
    assert identity.digest.hex().startswith(model.model_sha256[:16])
    assert (identity.frame_bytes, identity.result_bytes) == (30 + 8 + 8, 48 + 8)
    assert (identity.window, identity.clock_hz) == (2, CLOCK_HZ)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"transport": "i2c"}, "transport must be one of uart, spi, not 'i2c'"),
        ({"baud": None}, "baud must be given for a UART alone, not None for 'uart'"),
        ({"transport": "spi"}, "baud must be given for a UART alone, not 1000000 for 'spi'"),
        ({"baud": 5_000_000}, "baud must divide the clock"),
        ({"window": 17}, "window must be at most 16, not 17"),
        ({"window": 0}, "window must be at least 1, not 0"),
        ({"clock_hz": 0}, "clock_hz must be at least 1, not 0"),
    ],
)
def test_refuses(model: Compiled, change: dict[str, Any], words: str) -> None:
    options: dict[str, Any] = {"transport": "uart", "clock_hz": CLOCK_HZ, "baud": 1_000_000}
    with pytest.raises(ValueError, match=words):
        SerialCore(model, **options | change)


class Whole(wiring.Component):
    """Shell and core in Amaranth, for its simulator."""

    def __init__(self, model: Compiled) -> None:
        self.shell = serial_shell(model, CLOCK_HZ)
        self.core = Top(model.design)
        self.model = model
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.shell, m.submodules.core = self.shell, self.core
        for k, p in enumerate(self.model.design.inputs):
            wiring.connect(m, getattr(self.shell, f"in{k}"), getattr(self.core, p.name))
        for k, p in enumerate(self.model.design.outputs):
            wiring.connect(m, getattr(self.core, p.name), getattr(self.shell, f"out{k}"))
        return m


def test_times(model: Compiled) -> None:
    """Latency and interval are those of the transfers at the core's ports, several each way."""
    whole = Whole(model)
    shell, design = whole.shell, model.design
    frames, results = frames_and_results(model, 3, seed=2)
    line = b"".join(encode(Packet(Type.FRAME, k, frame)) for k, frame in enumerate(frames))
    starts: list[list[int]] = [[] for _ in design.inputs]
    ends: list[list[int]] = [[] for _ in design.outputs]
    sent = bytearray()
    cycle = 0

    async def host(ctx: Any) -> None:
        ctx.set(shell.o.ready, 1)
        pending = list(line)
        while sent.count(Type.COUNTERS) < 1 or sent[-1] != FLAG or len(ends[0]) < 3 * 48:
            if not pending and len(ends[0]) == 3 * 48 and sent.count(FLAG) == 6:
                pending = list(encode(Packet(Type.STATUS, 9)))
            ctx.set(shell.i.valid, bool(pending))
            ctx.set(shell.i.payload.data, pending.pop(0) if pending else 0)
            await ctx.tick()
            ctx.set(shell.i.valid, 0)
            await ctx.tick().repeat(LEAST_SPACING - 1)
            assert cycle < 40_000

    async def watch(ctx: Any) -> None:
        nonlocal cycle
        ports = [getattr(whole.core, p.name) for p in (*design.inputs, *design.outputs)]
        moved = [p.valid & p.ready for p in ports]
        async for _, _, out, byte, *now in ctx.tick().sample(
            shell.o.valid, shell.o.payload, *moved
        ):
            cycle += 1
            if out:
                sent.append(byte)
            for times, moves in zip((*starts, *ends), now, strict=True):
                if moves:
                    times.append(cycle)

    simulate(whole, host, background=[watch])
    packets = [decode(bytes(raw)) for raw in bytes(sent).split(bytes([FLAG])) if raw]
    assert [p.payload for p in packets[:3]] == results
    status = Status.unpack(packets[3].payload)
    first = min(t[-p.port.beats] for t, p in zip(starts, design.inputs, strict=True))
    last = max(t[-1] for t in ends)
    before = max(t[-1 - p.port.beats] for t, p in zip(ends, design.outputs, strict=True))
    assert (status.accepted, status.finished) == (3, 3)
    assert (status.latency, status.interval) == (last - first + 1, last - before)


def test_the_model_counts_every_packet() -> None:
    model = Model(2)
    line = encode(Packet(Type.FRAME, 1, b"ab")) + encode(Packet(Type.FRAME, 2, b"abc"))
    line += encode(Packet(9, 3)) + b"xyz\x7e" + b"x\x7d\x7e"
    answers = model.feed([*line, None, FLAG])
    assert [p.type for p in answers] == [Type.FRAME, *[Type.REFUSED] * 4]
    assert [p.payload for p in answers[1:]] == [b"\2", b"\3", b"\1", b"\1"]
    assert model.counts == {"accepted": 1, "crc": 2, "length": 1, "unknown": 1, "line": 2}
    assert model.packets == 6
