"""A content-addressed cache on disk, safe for several processes at once.

An entry is a folder named by the SHA-256 of everything that its contents depend on. It is built
beside its place and renamed into it, under a lock, so an entry is complete or absent and is built
once even when two processes want it at the same time. The cache may be deleted at any time.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thresher.compiler.errors import ThresherError

__all__ = ["cache_root", "cached", "content_key", "kept", "locked"]


def cache_root() -> Path:
    """`$THRESHER_CACHE`, else `$XDG_CACHE_HOME/thresher`, else `~/.cache/thresher`."""
    if own := os.environ.get("THRESHER_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "thresher"


def content_key(*parts: str | bytes) -> str:
    """The SHA-256, in hex, of these parts in this order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@contextmanager
def locked(kind: str, key: str) -> Iterator[Path]:
    """Hold the cache's lock of this name; gives the folder of its kind, which exists.

    :raises ThresherError: when the cache cannot be written.
    """
    folder = cache_root() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{key}.lock").open("w")
    except OSError as e:
        raise ThresherError(
            f"cache folder {folder} is not writable ({e.strerror}); "
            "set THRESHER_CACHE to one that is"
        ) from e
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def kept(kind: str, key: str) -> Path | None:
    """The folder of this entry, or None where it has not been built."""
    entry = cache_root() / kind / key
    return entry if entry.is_dir() else None


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of this entry, built first where it is absent.

    :param kind: the cache's sub-folder.
    :param key: from `content_key`.
    :param build: fills the empty folder that it is given; when it raises, nothing is kept.
    :raises ThresherError: when the cache cannot be written.
    """
    if entry := kept(kind, key):
        return entry
    entry = cache_root() / kind / key
    with locked(kind, key) as folder:
        if not entry.is_dir():
            made = Path(tempfile.mkdtemp(prefix=f".{key[:16]}-", dir=folder))
            try:
                build(made)
                made.rename(entry)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return entry
