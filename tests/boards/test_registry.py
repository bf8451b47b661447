"""Boards by name, and what each knows about itself."""

import importlib.util
from pathlib import Path

import pytest
from amaranth.build.res import ResourceError

from thresher.boards import platforms, registry
from thresher.boards.board import Board, Link
from thresher.boards.host.registers import CORE, DMA
from thresher.boards.registry import BOARDS, get_board
from thresher.boards.vivado.build import make_project
from thresher.boards.vivado.project import script
from thresher.compiler.errors import ThresherError
from zoo.rtl import compiled

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


def test_the_example_of_the_docs_is_a_board(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repo / "docs" / "boards" / "adding.md").read_text()
    (tmp_path / "my_board.py").write_text(text.split("```python\n")[1].split("```")[0])
    monkeypatch.setattr(platforms, "__path__", [*platforms.__path__, str(tmp_path)])
    board = registry._boards()["my-board"]
    assert (board.part, board.oscillator_hz) == ("xc7s25csga225-1", 12_000_000)
    project = make_project(compiled("rnn_relu"), board, None)
    assert b"MMCME2_BASE" in project.contents["thresher_board.v"]


@EVERY
def test_every_board_has_a_page(board: Board, repo: Path) -> None:
    pages = {p.name: p.read_text() for p in (repo / "docs" / "boards").glob("*.md")}
    (page,) = (text for name, text in pages.items() if board.name.startswith(name[:-3]))
    for told in (board.part, f"--board {board.name.replace('-25', '-50')}", "**not tried yet**"):
        assert told in page
    if board.link.kind != "axi":
        platform = board.platform(toolchain="Vivado")
        pins = platform.request(board.link.resource, 0, dir="-")
        names = [port.io.metadata[0].name for _, port in vars(pins).items()]
        assert len(names) >= 2
        for name in names:
            assert name in page


def test_the_processor_s_addresses_are_told(repo: Path) -> None:
    page = (repo / "docs" / "boards" / "zcu104.md").read_text()
    design = script("block_design.tcl").decode()
    for name, (start, size) in (("core", CORE), ("dma", DMA)):
        digits = f"{start:08X}"
        assert f"0x{digits[:4]}_{digits[4:]}, {size // 1024} KiB" in page
        assert f"-offset ${name}_base -range ${name}_size" in design
