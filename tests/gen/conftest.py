"""A compiled model and a refused command, shared by the tests of this folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from thresher.gen.cli import main
from zoo.rtl import save

__all__ = ["model_file", "out", "refused"]


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small recurrent model."""
    return save("rnn_relu", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def _compiled_out(model_file: Path) -> Path:
    out = model_file.parent / "out"
    assert main(["compile", str(model_file), "-o", str(out), "--quiet"]) == 0
    return out


@pytest.fixture
def out(_compiled_out: Path, tmp_path: Path) -> Path:
    """What `thresher compile` left for it; the test may change it."""
    return Path(shutil.copytree(_compiled_out, tmp_path / "out"))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that is refused; gives its line."""

    def run(*argv: object, status: int = 2) -> str:
        assert main([str(a) for a in argv]) == status
        printed = capsys.readouterr()
        assert printed.err.startswith("thresher: ")
        assert printed.err.count("\n") == 1
        assert not printed.out or status == 1
        return printed.err

    return run
