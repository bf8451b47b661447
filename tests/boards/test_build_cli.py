"""`thresher build` on the command line, and what OUT becomes."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from projects import compiled_for, content, project_for

from thresher.boards.registry import BOARDS, get_board
from thresher.boards.vivado.build import build
from thresher.compiler.errors import ThresherError
from thresher.gen.cli import main
from thresher.gen.folder import check_writable, load_folder, read_report, save_folder
from thresher.gen.options import Target
from zoo.rtl import compiled, random_folding


@pytest.fixture(scope="module")
def _out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    save_folder(compiled_for("zcu104"), out)
    return out


@pytest.fixture
def out(_out: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", str(_out), str(tmp_path / "out")], check=True)
    return tmp_path / "out"


def test_without_vivado(out: Path, no_vivado: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(out), "--board", "zcu104"]) == 3
    printed = capsys.readouterr().out
    assert "Vivado is not on PATH" in printed
    assert (
        f"cd {out}/build/zcu104 && vivado -mode batch -nojournal -log vivado.log -source "
        in printed
    )
    assert "vivado" not in read_report(out)
    assert main(["build", str(out), "--board", "zcu104", "--project-only"]) == 0


def test_with_vivado(
    out: Path, vivado: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(out), "--board", "ZCU104"]) == 0
    printed = capsys.readouterr().out
    for words in ("200 MHz, about 205.63 reachable", "WNS 0.137 ns", "3120 of 230400 (1%)", ".bit"):
        assert words in printed
    report: Any = read_report(out)
    assert report["vivado"]["zcu104"]["utilisation"]["bram36"] == {"used": 4.5, "of": 312.0}
    assert report["verify"] == {"samples": 0, "mismatches": None}
    assert main(["build", str(out), "--board", "zcu104"]) == 0
    assert "before: nothing has changed" in capsys.readouterr().out

    vivado("timing")
    (out / "build/zcu104/finished.txt").unlink()
    assert main(["build", str(out), "--board", "zcu104"]) == 1
    printed_err = capsys.readouterr().err
    assert printed_err == (
        "thresher: timing failed: WNS -0.412 ns at 200 MHz; compile again with --clock-mhz 184\n"
    )
    report = read_report(out)
    assert report["vivado"]["zcu104"]["wns_ns"] == -0.412


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--board", "pynq"], "board must be one of arty-s7-25, "),
        (["--board", "cmod-s7"], "the design was compiled for zcu104, not cmod-s7; "),
        (["--board", "zcu104", "--baud", "9600"], "--baud is for boards with a UART"),
        (["--board", "zcu104", "--baud", "x"], "must be a whole number of at least 1, not 'x'"),
        ([], "the following arguments are required: --board"),
    ],
)
def test_refusals(
    options: list[str], words: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(out), *options]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1
    assert not (out / "build").exists()


def test_the_boards_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BOARDS)
    assert "elastic-node-v5  Elastic Node v5: xc7s15ftgb196-2, spi, 100 MHz" in lines


def test_out_with_projects_is_ours(out: Path, vivado: object) -> None:
    build(project_for("zcu104"), out)
    check_writable(out)
    load_folder(out)
    (out / "build/mine").mkdir()
    (out / "build/mine/notes.txt").write_text("mine")
    with pytest.raises(ThresherError, match="holds 'build/mine/notes.txt', which thresher did not"):
        check_writable(out)


def test_compiling_again_keeps_projects_of_the_same_verilog(out: Path, vivado: object) -> None:
    build(project_for("zcu104"), out)
    before = content(out / "build")
    save_folder(compiled_for("zcu104"), out)
    assert content(out / "build") == before
    other = compiled_for("zcu104", 150.0)
    assert other.verilog == compiled_for("zcu104").verilog
    changed = replace(other, options=replace(other.options, board=None))
    save_folder(changed, out)
    assert content(out / "build") == before
    save_folder(compiled("rnn_relu", random_folding("rnn_relu", 1)), out)
    assert not (out / "build").exists()


def test_a_target_alone_is_enough_for_a_board() -> None:
    board = get_board("zcu104")
    assert board.target == Target(name="zcu104", capacity=board.capacity, clock_mhz=200.0)
