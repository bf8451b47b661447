"""Python's search for cyclic garbage: put off, and back again."""

import gc

import pytest

from thresher.gen import cli
from thresher.gen.collection import uncollected


@uncollected()
def refused() -> None:
    assert not gc.isenabled()
    raise ValueError("refused")


def test_it_is_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="refused"):
        refused()
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_process_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def main() -> int:
        seen.append(gc.isenabled())
        return 3

    monkeypatch.setattr(cli, "main", main)
    try:
        assert cli.script() == 3
        assert seen == [False]
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
