"""OUT: complete or absent, nobody else's files, and refused once it was changed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from thresher.compiler.errors import ThresherError
from thresher.gen import files, folder
from thresher.gen.compiled import compile_model
from thresher.gen.files import check_folder, replace_file, staged_folder
from thresher.gen.folder import check_writable, load_folder, read_report, save_folder, save_report
from thresher.gen.options import CompileOptions

CONTENT = {
    "model.onnx", "thresher.json", "rtl/thresher_top.v", "streamlined.onnx", "graph.txt",
    "folding.json", "report.json",
}  # fmt: skip


def content(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_holds_what_it_promises(out: Path) -> None:
    assert content(out).keys() == CONTENT
    report = read_report(out)
    assert report["cycles"]["latency"]["predicted"] > 0  # type: ignore[index]
    assert report["cycles"]["latency"]["simulated"] is None  # type: ignore[index]
    assert report["verify"] == {"samples": 0, "mismatches": None}
    onnx.checker.check_model(onnx.load(out / "model.onnx"))
    assert "module thresher_top(" in (out / "rtl/thresher_top.v").read_text()


def test_modes_follow_the_umask(out: Path) -> None:
    before = os.umask(0o027)
    try:
        save_report(out, {})
        with staged_folder(out.parent / "new") as stage:
            (stage / "f").touch()
    finally:
        os.umask(before)
    assert (out / "report.json").stat().st_mode & 0o777 == 0o640
    assert (out.parent / "new").stat().st_mode & 0o777 == 0o750


def test_loads_what_was_saved(model_file: Path, out: Path) -> None:
    options = CompileOptions(clock_mhz=50, max_latency_us=20.0, budget={"lut": 5000})
    made = compile_model(model_file, options)
    save_folder(made, out)
    loaded = load_folder(out)
    assert loaded.options == options
    assert loaded.verilog == made.verilog
    assert loaded.model == made.model
    assert loaded.design.folding == made.design.folding
    assert loaded.design.predicted == made.design.predicted


def test_saving_again_gives_the_same_bytes(out: Path) -> None:
    before = content(out)
    save_folder(load_folder(out), out)
    assert content(out) == before


def test_out_may_be_a_link(out: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(out)
    save_folder(load_folder(out), link)
    assert link.is_symlink()
    assert content(out).keys() == CONTENT


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edited(out: Path) -> None:
        (out / name).write_text(change((out / name).read_text()))

    return edited


def stamped(**changes: object) -> Callable[[Path], None]:
    return edit("thresher.json", lambda text: json.dumps({**json.loads(text), **changes}))


def other_folding(text: str) -> str:
    found = json.loads(text)
    name = next(k for k, v in found.items() if v.get("pe"))
    return json.dumps({**found, name: {"pe": 1, "simd": 1}})


def other_model(out: Path) -> None:
    model = onnx.load(out / "model.onnx")
    model.doc_string = "edited"
    onnx.save(model, out / "model.onnx")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit("rtl/thresher_top.v", lambda t: t + " "), r"rtl/thresher_top\.v changed"),
        (edit("folding.json", other_folding), "folding.json, .* changed"),
        (edit("folding.json", lambda _: "{"), "it must be JSON"),
        (other_model, "model.onnx changed"),
        (stamped(version="0.0.1"), r"was written by thresher 0\.0\.1 \(format 1\), this is"),
        (stamped(format=9), r"format 9\), this is .*\(format 1\); run thresher compile again"),
        (stamped(options={"colour": "red"}), "thresher.json changed"),
        (stamped(options={"seq_len": "x"}), "thresher.json changed"),
        (stamped(options=None), "thresher.json changed"),
        (stamped(options={"board": "zcu104"}), "thresher.json changed"),
        (stamped(options={"board": {"name": "zcu104"}}), "thresher.json changed"),
        (stamped(verilog_sha256=""), "thresher_top.v changed"),
        (edit("thresher.json", lambda _: "[]"), "must hold an object"),
        (edit("thresher.json", lambda _: "{"), "is not JSON"),
        (edit("thresher.json", lambda _: '{"format": 1}'), "was written by thresher None"),
        (lambda out: (out / "model.onnx").unlink(), r"model.onnx' cannot be read \(No such"),
        (lambda out: (out / "rtl/thresher_top.v").unlink(), "thresher_top.v' cannot be read"),
        (lambda out: (out / "folding.json").unlink(), "folding.json.*must be a readable file"),
        (lambda out: (out / "thresher.json").unlink(), "is not a folder of thresher compile"),
        (shutil.rmtree, "is not a folder of thresher compile; run thresher compile MODEL.onnx"),
    ],
)
def test_a_changed_folder_is_refused(out: Path, change: Callable[[Path], None], words: str) -> None:
    change(out)
    with pytest.raises(ThresherError, match=words) as caught:
        load_folder(out)
    assert "\n" not in str(caught.value)


def test_a_broken_report_is_refused(out: Path) -> None:
    (out / "report.json").write_text("{")
    with pytest.raises(ThresherError, match="report.json' is not JSON; run thresher compile again"):
        read_report(out)


@pytest.mark.parametrize("name", ["notes.txt", "rtl/extra.v", "sub/y.npy", ".hidden"])
def test_foreign_files_are_refused(out: Path, tmp_path: Path, name: str) -> None:
    for place in (out, tmp_path / "other"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("mine")
        with pytest.raises(ThresherError, match=f"holds '{name}', which thresher did not write"):
            check_writable(place)
        assert (place / name).read_text() == "mine"


def test_names_of_ours_without_a_stamp_are_foreign(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(ThresherError, match="holds 'model.onnx', which thresher did not write"):
        check_writable(tmp_path)


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for place in (".", "", "..", tmp_path):
        with pytest.raises(ThresherError, match="is the current folder; give a folder below it"):
            check_writable(Path(place))
    check_writable(Path("new/deep"))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ThresherError, match="is a file; give a folder"):
        check_writable(tmp_path / "file")
    for place in (tmp_path / "file/out", Path("/proc/thresher/out"), tmp_path / "loop/out"):
        with pytest.raises(ThresherError, match="is not writable|cannot be read"):
            check_writable(place)
    with pytest.raises(ThresherError, match="File name too long"):
        check_writable(tmp_path / ("x" * 300))
    with pytest.raises(ThresherError, match="is not writable"):
        check_folder(Path("/proc/y.npy"))


def test_an_empty_folder_is_taken(out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_folder(load_folder(out), tmp_path / "empty")
    assert content(tmp_path / "empty").keys() == CONTENT


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("where", ["write", "rename"])
def test_failing_leaves_out_as_it_was(
    out: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, old: bool, where: str
) -> None:
    model, place = load_folder(out), out if old else out.parent / "new"
    before, renames = content(out), 0
    rename = os.rename

    def fail(*args: object, **_: object) -> None:
        nonlocal renames
        renames += 1
        if where == "write" or renames == 1 + old:
            raise error
        rename(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(Path, "write_bytes", fail)
        else:
            patch.setattr(files.os, "rename", fail)
        expected = ThresherError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            save_folder(model, place)
    assert place.exists() == old
    assert content(out) == before
    assert sorted(p.name for p in out.parent.iterdir()) == ["out"]


def test_nothing_is_staged_before_all_is_made(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in Yosys, which takes seconds, finds no temporary folder to leave behind."""
    model = load_folder(out)

    def fail(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "to_text", fail)
    monkeypatch.setattr(folder, "staged_folder", lambda _: pytest.fail("staged too early"))
    with pytest.raises(KeyboardInterrupt):
        save_folder(model, out.parent / "new")


def test_a_report_is_replaced_whole(out: Path) -> None:
    before = (out / "report.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_report(out, {"nan": float("nan")})
    assert (out / "report.json").read_bytes() == before
    assert content(out).keys() == CONTENT
    save_report(out, {"a": 1})
    assert read_report(out) == {"a": 1}


def test_a_file_that_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ThresherError, match="cannot be written .*; give another path"):
        replace_file(tmp_path / "folder.npy", lambda p: p.touch())
    with pytest.raises(ThresherError, match=r"cannot be written \(No such file or directory\)"):
        replace_file(tmp_path / "missing/y.npy", lambda p: p.touch())
    assert [p.name for p in tmp_path.iterdir()] == ["folder.npy"]
