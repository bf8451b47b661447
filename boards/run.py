"""`thresher run --board`: the host's code on a board, or on the simulated one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.boards.board import Board
from thresher.boards.host.accelerator import Accelerator
from thresher.boards.host.connect import connect, core_seconds
from thresher.boards.host.errors import HostError
from thresher.boards.host.links import Link
from thresher.boards.host.model import Model, load_model
from thresher.boards.host.serial_link import SerialLink
from thresher.boards.manifest import manifest
from thresher.boards.registry import get_board
from thresher.boards.shell.uart import uart_divisor
from thresher.boards.simulate.axi import simulated_axi
from thresher.boards.simulate.serial import SimulatedUart, simulated_spi
from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import Compiled

__all__ = ["BoardOptions", "predict_on_board", "simulated_link"]

_PATIENCE = 1e-3  # simulated seconds


@dataclass(frozen=True)
class BoardOptions:
    """Which board, and how it is reached.

    :param board: its name.
    :param simulate: its Verilated top stands in for it.
    :param port: of a UART.
    :param baud: of a UART, where it is not the board's own.
    :param spi: device of an SPI master.
    :raises ThresherError: they do not fit the board.
    """

    board: str
    simulate: bool = False
    port: str | None = None
    baud: int | None = None
    spi: str | None = None

    def __post_init__(self) -> None:
        _check(get_board(self.board), self)


def predict_on_board(
    compiled: Compiled, options: BoardOptions, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The model's outputs (N, *shape) by name, in its own units.

    :raises ThresherError: one line: an array does not fit, or the board does not do its part.
    """
    board = get_board(options.board)
    try:
        model = load_model(manifest(compiled))
        with Accelerator(model, _link(compiled, model, board, options)) as accelerator:
            found = accelerator.predict(inputs)
    except HostError as e:
        raise ThresherError(str(e)) from e
    return found if isinstance(found, dict) else {model.outputs[0].name: found}


def simulated_link(compiled: Compiled, model: Model, board: Board, baud: int | None = None) -> Link:
    """The link to the board's simulated top, clocked as the model was compiled for.

    :param baud: of a UART, where it is not the board's own.
    :raises ThresherError: the clock does not make this baud rate.
    """
    clock = round(compiled.options.mhz * 1e6)
    wait = _PATIENCE + core_seconds(model)
    if board.link.kind == "axi":
        return simulated_axi(compiled)
    if board.link.kind == "spi":
        return SerialLink(simulated_spi(compiled, clock), patience=wait)
    baud = baud or board.link.baud
    assert baud is not None
    try:
        uart_divisor(clock, baud)
    except ValueError as e:
        raise ThresherError(f"--baud {baud}: {e}") from e
    return SerialLink(SimulatedUart(compiled, clock, baud), patience=wait)


def _link(compiled: Compiled, model: Model, board: Board, options: BoardOptions) -> Link:
    if options.simulate:
        return simulated_link(compiled, model, board, options.baud)
    if options.port:
        baud = options.baud or board.link.baud
        assert baud is not None
        return connect(model, port=options.port, baud=baud)
    return connect(model, spi=options.spi)


def _check(board: Board, options: BoardOptions) -> None:
    """Whether the options fit the board's link."""
    kind, name = board.link.kind, board.name
    fitting = {"axi": (), "uart": ("port", "baud"), "spi": ("spi",)}[kind]
    for option in ("port", "baud", "spi"):
        if getattr(options, option) is not None and option not in fitting:
            raise ThresherError(
                f"--{option} does not fit board {name}, whose link is {kind}; leave it out"
            )
    reached = options.port or options.spi
    if options.simulate and reached:
        raise ThresherError(f"--simulate and {reached} exclude each other; leave one out")
    if options.simulate or reached:
        return
    if kind == "axi":
        raise ThresherError(
            f"board {name} is its own host: run the driver of thresher build on it "
            "(docs/host.md), or give --simulate"
        )
    way = "--port /dev/ttyUSB1" if kind == "uart" else "--spi /dev/spidev0.0"
    raise ThresherError(f"board {name} must be told how it is reached: give {way}, or --simulate")
