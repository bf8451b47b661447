"""The command line: what it prints, its exit status, and one line for whatever is wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thresher.gen import folder
from thresher.gen.cli import main
from thresher.gen.compiled import Compiled
from thresher.gen.folder import load_folder, read_report
from thresher.rtl.mvau import MVAU
from thresher.sim.engine import SimulationError
from zoo.rtl import save

Refused = Callable[..., str]


def written(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


# What works


def test_compile_verify_run(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a/b/out"
    assert main(["compile", str(model_file), "-o", str(out), "--board", "zcu104"]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    for word in ("rnn_relu", "MVAU pe x simd", "latency", "interval", "at 200 MHz", "DSP"):
        assert word in printed.out

    assert main(["verify", str(out), "--samples", "3", "--stalls", "--seed", "5"]) == 0
    text = capsys.readouterr().out
    for words in ("0 differ, 0 unexplained", "0 mismatches, with and without stalls", "PASSED"):
        assert words in text
    report = read_report(out)
    assert report["verify"]["samples"] == 3  # type: ignore[index]
    for cycles in report["cycles"].values():  # type: ignore[attr-defined]
        assert cycles["simulated"] == cycles["predicted"]

    x = np.random.default_rng(0).normal(size=(2, 6, 1, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    outputs = []
    for engine in ("golden", "verilator"):
        path = tmp_path / f"{engine}.npz"
        command = ["run", str(out), "--input", str(tmp_path / "x.npy"), "--output", str(path)]
        assert main([*command, "--engine", engine]) == 0
        assert "y: float32 (2, 6, 1, 8) -> " in capsys.readouterr().out
        outputs.append(np.load(path))
    reference = load_folder(out).reference.run({"x": x})
    for name, array in reference.items():
        np.testing.assert_array_equal(outputs[0][name], array)
        np.testing.assert_array_equal(outputs[1][name], array)


def test_one_sample_has_no_interval(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(out), "--samples", "1"]) == 0
    assert "interval" not in capsys.readouterr().out
    cycles: Any = read_report(out)["cycles"]
    assert cycles["latency"]["simulated"] == cycles["latency"]["predicted"]
    assert cycles["interval"]["simulated"] is None


def test_verify_on_given_inputs(out: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((5, 6, 1, 5), np.int8), labels=np.arange(5))
    command = ["verify", str(out), "--input", str(tmp_path / "x.npz")]
    for options, samples in (([], 5), (["--samples", "2"], 2)):
        assert main([*command, *options]) == 0
        assert read_report(out)["verify"]["samples"] == samples  # type: ignore[index]


def test_symbolic_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compile", str(save("lstm_symbolic", tmp_path)), "-o", str(tmp_path / "out")]
    assert main([*command, "--seq-len", "3"]) == 0
    assert load_folder(tmp_path / "out").streamlined.graph.inputs[0].tensor.shape == (3, 1, 5)


def test_folding_file_and_target(model_file: Path, out: Path, tmp_path: Path) -> None:
    """The folding that a compilation wrote can be edited and given back."""
    path = out / "folding.json"
    folding = json.loads(path.read_text())
    name = next(k for k, v in folding.items() if "pe" in v)
    path.write_text(json.dumps({name: {"pe": 1, "simd": 1}}))
    command = ["compile", str(model_file), "-o", str(out), "--folding", str(path)]
    assert main(command) == 0
    assert json.loads(path.read_text())[name] == {"pe": 1, "simd": 1, "memory": "auto"}
    assert main([*command, "--max-latency-us", "100", "--budget", "lut=50000"]) == 0
    assert load_folder(out).options.max_latency_us == 100


def test_installed_command(model_file: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("thresher")
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:9]) == (0, "thresher ")
    done = subprocess.run(
        [command, "compile", tmp_path / "no.onnx", "-o", tmp_path / "out"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.startswith("thresher: model ")
    assert done.stderr.endswith("cannot be read (no such file or directory); check the path\n")


# Verification that fails: exit status 1


def fails(monkeypatch: pytest.MonkeyPatch, change: Callable[[Compiled], Compiled]) -> None:
    """The design is not what it says."""
    monkeypatch.setattr(folder, "load_folder", lambda out, say: change(load_folder(out)))


def refuted(out: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """`verify` fails with these words (regular expressions); its part of the report."""
    assert main(["verify", str(out), "--samples", "4"]) == 1
    printed = capsys.readouterr().out
    for pattern in (*words, "FAILED"):
        assert re.search(pattern, printed), pattern
    report: Any = read_report(out)["verify"]
    assert report["passed"] is False
    return dict(report)


def test_broken_hardware(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One kernel has its weights upside down."""

    def change(good: Compiled) -> Compiled:
        name, kernel = next((n, k) for n, k in good.design.kernels.items() if isinstance(k, MVAU))
        upside = replace(kernel, weights=kernel.weights[:, ::-1].copy())
        kernels = {**good.design.kernels, name: upside}
        return replace(good, design=replace(good.design, kernels=kernels))

    fails(monkeypatch, change)
    first = r"sample 0, output '[yh]' at \(.*\): golden -?\d+, RTL -?\d+"
    report = refuted(out, capsys, "4 mismatches", first)
    assert report["mismatches"] == 4
    assert report["reference"]["differing"] == 0


