"""What is special about PYNQ and about plain Linux: finding the core, and what may be missing."""

import sys
from pathlib import Path

import numpy as np
import pytest
from axi_device import (
    fake_pynq,
    frames,
    made,
    model,
)

from thresher.boards.host import pynq_link, uio_link
from thresher.boards.host.axi_link import AxiLink
from thresher.boards.host.errors import LinkError
from thresher.boards.host.registers import ID, VERSION, Register, device_tree

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


def test_the_device_tree_that_is_told() -> None:
    page = Path(__file__).parents[2] / "docs" / "host.md"
    for text in (uio_link.__doc__, page.read_text()):
        assert text is not None
        assert all(line in text for line in device_tree().splitlines())
