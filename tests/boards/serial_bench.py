"""The bench of serial cores: runs inside the simulator, on the job that `$THRESHER_BENCH` names.

A job is a folder: `job.json` tells the transport, the window, the identity and how many frames each
scenario sends; `data.npz` holds the frames and their golden results.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Timer
from serial_host import Session
from serial_links import CLOCK_PS, SpiLink
from serial_model import REQUESTS

from thresher.boards.host.packets import ESCAPE, FLAG, Packet, Type, encode

__all__ = ["run_scenario"]

FOLDER = Path(os.environ["THRESHER_BENCH"])
JOB = json.loads((FOLDER / "job.json").read_text())
DATA = np.load(FOLDER / "data.npz")
WINDOW = JOB["window"]


async def started(dut: Any, seed: int) -> Session:
    """A session with a core that was just reset."""
    frames, results = (([row.tobytes() for row in DATA[k]]) for k in ("frames", "results"))
    session = Session(
        dut, JOB["transport"], dict(zip(frames, results, strict=True)),
        bytes.fromhex(JOB["identity"]), seed,
    )  # fmt: skip
    Clock(dut.clk, CLOCK_PS, "ps").start()
    session.link.rest()
    dut.rst.value = 1
    await Timer(10 * CLOCK_PS, "ps")
    dut.rst.value = 0
    # from here on the line is not in step with the clock
    await Timer(4 * CLOCK_PS + (0 if JOB["transport"] == "bytes" else 700), "ps")
    session.link.start()
    await session.ask(Type.STATUS)
    session.base, session.status = session.status, None  # a reset leaves the counters
    return session


async def good(session: Session, gaps: float = 0.0) -> None:
    """A frame that must be answered by its result."""
    await session.room(WINDOW)
    await session.send(encode(session.next_frame()), gaps)


async def line_rate(session: Session, frames: int) -> None:
    """Frames one after the other, without a pause while the window allows it."""
    for _ in range(frames):
        await good(session)


async def gaps(session: Session, frames: int) -> None:
    """Pauses and disturbances between bytes; requests between frames."""
    for k in range(frames):
        await good(session, gaps=0.1)
        if k % 8 == 0:
            kind = session.rng.choice((Type.STATUS, Type.IDENTIFY))
            await session.send(encode(Packet(kind, session.rng.randrange(0x10000))))


async def baud(session: Session, frames: int) -> None:
    """Bits of this side 2 % too long, then 2 % too short."""
    for skew in (0.02, -0.02):
        session.link.skew = skew
        for _ in range(frames // 2):
            await good(session)
        await session.settle()


def damaged(session: Session, kind: str) -> list[int | None]:
    """A frame with a fault."""
    rng, packet = session.rng, session.next_frame()
    line: list[int | None] = list(encode(packet))
    inner = range(1, len(line) - 1)
    match kind:
        case "flip":
            for _ in range(rng.randrange(1, 4)):
                at = rng.choice(inner)
                line[at] = (line[at] or 0) ^ 1 << rng.randrange(8)
        case "truncate":
            del line[rng.choice(inner) : -1]
        case "drop":
            del line[rng.choice(inner)]
        case "line":
            at = rng.choice(inner)
            line[at : at + rng.randrange(2)] = [None]  # in place of a byte, or one more
        case "abort":
            line[rng.choice(inner) : -1] = [ESCAPE]
        case "short" | "long":
            size = rng.randrange(len(packet.payload)) if kind == "short" else rng.choice((1, 2, 40))
            payload = packet.payload[:size] if kind == "short" else packet.payload + bytes(size)
            line = list(encode(Packet(Type.FRAME, packet.sequence, payload)))
        case "type":
            unknown = rng.choice([t for t in range(256) if t not in REQUESTS and t != Type.FRAME])
            line = list(encode(Packet(unknown, packet.sequence, packet.payload)))
        case "request":
            asked = rng.choice((Type.IDENTIFY, Type.STATUS, Type.RESET))
            line = list(encode(Packet(asked, packet.sequence, bytes(rng.randrange(1, 9)))))
        case "garbage":
            line = [*(rng.randrange(256) for _ in range(rng.randrange(40))), FLAG]
        case "duplicate":
            line *= 2
    return line


FAULTS = (
    "flip", "truncate", "drop", "abort", "short", "long", "type", "request", "garbage", "duplicate",
)  # fmt: skip


async def faults(session: Session, frames: int) -> None:
    """Faults of every kind, and behind each a frame, whose result must come."""
    kinds = FAULTS if isinstance(session.link, SpiLink) else (*FAULTS, "line")
    for k in range(frames):
        await session.room(1)  # a garbled packet never is a second frame too many
        await session.until(lambda: len(session.answers) < 8)
        kind = kinds[k % len(kinds)]
        await session.send(damaged(session, kind), gaps=0.02)
        await good(session)


async def resets(session: Session, frames: int) -> None:
    """Soft resets wherever a frame may be: coming, waiting, inside, leaving."""
    for _ in range(frames):
        for _ in range(session.rng.randrange(WINDOW + 1)):
            await good(session)
        for _ in range(session.rng.randrange(30)):
            await session.link.idle()
        if session.rng.random() < 0.3:
            line = encode(session.next_frame())
            await session.send(line[: session.rng.randrange(2, len(line) - 1)])
        await session.send(encode(Packet(Type.RESET, session.rng.randrange(0xFFFF))))
        if session.rng.random() < 0.5:  # do not wait for DONE
            await session.send(encode(session.next_frame()))
        await session.until(lambda: not session.answers)
    assert session.aborted > 0


async def overrun(session: Session, frames: int) -> None:
    """More frames than there is room for: each is accepted or refused."""
    session.overrun = True
    for _ in range(frames // 18):
        if JOB["transport"] == "bytes":
            session.link.dut.pause.value = 1
        for _ in range(18):
            await session.send(encode(session.next_frame()))
        if JOB["transport"] == "bytes":
            session.link.dut.pause.value = 0
        await session.until(lambda: not session.waiting)
    assert session.busy > 0


async def deaf(session: Session, frames: int) -> None:
    """Nobody listens: refusals are dropped, counted all the same, and the frames are not."""
    session.sloppy = True
    session.link.dut.pause.value = 1
    await good(session)
    for _ in range(frames):
        await session.send(encode(Packet(Type.STATUS, 7, b"x")))
    await session.send(encode(Packet(Type.RESET, 9)))  # no room for its answer
    for pending in session.waiting:
        pending.doubtful = False
    session.answers.pop()
    session.busy += 1
    session.link.dut.pause.value = 0
    await session.until(lambda: not session.waiting)
    for _ in range(400):
        await session.link.idle()
    assert session.refused in (16, 17)  # the queue, and one that the sender may hold


@cocotb.test(timeout_time=2, timeout_unit="sec")
@cocotb.parametrize(scenario=list(JOB["scenarios"]))
async def run_scenario(dut: Any, scenario: str) -> None:
    """One scenario, and a last look at the counters."""
    session = await started(dut, JOB["seed"])
    await globals()[scenario](session, JOB["scenarios"][scenario])
    await session.settle()
    dut._log.info(
        f"{scenario}: {session.model.packets} packets in, {session.finished} results, "
        f"{session.lost} lost, {session.busy} busy, {session.refused} refused"
    )
    if session.link.dut.busy.value != 0:
        raise AssertionError("busy though all is answered")
