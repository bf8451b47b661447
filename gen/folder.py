"""The folder OUT that a compilation leaves: written completely or not at all, and read back.

| file | content |
|---|---|
| `model.onnx` | the model, external data inside |
| `thresher.json` | format, version, options, digests |
| `rtl/thresher_top.v` | the Verilog that every engine and board uses |
| `streamlined.onnx`, `graph.txt` | the integer graph for Netron and qonnx, and for people |
| `folding.json` | the folding of every kernel, to edit and give back with `--folding` |
| `report.json` | kernels, cycles, resources, verification |
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import onnx

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.onnx_export import to_onnx
from thresher.compiler.integer.text import to_text
from thresher.gen.compiled import TOP_NAME, Compiled, compile_model
from thresher.gen.files import replace_file, staged_folder
from thresher.gen.options import CompileOptions
from thresher.gen.report import compile_report

__all__ = ["check_writable", "load_folder", "read_report", "save_folder", "save_report"]

FORMAT = 1
_STAMP = "thresher.json"


def check_writable(out: Path) -> None:
    """Refuse a folder that could not be written, or that holds something else, before the work."""
    if out.exists() and not out.is_dir():
        raise ThresherError(f"output '{out}' is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / _STAMP).is_file():
        raise ThresherError(
            f"output '{out}' holds files that thresher did not write; give another folder"
        )
    parent = out.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ThresherError(f"output '{out}' is not writable; give a folder under your own")
    if out.is_dir() and not os.access(out, os.W_OK | os.X_OK):
        raise ThresherError(f"output '{out}' is not writable; give a folder under your own")


def save_folder(compiled: Compiled, out: Path) -> None:
    """Write OUT; an earlier OUT is replaced as a whole, and stays where writing fails."""
    check_writable(out)
    with staged_folder(out) as stage:
        (stage / "rtl").mkdir()
        (stage / "model.onnx").write_bytes(compiled.model)
        (stage / "rtl" / f"{TOP_NAME}.v").write_text(compiled.verilog)
        onnx.save(to_onnx(compiled.streamlined.graph), stage / "streamlined.onnx")
        (stage / "graph.txt").write_text(to_text(compiled.streamlined.graph))
        _write_json(stage / "folding.json", dict(compiled.design.folding))
        _write_json(stage / "report.json", compile_report(compiled))
        _write_json(
            stage / _STAMP,
            {
                "format": FORMAT,
                "version": version("thresher"),
                "model_sha256": compiled.model_sha256,
                "verilog_sha256": _digest(compiled.verilog),
                "options": compiled.options.to_dict(),
            },
        )


def load_folder(out: Path, *, say: Callable[[str], None] | None = None) -> Compiled:
    """The compilation that OUT holds, made again from its model and options.

    :raises ThresherError: OUT is not a folder of `thresher compile`, is of another version, or was
        changed since.
    """
    stamp = _stamp(out)
    options = CompileOptions(**stamp["options"])  # type: ignore[arg-type]
    folding = json.loads((out / "folding.json").read_text())
    made = compile_model(
        out / "model.onnx",
        CompileOptions(**{**options.to_dict(), "folding": folding}),  # type: ignore[arg-type]
        say=say,
    )
    verilog = (out / "rtl" / f"{TOP_NAME}.v").read_text()
    if made.verilog != verilog or _digest(verilog) != stamp["verilog_sha256"]:
        raise ThresherError(
            f"'{out}' does not hold what its model and options give (files were edited, or "
            "thresher changed); run thresher compile again"
        )
    return made


def _stamp(out: Path) -> Mapping[str, object]:
    remedy = "run thresher compile MODEL.onnx -o OUT first"
    if not (out / _STAMP).is_file():
        raise ThresherError(f"'{out}' is not a folder of thresher compile; {remedy}")
    try:
        stamp = json.loads((out / _STAMP).read_text())
        found, written = stamp["format"], stamp["version"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ThresherError(f"'{out / _STAMP}' cannot be read; {remedy}") from e
    if found != FORMAT or written != version("thresher"):
        raise ThresherError(
            f"'{out}' was written by thresher {written} (format {found}), this is "
            f"{version('thresher')} (format {FORMAT}); run thresher compile again"
        )
    if not isinstance(stamp, dict):
        raise ThresherError(f"'{out / _STAMP}' cannot be read; {remedy}")
    return stamp


def read_report(out: Path) -> dict[str, object]:
    """`report.json` of OUT."""
    report = json.loads((out / "report.json").read_text())
    assert isinstance(report, dict)
    return report


def save_report(out: Path, report: Mapping[str, object]) -> None:
    """Replace `report.json` of OUT."""
    replace_file(out / "report.json", lambda p: _write_json(p, report))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
