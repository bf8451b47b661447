"""The folder OUT that a compilation leaves: written completely or not at all, and read back.

| file | content |
|---|---|
| `model.onnx` | the model, external data inside |
| `thresher.json` | format, version, options, digests |
| `rtl/thresher_top.v` | the Verilog that every engine and board uses |
| `streamlined.onnx`, `graph.txt` | the integer graph for Netron and qonnx, and for people |
| `folding.json` | every kernel's folding and every FIFO, to edit and give back with `--folding` |
| `report.json` | kernels, cycles, resources, verification |
| `build/B` | a project of `thresher build` for board B, with `project.json`; what Vivado left |
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.onnx_export import to_onnx
from thresher.compiler.integer.text import to_text
from thresher.compiler.schedule.foldingfile import read_folding, written
from thresher.gen.compiled import TOP_NAME, Compiled, compile_model
from thresher.gen.files import check_folder, replace_file, staged_folder
from thresher.gen.options import CompileOptions
from thresher.gen.report import compile_report

__all__ = [
    "BUILD", "PROJECT_STAMP",
    "check_writable", "load_folder", "read_report", "save_folder", "save_report",
]  # fmt: skip

FORMAT = 1
_MODEL, _STAMP, _REPORT, _FOLDING = "model.onnx", "thresher.json", "report.json", "folding.json"
_VERILOG = f"rtl/{TOP_NAME}.v"
_FILES = {_MODEL, _STAMP, _REPORT, _FOLDING, _VERILOG, "streamlined.onnx", "graph.txt"}
_AGAIN = "run thresher compile again"
BUILD, PROJECT_STAMP = "build", "project.json"


def check_writable(out: Path) -> None:
    """Refuse, before the work, a folder that could not be written or that holds something else.

    :raises ThresherError: says which.
    """
    try:
        if out.exists() and not out.is_dir():
            raise ThresherError(f"output '{out}' is a file; give a folder")
        if Path.cwd().is_relative_to(out.resolve()):
            raise ThresherError(f"output '{out}' is the current folder; give a folder below it")
        found = {p.relative_to(out).as_posix() for p in out.rglob("*") if not p.is_dir()}
    except (OSError, RuntimeError) as e:  # RuntimeError: a loop of symbolic links
        raise ThresherError(f"output '{out}' cannot be read ({e}); give another folder") from e
    foreign = sorted(f for f in found if not _is_ours(f, found) or _STAMP not in found)
    if foreign:
        raise ThresherError(
            f"output '{out}' holds '{foreign[0]}', which thresher did not write; "
            "move it away or give another folder"
        )
    check_folder(out)


def _is_ours(name: str, found: set[str]) -> bool:
    """Vivado leaves files of any name in a project, so that is known by its stamp."""
    folder, _, rest = name.partition("/")
    project = f"{BUILD}/{rest.partition('/')[0]}/{PROJECT_STAMP}"
    return name in _FILES or (folder == BUILD and project in found)


def save_folder(compiled: Compiled, out: Path) -> None:
    """Write OUT; an earlier OUT is replaced as a whole, and stays where writing fails.

    Projects in it stay where the Verilog is still the same.

    :raises ThresherError: OUT cannot be written, or holds something else.
    """
    files = _contents(compiled)
    assert files.keys() == _FILES
    check_writable(out)
    with staged_folder(out) as stage:
        for name, data in files.items():
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_bytes(data)
        if (out / BUILD).is_dir() and _same(out / _VERILOG, files[_VERILOG]):
            shutil.copytree(out / BUILD, stage / BUILD, symlinks=True, copy_function=os.link)


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _contents(compiled: Compiled) -> dict[str, bytes]:
    stamp = {
        "format": FORMAT,
        "version": version("thresher"),
        "model_sha256": compiled.model_sha256,
        "verilog_sha256": compiled.verilog_sha256,
        "options": compiled.options.to_dict(),
    }
    graph = compiled.streamlined.graph
    return {
        _MODEL: compiled.model,
        _STAMP: _json(stamp),
        _VERILOG: compiled.verilog.encode(),
        "streamlined.onnx": to_onnx(graph).SerializeToString(),
        "graph.txt": to_text(graph).encode(),
        _FOLDING: _json(dict(written(compiled.design))),
        _REPORT: _json(compile_report(compiled)),
    }


def load_folder(out: Path, *, say: Callable[[str], None] | None = None) -> Compiled:
    """The compilation that OUT holds, made again from its model and options.

    :raises ThresherError: OUT is not a folder of `thresher compile`, is of another version, or was
        changed since.
    """
    stamp = _stamp(out)
    if _digest(_read(out, _MODEL)) != stamp["model_sha256"]:
        raise _edited(out, _MODEL)
    try:
        options = CompileOptions.from_dict(stamp["options"])  # type: ignore[arg-type]
    except (TypeError, AttributeError, KeyError) as e:
        raise _edited(out, _STAMP) from e
    folded = replace(options, folding=read_folding(out / _FOLDING))
    made = replace(compile_model(out / _MODEL, folded, say=say), options=options)
    verilog = _read(out, _VERILOG)
    if _digest(verilog) != stamp["verilog_sha256"]:
        raise _edited(out, _VERILOG)
    if made.verilog.encode() != verilog:
        raise _edited(out, f"{_FOLDING}, {_STAMP} or thresher itself")
    return made


def _stamp(out: Path) -> Mapping[str, object]:
    remedy = "run thresher compile MODEL.onnx -o OUT first"
    if not (out / _STAMP).is_file():
        raise ThresherError(f"'{out}' is not a folder of thresher compile; {remedy}")
    stamp = _object(out, _STAMP)
    found, written = stamp.get("format"), stamp.get("version")
    if found != FORMAT or written != version("thresher"):
        raise ThresherError(
            f"'{out}' was written by thresher {written} (format {found}), this is "
            f"{version('thresher')} (format {FORMAT}); {_AGAIN}"
        )
    if not {"model_sha256", "verilog_sha256", "options"} <= stamp.keys():
        raise _edited(out, _STAMP)
    return stamp


def read_report(out: Path) -> dict[str, object]:
    """`report.json` of OUT.

    :raises ThresherError: it is missing or broken.
    """
    return _object(out, _REPORT)


def save_report(out: Path, report: Mapping[str, object]) -> None:
    """Replace `report.json` of OUT.

    :raises ThresherError: OUT cannot be written.
    """
    replace_file(out / _REPORT, lambda p: p.write_bytes(_json(report)))


def _edited(out: Path, what: str) -> ThresherError:
    return ThresherError(
        f"'{out}' does not hold what its model and options give ({what} changed); {_AGAIN}"
    )


def _read(out: Path, name: str) -> bytes:
    try:
        return (out / name).read_bytes()
    except OSError as e:
        raise ThresherError(f"'{out / name}' cannot be read ({e.strerror}); {_AGAIN}") from e


def _object(out: Path, name: str) -> dict[str, object]:
    try:
        found = json.loads(_read(out, name))
    except ValueError as e:
        raise ThresherError(f"'{out / name}' is not JSON; {_AGAIN}") from e
    if not isinstance(found, dict):
        raise ThresherError(f"'{out / name}' must hold an object; {_AGAIN}")
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
