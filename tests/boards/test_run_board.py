"""`thresher run --board`: the host's real code on real RTL, and on a serial port."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from golden_link import GoldenLink
from serial_device import Device
from test_transports import serve

from thresher.boards.host.packets import Identity
from thresher.boards.run import BoardOptions
from thresher.boards.shell.serial_core import serial_identity
from thresher.gen.cli import main
from thresher.gen.folder import load_folder
from thresher.sim.inputs import random_inputs
from zoo.rtl import save

SIMULATED = ("arty-s7-50", "elastic-node-v5", "zcu104")


@pytest.fixture(scope="module")
def digits(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of the shipped model, real images, and what the golden model says of them."""
    folder = tmp_path_factory.mktemp("digits")
    with np.load(repo / "examples/digits_lstm/digits_test.npz") as held:
        np.save(folder / "x.npy", held["x"][:3])
    return prepared(folder, repo / "examples/digits_lstm/digits_lstm.onnx")


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a small LSTM that gives its states too, with two samples in a frame."""
    folder = tmp_path_factory.mktemp("lstm")
    out = prepared(folder, save("lstm_4bit", folder), "--interleave", "2", inputs=False)
    graph = load_folder(folder / "out").streamlined.graph
    np.savez(folder / "x.npz", **random_inputs(graph, 5, 3))  # type: ignore[arg-type]
    assert run(out, "golden.npz", "--engine", "golden") == 0
    return out


def prepared(folder: Path, model: Path, *options: str, inputs: bool = True) -> Path:
    command = ["compile", str(model), "-o", str(folder / "out"), "--quiet", *options]
    assert main(command) == 0
    if inputs:
        assert run(folder, "golden.npz", "--engine", "golden") == 0
    return folder


def run(folder: Path, output: str, *options: str) -> int:
    (given,) = folder.glob("x.np*")
    files = ["--input", str(given), "--output", str(folder / output)]
    return main(["run", str(folder / "out"), *files, *options])


def same(folder: Path, output: str) -> None:
    with np.load(folder / "golden.npz") as expected, np.load(folder / output) as found:
        assert expected.files == found.files
        for name in expected.files:
            assert expected[name].dtype == found[name].dtype
            assert expected[name].tobytes() == found[name].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("board", SIMULATED)
def test_digits_on_every_link(board: str, digits: Path) -> None:
    assert run(digits, f"{board}.npz", "--board", board, "--simulate") == 0
    same(digits, f"{board}.npz")


@pytest.mark.slow
@pytest.mark.parametrize("board", SIMULATED)
def test_an_lstm_on_every_link(board: str, lstm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five samples, two in a frame."""
    options = ["--baud", "1000000"] if board == "arty-s7-50" else []
    assert run(lstm, f"{board}.npz", "--board", board, "--simulate", *options) == 0
    assert "float32 (5, " in capsys.readouterr().out
    same(lstm, f"{board}.npz")


@cache
def device(folder: Path) -> Device:
    """The golden model behind a serial link."""
    compiled = load_folder(folder / "out")
    link = GoldenLink(compiled)

    def function(frame: bytes) -> bytes:
        return link.transfer(np.frombuffer(frame, np.uint8)[None]).tobytes()

    return Device(serial_identity(compiled, 10**8), function, busy=3)


@pytest.fixture
def port() -> Iterator[Callable[[Device], str]]:
    """Puts a device behind a pseudo-terminal."""
    near, far = os.openpty()
    done, threads = threading.Event(), list[threading.Thread]()

    def connect(device: Device) -> str:
        threads.append(threading.Thread(target=serve, args=(near, device, done)))
        threads[0].start()
        return os.ttyname(far)

    yield connect
    done.set()
    for thread in threads:
        thread.join()
    os.close(near)
    os.close(far)


def test_a_serial_port(lstm: Path, port: Callable[[Device], str]) -> None:
    name = port(device(lstm))
    assert run(lstm, "port.npz", "--board", "cmod-s7", "--port", name) == 0
    same(lstm, "port.npz")


def test_a_board_with_another_model(
    lstm: Path, port: Callable[[Device], str], capsys: pytest.CaptureFixture[str]
) -> None:
    right = device(lstm)
    other = Device(right.identity, right.function)
    other.identity = Identity(**{**vars(other.identity), "digest": bytes(16)})
    assert run(lstm, "port.npz", "--board", "arty-s7-50", "--port", port(other)) == 2
    said = capsys.readouterr().err
    assert said.startswith("thresher: the board runs model 0000000000000000, Verilog 0000")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--board zcu104", "board zcu104 is its own host: run the driver of thresher build on it"),
        ("--board arty-s7-50", "must be told how it is reached: give --port /dev/ttyUSB1, or --s"),
        ("--board elastic-node-v5", "give --spi /dev/spidev0.0, or --simulate"),
        ("--board elastic-node-v5 --port x", "--port does not fit board elastic-node-v5, whose"),
        ("--board elastic-node-v5 --simulate --baud 9600", "--baud does not fit board elastic"),
        ("--board arty-s7-50 --spi x", "--spi does not fit board arty-s7-50, whose link is uart"),
        ("--board zcu104 --simulate --port x", "--port does not fit board zcu104"),
        ("--board arty-s7-50 --simulate --port x", "--simulate and x exclude each other"),
        ("--board none --simulate", "board must be one of"),
        ("--board arty-s7-50 --engine golden", "--engine and --board exclude each other"),
        ("--simulate", "--simulate needs a board; give --board"),
        ("--baud 9600", "--baud needs a board; give --board"),
        ("--board arty-s7-50 --simulate --baud 90000000", "--baud 90000000: baud must divide"),
        (
            "--board arty-s7-50 --port /dev/none",
            "serial port '/dev/none' cannot be opened at 1",
        ),
        ("--board elastic-node-v5 --spi x", "spidev is not installed|must be like /dev/spidev0.0"),
    ],
)
def test_refusals(options: str, words: str, lstm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(lstm, "never.npz", *options.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("thresher: ")
    assert said.count("\n") == 1
    assert any(w in said for w in words.split("|")), said
    assert not (lstm / "never.npz").exists()


def test_options_are_checked_before_the_model() -> None:
    """Without a folder OUT there is nothing to compile."""
    command = ["run", "/nowhere", "--input", "x.npy", "--output", "y.npy"]
    assert main([*command, "--board", "zcu104"]) == 2
    assert BoardOptions("ZCU104", simulate=True).board == "ZCU104"
