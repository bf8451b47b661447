"""Projects for Vivado: the same bytes for the same input, and what is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from projects import compiled_for, content, project_for

from thresher.boards.registry import BOARDS, get_board
from thresher.boards.vivado.build import build, make_project
from thresher.boards.vivado.project import slower_clock
from thresher.compiler.errors import ThresherError


@pytest.mark.parametrize("name", ["zcu104", "arty-s7-25", "elastic-node-v5"])
def test_equal_inputs_give_equal_bytes(
    name: str, repo: Path, tmp_path: Path, no_vivado: None
) -> None:
    board = get_board(name)
    for place in ("a", "b/c"):
        build(make_project(compiled_for(name), board, None), tmp_path / place)
    one, other = (content(tmp_path / place) for place in ("a", "b/c"))
    assert one == other
    assert one.keys() == {f"build/{name}/{n}" for n in project_for(name).contents}
    for path, data in one.items():
        assert str(tmp_path).encode() not in data, path
        assert b"site-packages" not in data, path
        assert str(repo).encode() not in data, path
        assert b"(* src =" not in data, path
        assert not re.search(rb"\b20[23]\d-\d\d-\d\d\b", data), path


@pytest.mark.parametrize("name", BOARDS)
def test_the_core_is_the_verified_one(name: str) -> None:
    model, files = compiled_for(name), project_for(name).contents
    (core,) = (data for path, data in files.items() if path.endswith("thresher_top.v"))
    assert core == model.verilog.encode()
    manifest = json.loads(files["driver/model.json"])
    assert manifest["verilog_sha256"] == model.verilog_sha256
    assert any(path.startswith("driver/thresher_driver/") for path in files)


def test_the_clock_goes_into_the_project() -> None:
    settings = project_for("zcu104", 150.0).contents["settings.tcl"].decode()
    assert "set clock_mhz 150.0\nset clock_hz 150000000\n" in settings
    top = project_for("arty-s7-50", 75.0).contents["thresher_board.v"].decode()
    assert re.search(r"CLKFBOUT_MULT_F\((\d+)\.0\)", top)
    same = project_for("arty-s7-50").contents["thresher_board.v"].decode()
    assert "MMCME2" not in same
    cmod = project_for("cmod-s7").contents["thresher_board.v"].decode()
    assert ".CLKFBOUT_MULT_F(50.0)" in cmod
    assert ".CLKOUT0_DIVIDE_F(6.0)" in cmod


@pytest.mark.parametrize(
    ("name", "mhz", "words"),
    [
        ("arty-s7-50", 99.9999, "cannot make a clock of 99.9999 MHz of its 100 MHz; compile again "
         "with --clock-mhz .* or .*"),
        ("elastic-node-v5", 4.78515625, "cannot make a clock of 4.78516 MHz of its 100.* or "),
        ("cmod-s7", 500.0, "cannot make a clock of 500 MHz of its 12 MHz; .* --clock-mhz 384.0$"),
        ("zcu104", 400.0, "cannot make a clock of 400 MHz of its 100 MHz; .* --clock-mhz 33"),
    ],
)  # fmt: skip
def test_a_clock_that_cannot_be_made(name: str, mhz: float, words: str) -> None:
    with pytest.raises(ThresherError, match=words) as caught:
        make_project(compiled_for(name, mhz), get_board(name), None)
    offered = re.findall(r"\d+\.\d+(?= or|$)", str(caught.value))
    for offer in offered:
        make_project(compiled_for(name, float(offer)), get_board(name), None)


def test_another_board_is_refused() -> None:
    with pytest.raises(ThresherError, match="compiled for zcu104, not cmod-s7; compile again with"):
        make_project(compiled_for("zcu104"), get_board("cmod-s7"), None)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"lut": 100}, "needs .* LUTs by estimate, cmod-s7 has 100; compile again with --board"),
        ({"ff": 9}, "needs .* flip-flops by estimate, cmod-s7 has 9"),
        ({"lutram": -1}, "needs 0 LUTs as memory by estimate, cmod-s7 has -1"),
        ({"dsp": -1}, "needs 0 DSP blocks by estimate, cmod-s7 has -1"),
        ({"bram36": -1}, "needs 0 block RAMs by estimate, cmod-s7 has -1"),
        ({"uram": -1}, "needs 0 UltraRAMs by estimate, cmod-s7 has -1"),
    ],
)
def test_a_design_that_does_not_fit_is_refused(limit: dict[str, int], words: str) -> None:
    board = get_board("cmod-s7")
    small = replace(board, capacity=replace(board.capacity, **limit))
    with pytest.raises(ThresherError, match=words):
        make_project(compiled_for("cmod-s7"), small, None)


@pytest.mark.parametrize(
    ("name", "baud", "words"),
    [
        ("zcu104", 9600, "--baud is for boards with a UART, not zcu104; leave it out"),
        ("elastic-node-v5", 9600, "--baud is for boards with a UART, not elastic-node-v5; leave"),
        ("cmod-s7", 70_000_000, "--baud 70000000: baud must divide the clock"),
    ],
)
def test_a_baud_rate_that_cannot_be(name: str, baud: int, words: str) -> None:
    with pytest.raises(ThresherError, match=words):
        make_project(compiled_for(name), get_board(name), baud)


def test_the_baud_rate_changes_the_project() -> None:
    project = make_project(compiled_for("cmod-s7"), get_board("cmod-s7"), 115_200)
    assert json.loads(project.contents["project.json"])["baud"] == 115_200
    assert project.digest != project_for("cmod-s7").digest


def test_the_clock_to_try_is_one_that_can_be_made() -> None:
    board = get_board("cmod-s7")
    assert slower_clock(board, 96.9) == 96
    assert slower_clock(board, 399.9) == 384
    assert slower_clock(board, 4.0) is None
