"""Boards by name, and what each knows about itself."""

import importlib.util
from pathlib import Path

import pytest
from amaranth.build.res import ResourceError

from thresher.boards import platforms, registry
from thresher.boards.board import Board, Link
from thresher.boards.registry import BOARDS, get_board
from thresher.compiler.errors import ThresherError

EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def test_every_name_finds_its_board() -> None:
    assert {get_board(name).name for name in BOARDS} == set(BOARDS)
    assert get_board("ZCU104") is get_board("zcu104")


@pytest.mark.parametrize(
    "name, lut, lutram, bram36, dsp",
    [
        ("elastic-node-v5", 8_000, 2_400, 10, 20),
        ("cmod-s7", 14_600, 5_000, 45, 80),
        ("arty-s7-50", 32_600, 9_600, 75, 120),
        ("zcu104", 230_400, 101_760, 312, 1_728),
    ],
)
def test_capacities(name: str, lut: int, lutram: int, bram36: int, dsp: int) -> None:
    found = get_board(name).capacity
    assert (found.lut, found.lutram, found.bram36, found.dsp) == (lut, lutram, bram36, dsp)


def test_two_flip_flops_a_lut() -> None:
    for board in BOARDS.values():
        assert board.capacity.ff == 2 * (board.capacity.lut or 0)


def test_unknown_board() -> None:
    with pytest.raises(ThresherError, match="^board must be one of arty-s7-25, .*, not 'vu9p'$"):
        get_board("vu9p")


@pytest.mark.parametrize(
    ("name", "part", "family", "grade", "oscillator", "clock"),
    [
        ("arty-s7-25", "xc7s25csga324-1", "xc7", 1, 100_000_000, 100.0),
        ("arty-s7-50", "xc7s50csga324-1", "xc7", 1, 100_000_000, 100.0),
        ("cmod-s7", "xc7s25csga225-1", "xc7", 1, 12_000_000, 100.0),
        ("elastic-node-v5", "xc7s15ftgb196-2", "xc7", 2, 100_000_000, 100.0),
        ("zcu104", "xczu7ev-ffvc1156-2-e", "xcup", 2, 125_000_000, 200.0),
    ],
)
def test_parts_and_clocks(
    name: str, part: str, family: str, grade: int, oscillator: int, clock: float
) -> None:
    board = get_board(name)
    assert (board.part, board.family, board.speed_grade) == (part, family, grade)
    assert (board.oscillator_hz, board.clock_mhz) == (oscillator, clock)


@EVERY
def test_the_part_is_the_platforms(board: Board) -> None:
    assert board.part == board.platform(toolchain="Vivado")._part


@EVERY
def test_a_serial_board_has_the_pins_of_its_link_and_three_lamps(board: Board) -> None:
    platform = board.platform(toolchain="Vivado")
    if board.link.kind != "axi":
        platform.request(board.link.resource, 0, dir="-")
        for number in range(3):
            platform.request("led", number, dir="-")
    else:
        with pytest.raises(ResourceError):
            platform.request(board.link.resource, 0)


def test_a_file_in_the_folder_is_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = importlib.util.find_spec("thresher.boards.platforms.cmod_s7")
    assert source is not None
    assert source.origin is not None
    text = Path(source.origin).read_text().replace("cmod-s7", "another")
    (tmp_path / "another.py").write_text(text)
    monkeypatch.setattr(platforms, "__path__", [*platforms.__path__, str(tmp_path)])
    assert set(registry._boards()) - set(BOARDS) == {"another"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "axi", "resource": "uart"}, "resource must name pins on a serial link alone"),
        ({"kind": "spi"}, "resource must name pins on a serial link alone"),
        ({"kind": "uart", "resource": "uart"}, "baud must be given on a UART alone"),
        ({"kind": "spi", "resource": "spi", "baud": 9600}, "baud must be given on a UART alone"),
    ],
)
def test_broken_links(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Link(**wrong)  # type: ignore[arg-type]
