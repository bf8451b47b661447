"""Runs of a stand-in for Vivado: success, failures, again, elsewhere."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import content, project_for, vivado_on_path

from thresher.boards.registry import get_board
from thresher.boards.vivado.build import Built, Failed, NotRun, build
from thresher.boards.vivado.project import LOG

KINDS = pytest.mark.parametrize("name", ["zcu104", "cmod-s7"])


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
