"""The driver folder: the same bytes each time, nothing needed but NumPy, a notebook that runs."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from golden_link import GoldenLink
from golden_link import compiled as compiled_model

from thresher.boards.driver import driver_files, write_driver
from thresher.boards.manifest import manifest
from thresher.boards.simulate.axi import simulated_axi
from thresher.gen.compiled import Compiled
from zoo.rtl import compiled as compile_zoo


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compiled_model("rnn_relu")


@pytest.fixture(scope="module")
def folder(compiled: Compiled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("driver")
    write_driver(compiled, found)
    return found


def test_equal_models_give_equal_bytes(compiled: Compiled, folder: Path) -> None:
    again = driver_files(compile_zoo("rnn_relu"))
    written = {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    assert again == written
    assert {"model.json", "vectors.npz", "predict.ipynb", "thresher_driver/__init__.py"} <= set(
        written
    )
    for entry in zipfile.ZipFile(io.BytesIO(written["vectors.npz"])).infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert json.loads(written["model.json"]) == json.loads(json.dumps(manifest(compiled)))


def test_modules_know_no_other_name(folder: Path) -> None:
    for path in (folder / "thresher_driver").rglob("*.py"):
        assert "thresher.boards" not in path.read_text(), path


BARE = """
import importlib, pkgutil, sys
package = importlib.import_module("thresher_driver")
for found in pkgutil.walk_packages(package.__path__, "thresher_driver."):
    importlib.import_module(found.name)
from thresher_driver import HostError, load_model, load_vectors
from thresher_driver.ports import codes_of, values_of
model = load_model("model.json")
vectors = load_vectors("vectors.npz", model)
(codes,) = codes_of(model.inputs, {model.inputs[0].source: vectors.values[0]})
assert (codes == vectors.codes[0]).all()
print(*sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""


def test_numpy_is_enough(folder: Path, tmp_path: Path) -> None:
    """An interpreter without site packages, but for NumPy, as a board has it."""
    here = Path(np.__file__).parent
    for entry in (here, *here.parent.glob("numpy.libs")):
        (tmp_path / entry.name).symlink_to(entry)
    done = subprocess.run(
        [sys.executable, "-S", "-c", BARE],
        cwd=folder, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"__main__", "numpy", "thresher_driver", "_distutils_hack"}


@pytest.fixture
def importable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == "thresher_driver"]:
        del sys.modules[name]


def run_notebook(folder: Path, link: object) -> dict[str, Any]:
    """Execute the code cells in order, with the board behind this link."""
    book = nbformat.read(folder / "predict.ipynb", as_version=4)
    nbformat.validate(book)
    names: dict[str, Any] = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), names)
            if "BOARD" in names and "acc" not in names:
                assert names["BOARD"] == {"bitfile": "../thresher.bit"}
                names["BOARD"] = {"link": link}
    return names


@pytest.mark.usefixtures("importable")
def test_notebook(compiled: Compiled, folder: Path) -> None:
    """The copied code on the Verilated AXI core."""
    names = run_notebook(folder, simulated_axi(compiled))
    assert names["found"].passed
    assert names["measured"].frames == 100
    assert names["measured"].latency_cycles >= compiled.design.predicted.latency
    assert names["acc"].status().finished == 16 + 16 + 1 + 100
    names["acc"].close()
    expected = compiled.golden.run_model(names["x"])
    for name, array in expected.items():
        np.testing.assert_array_equal(names["y"][name], array)


@pytest.mark.usefixtures("importable")
def test_notebook_finds_a_wrong_board(compiled: Compiled, folder: Path) -> None:
    link = GoldenLink(compiled, "axi")
    link.spoil = 1
    with pytest.raises(AssertionError, match="Check"):
        run_notebook(folder, link)
