"""The AXI link over register models of the core and of AMD's DMA engine; PYNQ; plain Linux."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axi_device import AxiDma, Core, fake_pynq
from serial_device import hashed
from thresher.boards.host import axi_link, pynq_link, uio_link
from thresher.boards.host.axi_link import AxiLink
from thresher.boards.host.errors import LinkError
from thresher.boards.host.frames import Frame, FramePort
from thresher.boards.host.model import Model
from thresher.boards.host.registers import ID, VERSION, Flag, Register
from thresher.boards.host.uio_link import UioDma

SIZES, WORDS = (8, 4), (2, 4)
ADDRESS = 0x8_7000_0000


def function(frame: bytes) -> bytes:
    return hashed(frame[:6])


def model() -> Model:
    port = FramePort("x", 4, 2, 8, False, 2)
    result = FramePort("y", 1, 4, 8, False, 4)
    frames = {"axi": (Frame((port,)), Frame((result,)))}
    return Model("m", bytes(range(16)), 10**8, 1, 10, 5, (), (), frames)


def frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZES[0]), np.uint8)


def expected(sent: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(function(f.tobytes()) for f in sent), np.uint8).reshape(-1, 4)


def uio(core: Core, timeout: float = 0.05) -> AxiLink:
    memory = np.zeros(4 * 4096, np.uint8)
    dma = UioDma(AxiDma(core, memory, ADDRESS), memory, ADDRESS, *SIZES)
    return AxiLink(core, dma, WORDS, timeout=timeout)


@pytest.fixture
def pynq(monkeypatch: pytest.MonkeyPatch) -> Callable[[Core], AxiLink]:
    def link(core: Core) -> AxiLink:
        monkeypatch.setitem(sys.modules, "pynq", fake_pynq(core))
        return pynq_link.pynq_link(model(), "x.bit", timeout=0.05)

    return link


def made(function: Callable[[bytes], bytes] = function) -> Core:
    return Core(function, SIZES, WORDS)


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


# PYNQ


def test_pynq_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(LinkError, match="pynq is not installed: run this on the board's PYNQ"):
        pynq_link.pynq_link(model(), "x.bit")


def test_pynq_without_bitstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq", fake_pynq(made()))
    with pytest.raises(LinkError, match=r"bitstream 'x.bin' cannot be loaded .*\.hwh lie side"):
        pynq_link.pynq_link(model(), "x.bin")


def test_an_overlay_without_core(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_pynq(made())
    whole = fake.Overlay("x.bit")
    del whole.ip_dict["core"]
    fake.Overlay = lambda _: whole  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynq", fake)
    with pytest.raises(LinkError, match="has 0 blocks of type 'thresher', not 1"):
        pynq_link.pynq_link(model(), "x.bit")


def test_pynq_errors_and_close(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_pynq(made())
    monkeypatch.setitem(sys.modules, "pynq", fake)
    link = pynq_link.pynq_link(model(), "x.bit", timeout=0.05)
    fake.dma.recvchannel.error = True
    with pytest.raises(LinkError, match="the DMA engine failed to receive"):
        link.transfer(frames(1))
    fake.dma.recvchannel.error = False
    fake.dma.sendchannel.running = False
    with pytest.raises(LinkError, match=r"cannot send \(DMA channel not idle\)"):
        link.transfer(frames(1))
    buffers = link.dma.sending + link.dma.receiving  # type: ignore[attr-defined]
    link.close()
    assert len(buffers) == 4
    assert all(b.freed for b in buffers)


# Plain Linux


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """What Linux shows of the core, the engine and the buffer; plain files as devices."""
    for k, name in enumerate(("other", "thresher", "thresher_dma@a0010000")):
        folder = tmp_path / f"sys/uio/uio{k}"
        (folder / "maps/map0").mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
        (folder / "maps/map0/size").write_text("0x1000\n")
    buffer = tmp_path / "sys/u-dma-buf/thresher_buf"
    buffer.mkdir(parents=True)
    (buffer / "size").write_text("16384\n")
    (buffer / "phys_addr").write_text("0x70000000\n")
    devices = tmp_path / "dev"
    devices.mkdir()
    core = np.zeros(1024, np.uint32)
    core[[Register.ID // 4, Register.VERSION // 4]] = ID, VERSION
    core[[Register.FRAME_WORDS // 4, Register.RESULT_WORDS // 4]] = 4, 1
    (devices / "uio1").write_bytes(core.tobytes())
    (devices / "uio2").write_bytes(bytes(4096))
    (devices / "thresher_buf").write_bytes(bytes(16384))
    return tmp_path


def connect(linux: Path) -> AxiLink:
    return uio_link.uio_link(model(), system=linux / "sys", devices=linux / "dev", timeout=0.01)


def test_uio_finds_and_maps(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices are files here: what the link writes can be read in them."""
    monkeypatch.setattr(uio_link, "_RESET", 0)  # nobody takes the bit back
    link = connect(linux)
    assert link.identity().frame_bytes == 8
    engine = np.fromfile(linux / "dev/uio2", np.uint32)
    assert (engine[0x00 // 4], engine[0x30 // 4]) == (1, 1)
    with pytest.raises(LinkError, match="did not receive frame 0"):  # the files do not answer
        link.transfer(frames(1) | 1)
    engine = np.fromfile(linux / "dev/uio2", np.uint32)
    assert (engine[0x18 // 4], engine[0x28 // 4]) == (0x7000_0000, 8)
    assert (engine[0x48 // 4], engine[0x58 // 4]) == (0x7000_2000, 4)
    memory = np.fromfile(linux / "dev/thresher_buf", np.uint8)
    np.testing.assert_array_equal(memory[:8], (frames(1) | 1)[0])
    link.close()
    assert np.fromfile(linux / "dev/uio2", np.uint32)[0] == 0


def test_the_engine_stays_in_reset(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uio_link, "_RESET_SECONDS", 0.01)
    with pytest.raises(LinkError, match="stays in reset"):
        connect(linux)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("sys/uio/uio1/name", "there is no UIO device 'thresher'"),
        ("sys/uio/uio2/name", "there is no UIO device 'thresher_dma'"),
        ("sys/u-dma-buf/thresher_buf/size", "there is no u-dma-buf 'thresher_buf'"),
        ("dev/uio1", "uio1' cannot be mapped"),
        ("dev/thresher_buf", "thresher_buf' cannot be mapped"),
    ],
)
def test_what_is_missing_is_named(linux: Path, path: str, words: str) -> None:
    if path.endswith("name"):
        (linux / path).write_text("something else")
    else:
        (linux / path).unlink()
    with pytest.raises(LinkError, match=words):
        connect(linux)
