"""A stand-in for Vivado on PATH, or none at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from projects import vivado_on_path

from thresher.boards.vivado import runner

__all__ = ["no_vivado", "vivado"]


@pytest.fixture
def vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put the stand-in on PATH; call it to have something go wrong."""
    monkeypatch.setenv("PATH", vivado_on_path(tmp_path / "bin"))
    return lambda scenario: monkeypatch.setenv("VIVADO_SCENARIO", scenario)


@pytest.fixture
def no_vivado(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no Vivado."""
    monkeypatch.setattr(runner.shutil, "which", lambda _: None)
