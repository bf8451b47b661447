"""FI-2010's files: what is read from them, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data import (
    FEATURE_ROWS,
    HORIZONS,
    ROWS,
    TEST_FILES,
    TRAIN_FILE,
    DataError,
    load_split,
    read_book,
    windows,
)


def table(events: int, start: int = 0) -> np.ndarray:
    """A file's numbers, (149, events): row r of event e holds 1000 r + e, labels take turns."""
    numbers = 1000.0 * np.arange(ROWS)[:, None] + start + np.arange(events)
    numbers[FEATURE_ROWS:] = 1 + (np.arange(len(HORIZONS))[:, None] + np.arange(events)) % 3
    return numbers


def written(path: Path, numbers: np.ndarray) -> Path:
    """Write them as FI-2010 does: three spaces before each number, seven digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["   " + "   ".join(f"{value:.7e}" for value in row) for row in numbers]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_column_is_an_event(tmp_path: Path) -> None:
    book = read_book(written(tmp_path / "book.txt", table(7)))
    assert book.features.shape == (7, 40)
    assert book.features.dtype == np.float32
    assert book.features[3].tolist() == [1000 * row + 3 for row in range(40)]
    assert book.classes.tolist() == [[(k + e) % 3 for k in range(5)] for e in range(7)]


def test_a_window_has_the_class_of_its_last_event(tmp_path: Path) -> None:
    books = [read_book(written(tmp_path / f"{n}.txt", table(n, 1000 * n))) for n in (103, 101)]
    found = windows(books, 3)
    assert len(found) == 4 + 2
    assert found.last.tolist() == [99, 100, 101, 102, 103 + 99, 103 + 100]
    first = found.inputs(torch.tensor([1, 4]))
    assert first.shape == (2, 1, 100, 40)
    assert first[0, 0, :, 0].tolist() == [103_000 + e for e in range(1, 101)]
    assert first[1, 0, :, 0].tolist() == [101_000 + e for e in range(100)]
    assert found.classes.tolist() == [(2 + e) % 3 for e in (99, 100, 101, 102, 99, 100)]


def test_fewer_windows_are_spread_over_time(tmp_path: Path) -> None:
    found = windows([read_book(written(tmp_path / "book.txt", table(200)))], 1)
    assert found.spread(3).last.tolist() == [99, 149, 199]
    assert found.spread(None) is found.spread(101) is found


def test_the_last_tenth_of_the_days_validates(tmp_path: Path) -> None:
    written(tmp_path / "deep" / TRAIN_FILE, table(1000))
    for name in TEST_FILES:
        written(tmp_path / name, table(110))
    split = load_split(tmp_path, 10)
    assert split.train.last.tolist() == list(range(99, 900))
    assert split.validation.last.tolist() == [99]
    assert split.validation.inputs(torch.tensor([0]))[0, 0, [0, -1], 0].tolist() == [900, 999]
    assert len(split.test) == 22


@pytest.mark.parametrize("rows", [148, 150])
def test_other_numbers_of_rows(tmp_path: Path, rows: int) -> None:
    path = written(tmp_path / "book.txt", np.resize(table(5), (rows, 5)))
    with pytest.raises(DataError, match=rf"book\.txt must have 149 rows \(144 .*\), not {rows}"):
        read_book(path)


def test_rows_of_other_lengths(tmp_path: Path) -> None:
    path = written(tmp_path / "book.txt", table(5))
    lines = path.read_text().splitlines()
    lines[77] = lines[77].rsplit(maxsplit=1)[0]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"row 78 must have 5 numbers as row 1 has, not 4; is the"):
        read_book(path)


@pytest.mark.parametrize("word", ["x1.0", "nan", "inf"])
def test_what_is_no_number(tmp_path: Path, word: str) -> None:
    path = written(tmp_path / "book.txt", table(5))
    path.write_text(path.read_text().replace("2.0030000e+03", word))
    with pytest.raises(DataError, match=f"row 3, column 4: a finite number .*, not '{word}'"):
        read_book(path)


@pytest.mark.parametrize("label", [0, 4, 1.5])
def test_labels_out_of_range(tmp_path: Path, label: float) -> None:
    numbers = table(5)
    numbers[146, 2] = label
    with pytest.raises(
        DataError, match=f"row 147, column 3: a label must be 1, 2 or 3, not {label}"
    ):
        read_book(written(tmp_path / "book.txt", numbers))


def test_too_few_events(tmp_path: Path) -> None:
    book = read_book(written(tmp_path / "book.txt", table(99)))
    with pytest.raises(DataError, match=r"book\.txt must have at least 100 events a part, not 99"):
        windows([book], 1)


def test_unknown_horizon(tmp_path: Path) -> None:
    book = read_book(written(tmp_path / "book.txt", table(100)))
    with pytest.raises(DataError, match=r"one of \(1, 2, 3, 5, 10\), not 4"):
        windows([book], 4)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"must hold {TRAIN_FILE}, at any depth; unpack"):
        load_split(tmp_path, 1)
    with pytest.raises(DataError, match="must be readable: No such file"):
        read_book(tmp_path / "none.txt")


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"\x37\x7a\xbc\xaf" * 40)
    with pytest.raises(DataError, match=r"must be text; unpack"):
        read_book(path)
