"""The cache: complete entries or none, built once."""

import subprocess
import sys
from pathlib import Path

import pytest

from thresher.compiler.errors import ThresherError
from thresher.gen.cache import cache_root, cached, content_key


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THRESHER_CACHE", str(tmp_path / "cache"))


def test_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("THRESHER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "thresher"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "thresher"


def test_key_separates_its_parts() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("a", b"b") == content_key(b"a", "b")


def test_builds_once() -> None:
    calls: list[Path] = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "x").write_text("1")

    assert (cached("k", "key", build) / "x").read_text() == "1"
    assert cached("k", "key", build) == cache_root() / "k" / "key"
    assert len(calls) == 1


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failed_build_leaves_nothing(failure: type[BaseException]) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("")
        raise failure

    with pytest.raises(failure):
        cached("k", "key", build)
    assert [p for p in (cache_root() / "k").iterdir() if p.is_dir()] == []


APPEND = """
import sys, time
from thresher.gen.cache import cached

def build(folder):
    time.sleep(0.2)
    with open(sys.argv[1], "a") as file:
        file.write("built\\n")

cached("k", "shared", build)
"""


def test_processes_build_once_together(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", APPEND, str(log)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_says_when_it_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("THRESHER_CACHE", str(tmp_path / "file"))
    with pytest.raises(ThresherError, match="is not writable .* set THRESHER_CACHE"):
        cached("k", "key", lambda folder: None)
