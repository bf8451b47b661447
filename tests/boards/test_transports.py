"""Byte pipes of a Linux host: pyserial on a pseudo-terminal, spidev as a module of our own."""

import os
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from serial_device import Device, hashed, identity

from thresher.boards.host.errors import LinkError
from thresher.boards.host.packets import FLAG
from thresher.boards.host.serial_link import SerialLink
from thresher.boards.host.transports.spi import SpiPipe, spidev_pipe
from thresher.boards.host.transports.uart import UartPipe


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6), np.uint8)


def expected(sent: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(hashed(f.tobytes()) for f in sent), np.uint8).reshape(-1, 4)


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: its near end and the name of the far one."""
    near, far = os.openpty()
    yield near, os.ttyname(far)
    for end in (near, far):
        os.close(end)


def serve(near: int, device: Device, done: threading.Event) -> None:
    """The device behind a pseudo-terminal, without idle bytes."""
    os.set_blocking(near, False)
    while not done.is_set():
        try:
            heard = os.read(near, 4096)
        except BlockingIOError:
            heard = b""
        said = [device.tick(byte) for byte in heard] + [device.tick(None) for _ in range(200)]
        if not all(byte == FLAG for byte in said):
            os.write(near, bytes(said))
        if not heard:
            done.wait(0.001)


def test_a_serial_port(terminal: tuple[int, str]) -> None:
    near, name = terminal
    os.write(near, b"\x55\xaa left from before")
    pipe = UartPipe(name, 115_200)
    assert pipe.byte_seconds == pytest.approx(86.8e-6, rel=1e-3)
    done = threading.Event()
    device = Device(identity(6, 4), hashed, busy=3)
    thread = threading.Thread(target=serve, args=(near, device, done))
    thread.start()
    try:
        link = SerialLink(pipe, patience=2.0)
        sent = frames(40)
        np.testing.assert_array_equal(link.transfer(sent), expected(sent))
        assert pipe.read(0.01) == b""
        before = pipe.now()
        assert pipe.read(0.05) == b""
        assert pipe.now() - before >= 0.04
    finally:
        done.set()
        thread.join()
        link.close()


def test_a_port_that_is_not_there(terminal: tuple[int, str]) -> None:
    with pytest.raises(LinkError, match="'/dev/none' cannot be opened at 9600 baud .*check its"):
        UartPipe("/dev/none", 9600)
    first = UartPipe(terminal[1], 9600)
    with pytest.raises(LinkError, match="cannot be opened .*nothing else has it open"):
        UartPipe(terminal[1], 9600)
    first.close()


def test_a_port_that_goes_away() -> None:
    near, far = os.openpty()
    pipe = UartPipe(os.ttyname(far), 9600)
    os.close(near)
    os.close(far)
    with pytest.raises(LinkError, match="failed .*plug the board in again"):
        pipe.read(0.1)
    with pytest.raises(LinkError, match="failed .*plug the board in again"):
        pipe.write(b"x")


@pytest.mark.parametrize("name", ["serial", "spidev"])
def test_what_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LinkError, match="is not installed; install it with: pip install"):
        UartPipe("x", 9600) if name == "serial" else spidev_pipe("/dev/spidev0.0", 1)


class FakeSpi:
    """`spidev.SpiDev`; bus 1 is not there."""

    device = Device(identity(6, 4), hashed)
    sizes: list[int] = []

    def open(self, bus: int, select: int) -> None:
        if bus:
            raise FileNotFoundError(2, "No such file or directory")
        self.opened = bus, select

    def xfer2(self, data: list[int]) -> list[int]:
        assert (self.mode, self.max_speed_hz) == (0, 2_000_000)  # type: ignore[attr-defined]
        assert len(data) <= 4096
        self.sizes.append(len(data))
        if data[:2] == [1, 2]:
            raise OSError(5, "Input/output error")
        return [self.device.tick(byte) for byte in data]

    def close(self) -> None:
        self.opened = None  # type: ignore[assignment]


@pytest.fixture
def spidev(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("spidev")
    module.SpiDev = FakeSpi  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spidev", module)
    monkeypatch.setattr(FakeSpi, "device", Device(identity(6, 4), hashed))
    monkeypatch.setattr(FakeSpi, "sizes", [])


@pytest.mark.usefixtures("spidev")
def test_an_spi_device() -> None:
    link = SerialLink(spidev_pipe("/dev/spidev0.0", 2_000_000), patience=2.0)
    sent = frames(200)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert (link.resent, link.damaged) == (0, 0)
    link.pipe.write(bytes(10_000))
    assert FakeSpi.sizes[-3:] == [4096, 4096, 1808]
    link.close()


@pytest.mark.usefixtures("spidev")
@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("/dev/spidev1.0", "cannot be opened .*device tree"),
        ("/dev/spidev0", "must be like /dev/spidev0.0, not '/dev/spidev0'"),
        ("spi", "must be like"),
    ],
)
def test_an_spi_device_that_is_not_there(device: str, words: str) -> None:
    with pytest.raises(LinkError, match=words):
        spidev_pipe(device, 1)


@pytest.mark.usefixtures("spidev")
def test_an_spi_device_that_fails() -> None:
    with pytest.raises(LinkError, match="'/dev/spidev0.0' failed .*check the wiring"):
        spidev_pipe("/dev/spidev0.0", 2_000_000).write(b"\x01\x02")


def test_idle_bytes_of_spi_are_not_heard() -> None:
    """But a packet is heard whole, across transfers, and its flags with it."""
    said = [b"~~~~", b"~~ab", b"cd", b"~~~~", b"~~~~", b"~"]
    clock = iter(range(100))
    pipe = SpiPipe(lambda _: said.pop(0), 1.0, now=lambda: float(next(clock)))
    pipe.write(b"1234")
    pipe.write(b"1234")
    assert pipe.read(0) == b"~~ab"
    assert pipe.read(0) == b"cd"
    assert pipe.read(0) == b"~~~~"
    assert pipe.read(0.5) == b""
    assert pipe.read(0.5) == b""
    assert said == []
