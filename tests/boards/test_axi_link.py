"""The AXI link over register models of the core and of AMD's DMA engine; PYNQ; plain Linux."""

import re
import sys
from collections.abc import Callable

import numpy as np
import pytest
from axi_device import (
    ADDRESS,
    SIZES,
    WORDS,
    AxiDma,
    Core,
    expected,
    fake_pynq,
    frames,
    function,
    made,
    model,
    uio,
)

from thresher.boards.host import axi_link, pynq_link
from thresher.boards.host.axi_link import AxiLink
from thresher.boards.host.errors import LinkError
from thresher.boards.host.registers import ID, VERSION, Flag, Register
from thresher.boards.host.uio_link import UioDma


@pytest.fixture
def pynq(monkeypatch: pytest.MonkeyPatch) -> Callable[[Core], AxiLink]:
    def link(core: Core) -> AxiLink:
        monkeypatch.setitem(sys.modules, "pynq", fake_pynq(core))
        return pynq_link.pynq_link(model(), "x.bit", timeout=0.05)

    return link


@pytest.mark.parametrize("way", ["uio", "pynq"])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_transfers(way: str, count: int, pynq: Callable[[Core], AxiLink]) -> None:
    core = made()
    link = uio(core) if way == "uio" else pynq(core)
    for seed in range(3):
        sent = frames(count, seed)
        np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    told = link.identity()
    assert (told.digest, told.frame_bytes, told.result_bytes) == (bytes(range(16)), *SIZES)
    counters = link.counters()
    assert (counters.finished, counters.faults, core.resets) == (3 * count, 0, 0)


@pytest.mark.parametrize("way", ["uio", "pynq"])
def test_a_frame_of_a_wrong_length_never_gives_a_result(
    way: str, pynq: Callable[[Core], AxiLink]
) -> None:
    core = made()
    link = uio(core) if way == "uio" else pynq(core)
    with pytest.raises(LinkError, match=r"marked the transfer as wrong \(SHORT\); .*same build"):
        link.transfer(frames(3)[:, :6])
    assert core.resets == 1
    sent = frames(5)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))


@pytest.mark.parametrize(
    "flag", [Flag.SHORT, Flag.LONG, Flag.NULL_BYTES, Flag.LOST, Flag.SHORT | Flag.LOST]
)
def test_flags(flag: Flag) -> None:
    core = made()

    def raises(frame: bytes) -> bytes:
        core.values[Register.FLAGS] |= flag
        return function(frame)

    core.function = raises
    names = " and ".join(str(f.name) for f in flag)
    with pytest.raises(LinkError, match=re.escape(f"({names})")):
        uio(core).transfer(frames(2))


@pytest.mark.parametrize(
    "register",
    [Register.FRAMES_IN, Register.FRAMES_OUT, Register.FRAMES_BAD, Register.FRAMES_LOST],
)
def test_counters(register: Register) -> None:
    """Another program moved a frame: what came may be its results."""
    core = made()

    def more(frame: bytes) -> bytes:
        core.values[register] += 1
        return function(frame)

    core.function = more
    with pytest.raises(LinkError, match="the core counted .*, not 1, and holds none; let only one"):
        uio(core).transfer(frames(1))


def test_a_frame_that_another_program_left_inside() -> None:
    """Its result must not be taken for that of the first frame."""
    core = made()
    link = uio(core)
    core.packet(bytes(8))
    sent = frames(4, seed=1)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert core.resets == 1


def test_results_of_a_failed_transfer_do_not_come_later() -> None:
    core = made()
    link, sent = uio(core), frames(4)
    core.function = _twice(core)
    with pytest.raises(LinkError, match="counted 4 frames, 4 results, .* and holds more;"):
        link.transfer(sent)
    core.function = function
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))


def _twice(core: Core) -> Callable[[bytes], bytes]:
    """Every frame has two results."""

    def twice(frame: bytes) -> bytes:
        core.results.append(function(frame))
        return function(frame)

    return twice


@pytest.mark.parametrize("way", ["uio", "pynq"])
def test_a_core_that_does_not_answer(way: str, pynq: Callable[[Core], AxiLink]) -> None:
    core = made()
    link = uio(core) if way == "uio" else pynq(core)
    core.broken = True
    with pytest.raises(LinkError, match=r"did not receive frame 0 within 0.05 s; load"):
        link.transfer(frames(2))
    core.broken = False
    sent = frames(2)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))


def test_a_dma_error() -> None:
    core, memory = made(), np.zeros(4 * 4096, np.uint8)
    engine = AxiDma(core, memory, ADDRESS)
    link = AxiLink(core, UioDma(engine, memory, ADDRESS, *SIZES), WORDS)
    engine.fail = 0x40  # DMADecErr
    with pytest.raises(LinkError, match=r"failed to \w+ \(status 0x00000040\); check the addr"):
        link.transfer(frames(1))


def test_a_result_of_another_length() -> None:
    with pytest.raises(LinkError, match="result 0 has 2 bytes, not 4; load the bitstream"):
        uio(made(lambda _: b"ab")).transfer(frames(1))


def test_a_reset_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    core = made()
    link = uio(core)
    core.busy_after_reset = 5
    link.reset()
    assert core.busy_after_reset == 0
    monkeypatch.setattr(axi_link, "_RESET_SECONDS", 0.01)
    core.busy_after_reset = 1 << 60
    with pytest.raises(LinkError, match="does not come out of its reset"):
        link.reset()


@pytest.mark.parametrize(
    ("register", "value"), [(Register.ID, 0xFFFF_FFFF), (Register.VERSION, 0x0002_0000)]
)
def test_another_core(register: Register, value: int) -> None:
    core = made()
    core.values[register] = value
    with pytest.raises(LinkError, match=f"{value:#010x}.* load the bitstream of this build"):
        uio(core)
    assert core.read(Register.ID) != ID or core.read(Register.VERSION) != VERSION


def test_buffers_are_large_enough() -> None:
    core = made()
    memory = np.zeros(4 * 4096 - 1, np.uint8)
    with pytest.raises(LinkError, match=r"has 16383 bytes and needs 16384; raise its size"):
        UioDma(AxiDma(core, memory, ADDRESS), memory, ADDRESS, *SIZES)
    with pytest.raises(LinkError, match="a frame of 9000 bytes needs a buffer larger than 8"):
        uio(core).transfer(np.zeros((1, 9000), np.uint8))
