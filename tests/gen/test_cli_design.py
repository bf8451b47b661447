"""The command line: options that shape the design, from compile to report and back."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thresher.gen.cli import main
from thresher.gen.folder import load_folder, read_report

Refused = Callable[..., str]


def test_interleave(model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames of three samples; shapes of inputs and outputs stay those of samples."""
    out = tmp_path / "out"
    assert main(["compile", str(model_file), "-o", str(out), "--interleave", "3"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^frame +3 samples that take turns$", printed, re.MULTILINE)
    assert re.search(r"^busy +mvau_\S+ \d+%", printed, re.MULTILINE)

    assert main(["verify", str(out), "--samples", "8", "--stalls"]) == 0
    report: Any = read_report(out)
    assert report["samples_per_frame"] == 3
    assert report["verify"]["samples"] == 8
    for cycles in report["cycles"].values():
        assert cycles["simulated"] == cycles["predicted"]
    assert report["inputs"]["x"]["shape"] == [6, 1, 5]
    assert report["inputs"]["x"]["samples_axis"] == 1
    assert {o["samples_axis"] for o in report["outputs"].values()} == {0, 1}
    for kernel in report["kernels"].values():
        share = kernel["busy_cycles"] / cycles["predicted"]
        assert kernel["utilisation"] == round(share, 4) <= 1
    assert load_folder(out).options.interleave == 3

    x = np.random.default_rng(0).normal(size=(4, 6, 1, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    command = ["run", str(out), "--input", str(tmp_path / "x.npy"), "--output"]
    assert main([*command, str(tmp_path / "y.npz"), "--engine", "amaranth"]) == 0
    found = np.load(tmp_path / "y.npz")
    for name, array in load_folder(out).reference.run({"x": x}).items():
        np.testing.assert_array_equal(found[name], array)


def test_memories(model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Chosen under the budget, told, and kept in folding.json."""
    out = tmp_path / "out"
    folding = {"block": {"pe": 1, "simd": 1, "memory": "block"}, "any": {"pe": 1, "simd": 1}}
    for budget, entry, style in (("bram=0", "any", "logic"), ("bram=9", "block", "block")):
        command = ["compile", str(model_file), "-o", str(out), "--budget", budget]
        name = _product(model_file, tmp_path)
        (tmp_path / "f.json").write_text(json.dumps({name: folding[entry]}))
        assert main([*command, "--folding", str(tmp_path / "f.json")]) == 0
        assert re.search(rf"^memories .*{style}: .*{name}", capsys.readouterr().out, re.MULTILINE)
        report: Any = read_report(out)
        assert report["kernels"][name]["memory"] == style
        assert json.loads((out / "folding.json").read_text())[name]["memory"] in ("auto", style)
        assert load_folder(out).verilog == (out / "rtl/thresher_top.v").read_text()
        assert {fifo["memory"] for fifo in report["fifos"]} <= {None, "lutram"}


def _product(model_file: Path, tmp_path: Path) -> str:
    """The name of a product of the model."""
    assert main(["compile", str(model_file), "-o", str(tmp_path / "any"), "--quiet"]) == 0
    folding = json.loads((tmp_path / "any/folding.json").read_text())
    return next(name for name, entry in folding.items() if "pe" in entry)


def test_fifos(
    model_file: Path,
    out: Path,
    tmp_path: Path,
    refused: Refused,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Named in folding.json, as in the report; given back they give the same Verilog."""
    folding = json.loads((out / "folding.json").read_text())
    report: Any = read_report(out)
    assert list(folding["fifos"]) == [f"{f['from']} -> {f['to']}" for f in report["fifos"]]
    again, path = tmp_path / "again", tmp_path / "f.json"
    command = ["compile", str(model_file), "-o", str(again), "--quiet", "--folding"]
    assert main([*command, str(out / "folding.json")]) == 0
    for name in ("rtl/thresher_top.v", "folding.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()

    edge = next(iter(folding["fifos"]))
    folding["fifos"][edge] = {"depth": 6000, "memory": "ultra"}
    path.write_text(json.dumps(folding))
    capsys.readouterr()
    assert f"FIFO '{edge}': memory must be one of" in refused(*command, path)
    assert "for only UltraScale+ boards" in refused(*command, path, "--board", "cmod-s7")
    assert main([*command, str(path), "--budget", "uram=3"]) == 0
    report = read_report(again)
    fifo = next(f for f in report["fifos"] if f"{f['from']} -> {f['to']}" == edge)
    assert (fifo["depth"], fifo["least_depth"], fifo["memory"]) == (6000, 2, "ultra")
    assert report["resources"]["estimated"]["uram"] == 2
    assert report["resources"]["limits"]["uram"] == 3
    assert main(["verify", str(again), "--quiet"]) == 0


def test_ultraram_of_a_board(
    model_file: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A FIFO goes there where neither LUTs nor block RAMs are to hold it."""
    edge = next(iter(json.loads((out / "folding.json").read_text())["fifos"]))
    (tmp_path / "f.json").write_text(json.dumps({"fifos": {edge: {"depth": 5000}}}))
    command = ["compile", str(model_file), "-o", str(tmp_path / "new"), "--folding"]
    command += [str(tmp_path / "f.json"), "--board", "zcu104", "--budget"]
    for budget, blocks, told in (("bram=0", 2, ", 2 URAM"), ("bram=20", 0, " BRAM36")):
        assert main([*command, budget]) == 0
        assert f"{told}\n" in capsys.readouterr().out
        report: Any = read_report(tmp_path / "new")
        assert report["resources"]["estimated"]["uram"] == blocks
        assert report["resources"]["capacity"]["uram"] == 96