def test_broken_integers(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model file computes something else in one sample."""

    def change(good: Compiled) -> Compiled:
        reference = good.reference
        run = reference.run

        def wrong(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            found = run(inputs)
            found["y"][2, 0, 0, 1] += 1
            return found

        monkeypatch.setattr(reference, "run", wrong)
        return good

    fails(monkeypatch, change)
    report = refuted(
        out, capsys, "1 differ, 1 unexplained", r"sample 2, tensor 'y' at \(0, 0, 1\)",
        "no rounding tie explains this",
    )  # fmt: skip
    assert report["mismatches"] == 0
    assert report["reference"]["unexplained"] == 1


def test_wrong_prediction(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "thresher.sim.verify.completion_times", lambda _, frames: np.arange(1, frames + 1)
    )
    assert main(["verify", str(out), "--samples", "2"]) == 1
    assert "NOT as predicted" in capsys.readouterr().out
    assert read_report(out)["verify"]["cycles_agree"] is False  # type: ignore[index]


def test_stuck_simulation(out: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    def stuck(*_: object, **__: object) -> None:
        raise SimulationError("simulation of 'thresher_top' is stuck")

    monkeypatch.setattr("thresher.sim.verify.run_design", stuck)
    assert "is stuck" in refused("verify", out, status=1)
    report: Any = read_report(out)["verify"]
    assert report["passed"] is False
    assert "is stuck" in report["error"]


# Interrupts

PAUSE = """
import sys, time
from thresher.gen import {module}
from thresher.gen.cli import main
def pause(*_):
    print("here", flush=True)
    time.sleep(100)
{module}.{function} = pause
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "module", "function", "old"),
    [
        (signal.SIGINT, "folder", "_contents", False),
        (signal.SIGTERM, "files", "_swap", False),
        (signal.SIGINT, "files", "_swap", True),
        (signal.SIGKILL, "files", "_swap", True),
    ],
)
def test_interrupted_compile(
    model_file: Path, out: Path, number: signal.Signals, module: str, function: str, old: bool
) -> None:
    if not old:
        shutil.rmtree(out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    command = ["compile", str(model_file), "-o", str(out), "--clock-mhz", "77"]
    with subprocess.Popen(
        [sys.executable, "-c", PAUSE.format(module=module, function=function), *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, number)
        printed = process.communicate()[1]
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert printed == "thresher: interrupted\n"
        assert written(out.parent) == ({"out"} if old else set())
    assert main(command) == 0
    assert load_folder(out).options.clock_mhz == 77


def test_handlers_are_given_back(out: Path) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    main(["verify", str(out.parent / "no")])
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before


def test_a_closed_pipe(out: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 1, 5), np.float32))
    command = [
        sys.executable, "-m", "thresher.gen.cli", "run", str(out), "--engine", "golden",
        "--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npz"),
    ]  # fmt: skip
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1
    assert not done.stderr
