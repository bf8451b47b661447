"""Files and folders that are seen whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thresher.compiler.errors import ThresherError

__all__ = ["check_folder", "replace_file", "staged_folder"]


def check_folder(path: Path) -> None:
    """Find out whether something could be written at `path`, by writing beside it.

    :raises ThresherError: it could not.
    """
    path = path.resolve()
    try:
        parent = path.parent
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{path.name[:100]}."):
            pass
    except OSError as e:
        raise ThresherError(
            f"output '{path}' is not writable ({e.strerror}); give a path under your own"
        ) from e


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file elsewhere first, so that no half of it is ever seen.

    :param write: writes to the path that it is given, whose name is that of `path`.
    :raises ThresherError: the folder cannot be written; the file is as it was.
    """
    try:
        with _beside(path.resolve()) as holder:
            write(holder / path.name)
            os.replace(holder / path.name, path)
    except OSError as e:
        raise ThresherError(f"'{path}' cannot be written ({e.strerror}); give another path") from e


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of `out` when the block ends well.

    :raises ThresherError: the place cannot be written; `out` is as it was.
    """
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with _beside(out) as holder:
            stage = holder / "new"
            stage.mkdir()
            yield stage
            _swap(stage, out, holder / "old")
    except OSError as e:
        raise ThresherError(
            f"output '{out}' cannot be written ({e.strerror}); give another folder"
        ) from e


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder in the file system of `path`."""
    holder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:100]}."))
    try:
        yield holder
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _swap(new: Path, out: Path, old: Path) -> None:
    if not out.exists():
        os.rename(new, out)
        return
    os.rename(out, old)
    try:
        os.rename(new, out)
    except BaseException:
        if not out.exists():
            os.rename(old, out)
        raise
