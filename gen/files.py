"""Files and folders that are seen whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thresher.compiler.errors import ThresherError

__all__ = ["replace_file", "staged_folder"]


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file through a temporary one beside it, so that no half of it is ever seen.

    :raises ThresherError: the folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(path.suffix, f".{path.name}.", path.parent)
        os.close(handle)
        try:
            write(Path(name))
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as e:
        raise ThresherError(f"'{path}' cannot be written ({e.strerror}); give another path") from e


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of `out` when the block ends well."""
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as e:
        raise ThresherError(f"output '{out}' is not writable ({e.strerror})") from e
    try:
        yield stage
        os.chmod(stage, 0o755)
        _swap(stage, out)
    except OSError as e:
        raise ThresherError(
            f"output '{out}' cannot be written ({e.strerror}); it is as it was"
        ) from e
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _swap(stage: Path, out: Path) -> None:
    if not out.exists():
        os.rename(stage, out)
        return
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old."))
    os.rename(out, old / "out")
    try:
        os.rename(stage, out)
    except OSError:
        os.rename(old / "out", out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
