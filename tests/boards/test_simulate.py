"""The host's code on the Verilated shells: bit-level UART and SPI, AXI with a DMA engine."""

from collections.abc import Callable

import numpy as np
import pytest
from golden_link import compiled
from serial_device import Faults

from thresher.boards.host.accelerator import Accelerator
from thresher.boards.host.errors import LinkError
from thresher.boards.host.model import load_model
from thresher.boards.host.registers import Register, Status
from thresher.boards.host.serial_link import BytePipe, SerialLink
from thresher.boards.manifest import manifest
from thresher.boards.registry import get_board
from thresher.boards.run import simulated_link
from thresher.boards.simulate.axi import SimulatedAxi, simulated_axi
from thresher.boards.simulate.serial import SimulatedUart, simulated_spi
from thresher.gen.compiled import Compiled
from thresher.sim.inputs import random_inputs

CLOCK, BAUD = 100_000_000, 5_000_000
PATIENCE = 2e-4  # simulated seconds


def model() -> Compiled:
    return compiled("rnn_relu")


def check(accelerator: Accelerator, count: int, seed: int = 0) -> None:
    """Random samples give the golden model's outputs, bit for bit."""
    inputs = random_inputs(model().streamlined.graph, count, seed)
    found = accelerator.predict(inputs)
    assert isinstance(found, dict)
    expected = model().golden.run_model(inputs)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes()


def uart(host_baud: int | None = None) -> SimulatedUart:
    return SimulatedUart(model(), CLOCK, BAUD, host_baud)


def spi() -> BytePipe:
    return simulated_spi(model(), CLOCK)


class Bad:
    """A pipe with damage on both ways; of its time."""

    def __init__(self, pipe: BytePipe, faults: Faults, seed: int) -> None:
        self._pipe, self._faults = pipe, faults
        self._rng = np.random.default_rng(seed)
        self.byte_seconds, self.now, self.close = pipe.byte_seconds, pipe.now, pipe.close

    def write(self, data: bytes) -> None:
        self._pipe.write(self._faults.apply(data, self._rng))

    def read(self, timeout: float) -> bytes:
        return self._faults.apply(self._pipe.read(timeout), self._rng)


@pytest.mark.parametrize("make", [uart, spi])
def test_serial(make: Callable[[], BytePipe]) -> None:
    link = SerialLink(make(), patience=PATIENCE)
    with Accelerator(manifest(model()), link) as accelerator:
        check(accelerator, 40)
        assert (link.resent, link.damaged) == (0, 0)
        told = accelerator.status()
        assert (told.accepted, told.finished, told.faults, told.lost) == (40, 40, 0, 0)
        assert told.latency >= model().design.predicted.latency
        assert accelerator.identity.clock_hz == CLOCK
        accelerator.reset()
        check(accelerator, 1, seed=1)


@pytest.mark.parametrize("make", [uart, spi])
def test_serial_on_a_bad_line(make: Callable[[], BytePipe]) -> None:
    """Bytes lost, bits flipped, noise: every frame comes back right, and the core has counted."""
    pipe = Bad(make(), Faults(lost=0.001, flipped=0.002, noise=0.0005), seed=5)
    link = SerialLink(pipe, patience=PATIENCE, tries=40)
    with Accelerator(manifest(model()), link) as accelerator:
        check(accelerator, 150)
        assert link.resent > 10
        assert link.damaged > 10
        assert accelerator.status().faults > 10


@pytest.mark.parametrize("share", [0.985, 1.015])
def test_a_host_whose_baud_rate_is_off(share: float) -> None:
    link = SerialLink(uart(round(BAUD * share)), patience=PATIENCE)
    with Accelerator(manifest(model()), link) as accelerator:
        check(accelerator, 20)
        assert (link.resent, link.damaged) == (0, 0)


def test_a_host_with_another_baud_rate() -> None:
    link = SerialLink(uart(BAUD * 2), patience=PATIENCE, tries=3)
    with pytest.raises(LinkError, match=r"does not answer RESET \(3 tries, .*check cable, ground,"):
        Accelerator(manifest(model()), link)


@pytest.mark.parametrize("stalls", [0, 100])
def test_axi(stalls: int) -> None:
    with Accelerator(manifest(model()), simulated_axi(model(), stalls=stalls)) as accelerator:
        check(accelerator, 100)
        told = accelerator.status()
        assert (told.accepted, told.finished, told.faults, told.lost) == (100, 100, 0, 0)
        measured = accelerator.measure(10)
        if not stalls:
            assert measured.latency_cycles >= model().design.predicted.latency
            assert measured.interval_cycles >= model().design.predicted.interval
        accelerator.reset()
        check(accelerator, 3, seed=1)


def test_axi_frames_of_a_wrong_length() -> None:
    """The core fills up, cuts and marks; the host raises, and the next frame is right."""
    link = simulated_axi(model())
    accelerator = Accelerator(manifest(model()), link)
    size, word = accelerator.identity.frame_bytes, link.dma.words[0]  # type: ignore[attr-defined]
    good = np.zeros((3, size), np.uint8)
    for frames, name in (
        (good[:, :-word], "SHORT"),
        (np.concatenate([good, good], axis=1), "LONG"),
    ):
        with pytest.raises(LinkError, match=rf"marked the transfer as wrong \({name}"):
            link.transfer(frames)
        check(accelerator, 5)
    assert accelerator.status().faults == 6


def test_axi_with_a_frame_left_inside() -> None:
    both = SimulatedAxi(model())
    link = simulated_axi(model())
    link.registers = link.dma = both
    accelerator = Accelerator(manifest(model()), link)
    both._patience = 5  # frames enter, and nobody waits for their results
    with pytest.raises(LinkError, match="did not receive frame 0: nothing moves any more"):
        both.exchange(np.ones((3, accelerator.identity.frame_bytes), np.uint8), 4, 0)
    both._patience = 10_000
    while not both.read(Register.STATUS) & Status.SENDING:
        pass
    check(accelerator, 4)
    assert both.read(Register.FRAMES_OUT) == 5  # what had begun was filled up and thrown away


def test_a_simulation_that_ends() -> None:
    link = simulated_axi(model())
    link.close()
    with pytest.raises(LinkError, match="the simulation of the board has ended .*; run it again"):
        link.identity()


@pytest.mark.parametrize(
    ("board", "kind"), [("zcu104", "axi"), ("cmod-s7", "serial"), ("elastic-node-v5", "serial")]
)
def test_the_link_is_the_board_s(board: str, kind: str) -> None:
    link = simulated_link(model(), load_model(manifest(model())), get_board(board))
    assert link.kind == kind
    assert link.identity().samples == 1
    link.close()
