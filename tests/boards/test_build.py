"""`thresher build`: projects, runs of a stand-in for Vivado, reports, statuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from projects import compiled_for, project_for, vivado_on_path

from thresher.boards.registry import BOARDS, get_board
from thresher.boards.vivado import runner
from thresher.boards.vivado.build import Built, Failed, NotRun, build, make_project
from thresher.boards.vivado.project import LOG, slower_clock
from thresher.compiler.errors import ThresherError
from thresher.gen.cli import main
from thresher.gen.folder import check_writable, load_folder, read_report, save_folder
from thresher.gen.options import Target
from zoo.rtl import compiled, random_folding

KINDS = pytest.mark.parametrize("name", ["zcu104", "cmod-s7"])


@pytest.fixture
def vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put the stand-in on PATH; call it to have something go wrong."""
    monkeypatch.setenv("PATH", vivado_on_path(tmp_path / "bin"))
    return lambda scenario: monkeypatch.setenv("VIVADO_SCENARIO", scenario)


@pytest.fixture
def no_vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.shutil, "which", lambda _: None)


def content(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


# Projects


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


# Runs


@KINDS
def test_success(name: str, tmp_path: Path, vivado: object) -> None:
    project, said = project_for(name), list[str]()
    done = build(project, tmp_path, say=said.append)
    assert isinstance(done, Built)
    assert done.fresh
    expected = {
        "synth_design", "Place", "Route",
        "Phase 1 Initialization", "Phase 2 Global", "Phase 3 Final",
    }  # fmt: skip
    assert expected <= set(said)
    folder = tmp_path / "build" / name
    assert done.result == {
        "tool": "Vivado v.2022.2 (lin64) Build 3671981 Fri Oct 14 04:59:54 MDT 2022",
        "part": get_board(name).part,
        "clock_mhz": project.clock_mhz,
        "timing_met": True,
        "wns_ns": 0.137,
        "whs_ns": 0.021,
        "fmax_mhz_estimate": round(1000 / (1000 / project.clock_mhz - 0.137), 2),
        "utilisation": done.result["utilisation"],
        "bitstream": f"build/{name}/{project.outputs[0]}",
    }
    log = (folder / LOG).read_text()
    assert "a stand-in: nothing is built" in log
    assert "Starting Place Task" in log


@KINDS
def test_a_second_run_does_nothing(
    name: str, tmp_path: Path, vivado: Callable[[str], None]
) -> None:
    project = project_for(name)
    build(project, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    vivado("silent")
    done = build(project, tmp_path)
    assert isinstance(done, Built)
    assert not done.fresh
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "lost", ["thresher.bit", "thresher.xsa", "timing.rpt", "finished.txt", "vivado"]
)
def test_what_was_lost_is_made_again(lost: str, tmp_path: Path, vivado: object) -> None:
    project, folder = project_for("zcu104"), tmp_path / "build" / "zcu104"
    build(project, tmp_path)
    path = folder / lost
    subprocess.run(["rm", "-r", str(path)], check=True)
    done = build(project, tmp_path)
    assert isinstance(done, Built)
    assert done.fresh == (lost != "vivado")


def test_another_input_replaces_the_project(tmp_path: Path, vivado: object) -> None:
    build(project_for("zcu104"), tmp_path)
    folder = tmp_path / "build" / "zcu104"
    assert (folder / "thresher.bit").exists()
    done = build(project_for("zcu104", 150.0), tmp_path, run=False)
    assert isinstance(done, NotRun)
    assert not (folder / "thresher.bit").exists()
    assert content(folder).keys() == project_for("zcu104").contents.keys()


def test_an_edited_file_is_put_right(tmp_path: Path, vivado: object) -> None:
    build(project_for("zcu104"), tmp_path)
    path = tmp_path / "build/zcu104/build.tcl"
    path.write_text("exit 0\n")
    done = build(project_for("zcu104"), tmp_path)
    assert isinstance(done, Built)
    assert done.fresh
    assert path.read_bytes() == project_for("zcu104").contents["build.tcl"]


def test_a_bitstream_of_another_project_is_not_taken(tmp_path: Path, vivado: object) -> None:
    build(project_for("zcu104"), tmp_path)
    marker = tmp_path / "build/zcu104/finished.txt"
    marker.write_text("0123 2022.2\n")
    done = build(project_for("zcu104"), tmp_path)
    assert isinstance(done, Built)
    assert done.fresh


@KINDS
def test_run_elsewhere_and_copied_back(name: str, tmp_path: Path, no_vivado: None) -> None:
    project = project_for(name)
    done = build(project, tmp_path)
    assert isinstance(done, NotRun)
    assert done.why == "Vivado is not on PATH"
    path = vivado_on_path(tmp_path / "bin")
    subprocess.run(["sh", "-c", done.command], env={**os.environ, "PATH": path}, check=True)
    again = build(project, tmp_path)
    assert isinstance(again, Built)
    assert again.result["wns_ns"] == 0.137


@pytest.mark.parametrize(
    ("name", "scenario", "words"),
    [
        ("zcu104", "synthesis", r"Vivado failed: \[Synth 8-2715\] syntax error near '\)'"),
        ("cmod-s7", "synthesis", r"Vivado failed: \[Synth 8-2715\] syntax error near '\)'"),
        (
            "cmod-s7",
            "licence",
            r"\[Common 17-345\] A valid license was not found",
        ),
        (
            "zcu104",
            "licence",
            r"\[Common 17-345\] A valid license was not found",
        ),
        ("cmod-s7", "crash", r"Vivado failed: Abnormal program termination \(11\)"),
        (
            "cmod-s7",
            "silent",
            r"Vivado failed: exit status 7; its last line is '.*is built'",
        ),
        ("zcu104", "no_board", r"\[Thresher 1-1\] Vivado has no board files of xilinx.com:zcu104"),
        (
            "zcu104",
            "timing",
            r"timing failed: WNS -0.412 ns at 200 MHz; compile .* --clock-mhz 184",
        ),
        (
            "cmod-s7",
            "timing",
            r"timing failed: WNS -0.412 ns at 100 MHz; compile .* --clock-mhz 96",
        ),
        (
            "cmod-s7",
            "hold",
            r"timing failed: WHS -0.033 ns, which no clock changes; try another ver",
        ),
    ],
)
def test_failures(
    name: str, scenario: str, words: str, tmp_path: Path, vivado: Callable[[str], None]
) -> None:
    vivado(scenario)
    project = project_for(name)
    done = build(project, tmp_path)
    assert isinstance(done, Failed)
    assert re.search(words, done.cause), done.cause
    assert "\n" not in done.cause
    assert (tmp_path / "build" / name / LOG).is_file()
    if scenario in ("timing", "hold"):
        assert done.result is not None
        assert done.result["timing_met"] is False
        assert done.result["bitstream"] is None
    else:
        assert done.result is None
        assert str(tmp_path / "build" / name / LOG) in done.cause
    vivado("success")
    assert isinstance(build(project, tmp_path), Built)


def test_a_killed_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vivado").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "vivado").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = build(project_for("cmod-s7"), tmp_path / "out")
    assert isinstance(done, Failed)
    assert "killed by signal 9; is the memory enough?" in done.cause


def test_success_without_a_result_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vivado").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "vivado").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = build(project_for("cmod-s7"), tmp_path / "out")
    assert isinstance(done, Failed)
    assert done.cause.startswith("Vivado ended without a result; see ")


INTERRUPTED = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from projects import project_for
from thresher.boards.vivado.build import build
try:
    build(project_for("cmod-s7"), Path(sys.argv[1]), say=lambda line: print(line, flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def runs(pid: str) -> bool:
    """Whether a process is there, and more than a zombie that nobody has waited for."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_an_interrupt_ends_vivado_and_all_that_it_started(tmp_path: Path) -> None:
    path = vivado_on_path(tmp_path / "bin")
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(tests), str(tests.parent)],
        env={**os.environ, "PATH": path, "VIVADO_SCENARIO": "sleep"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "Placer\n"
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    assert process.stdout.read() == "interrupted\n"
    assert process.wait(20) == 0
    pids = (tmp_path / "build/cmod-s7/pids.txt").read_text().split()
    assert len(pids) == 2
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() - started < 20, left
        time.sleep(0.05)


# The command line


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


# OUT


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
