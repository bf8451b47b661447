"""FI-2010's z-score files, and windows of events in them.

A file is text: 149 rows of numbers with white space between them, one column an event. Rows 1 to
144 are features, of which the first 40 are the order book itself: ask price, ask size, bid price,
bid size of level 1, then of level 2, to level 10. Rows 145 to 149 are the labels of the horizons
1, 2, 3, 5 and 10: 1 the mid price rises, 2 it stays, 3 it falls. (FI-2010 takes every tenth event;
its authors also call the horizons 10, 20, 30, 50 and 100.)

The data set is not part of this repository: https://etsin.fairdata.fi, "Benchmark Dataset for
Mid-Price Forecasting of Limit Order Book Data with Machine Learning Methods".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import CLASSES, EVENTS, FEATURES

__all__ = [
    "FEATURE_ROWS",
    "HORIZONS",
    "ROWS",
    "TEST_FILES",
    "TRAIN_FILE",
    "Book",
    "DataError",
    "Split",
    "Windows",
    "load_split",
    "read_book",
    "windows",
]

HORIZONS = (1, 2, 3, 5, 10)
FEATURE_ROWS = 144
ROWS = FEATURE_ROWS + len(HORIZONS)
TRAIN_FILE = "Train_Dst_NoAuction_ZScore_CF_7.txt"  # days 1 to 7
TEST_FILES = ("Test_Dst_NoAuction_ZScore_CF_7.txt", "Test_Dst_NoAuction_ZScore_CF_8.txt")  # 8, 9
_TRAIN_SHARE = 0.9


class DataError(ValueError):
    """What is wrong with a file of events, in one line."""


@dataclass(frozen=True, eq=False)
class Book:
    """Events in their order.

    :param features: (E, 40) float32, z-scores.
    :param classes: (E, 5) int64, a column a horizon: 0 the price rises, 1 it stays, 2 it falls.
    """

    name: str
    features: np.ndarray
    classes: np.ndarray

    def part(self, start: int, stop: int) -> "Book":
        """The events from `start` to before `stop`."""
        return Book(self.name, self.features[start:stop], self.classes[start:stop])


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of 100 events with the class of the last.

    :param events: (E, 40) float32.
    :param last: (N,) int64, each window's last event.
    :param classes: (N,) int64.
    """

    events: Tensor
    last: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.last)

    def inputs(self, index: Tensor) -> Tensor:
        """The windows of these numbers, (len(index), 1, 100, 40)."""
        return self.events[self.last[index][:, None] + torch.arange(1 - EVENTS, 1)][:, None]

    def spread(self, count: int | None) -> "Windows":
        """At most so many of them, evenly over time."""
        if count is None or count >= len(self):
            return self
        kept = torch.linspace(0, len(self) - 1, count).long()
        return Windows(self.events, self.last[kept], self.classes[kept])


@dataclass(frozen=True, eq=False)
class Split:
    """What is learned from, what training is stopped by, and what is held out."""

    train: Windows
    validation: Windows
    test: Windows


def read_book(path: Path) -> Book:
    """Read a file.

    :raises DataError: with the file, the row and the column, if it is not in the format above.
    """
    rows: list[np.ndarray] = []
    columns, number = 0, 0
    try:
        with path.open(encoding="ascii") as file:
            for number, line in enumerate(filter(str.strip, file), 1):
                words = line.split()
                columns = columns or len(words)
                if len(words) != columns:
                    raise DataError(
                        f"{path}, row {number} must have {columns} numbers as row 1 has, not "
                        f"{len(words)}; is the file whole?"
                    )
                if number <= FEATURES or FEATURE_ROWS < number <= ROWS:
                    rows.append(_numbers(words, path, number))
    except OSError as e:
        raise DataError(f"{path} must be readable: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise DataError(f"{path} must be text; unpack the archive first") from e
    if number != ROWS:
        raise DataError(
            f"{path} must have {ROWS} rows ({FEATURE_ROWS} features, {len(HORIZONS)} labels), not "
            f"{number}; a column is an event"
        )
    features, labels = np.stack(rows[:FEATURES], axis=1), np.stack(rows[FEATURES:], axis=1)
    wrong = np.argwhere(~np.isin(labels, np.arange(1, CLASSES + 1)))
    if len(wrong):
        event, horizon = (int(i) for i in wrong[0])
        raise DataError(
            f"{path}, row {FEATURE_ROWS + 1 + horizon}, column {event + 1}: a label must be 1, 2 "
            f"or 3, not {labels[event, horizon]:g}"
        )
    return Book(path.name, features.astype(np.float32), labels.astype(np.int64) - 1)


def windows(books: Sequence[Book], horizon: int) -> Windows:
    """All windows of these books; none reaches from one into the next.

    :raises DataError: if a book is shorter than a window.
    """
    if horizon not in HORIZONS:
        raise DataError(f"the horizon must be one of {HORIZONS}, not {horizon}")
    for book in books:
        if len(book.features) < EVENTS:
            raise DataError(
                f"{book.name} must have at least {EVENTS} events a part, not {len(book.features)}; "
                f"a window has that many"
            )
    starts = np.cumsum([0, *(len(b.features) for b in books)])
    last = np.concatenate(
        [np.arange(a + EVENTS - 1, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    )
    classes = np.concatenate([b.classes[:, HORIZONS.index(horizon)] for b in books])
    events = np.concatenate([b.features for b in books])
    return Windows(
        torch.from_numpy(events), torch.from_numpy(last), torch.from_numpy(classes[last])
    )


def load_split(folder: Path, horizon: int) -> Split:
    """Seven days to train and to validate, 90 to 10 in time, and two days held out.

    :param folder: the three files lie in it, at any depth.
    :raises DataError: if a file is missing, wrong or too short.
    """
    train = read_book(_find(folder, TRAIN_FILE))
    held_out = [read_book(_find(folder, name)) for name in TEST_FILES]
    events = len(train.features)
    cut = int(events * _TRAIN_SHARE)
    return Split(
        windows([train.part(0, cut)], horizon),
        windows([train.part(cut, events)], horizon),
        windows(held_out, horizon),
    )


def _find(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if not found:
        raise DataError(f"{folder} must hold {name}, at any depth; unpack FI-2010's files there")
    return found[0]


def _numbers(words: list[str], path: Path, row: int) -> np.ndarray:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        values = np.array([_number(word) for word in words])
    (wrong,) = np.nonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(
            f"{path}, row {row}, column {wrong[0] + 1}: a finite number must stand there, not "
            f"{words[wrong[0]]!r}"
        )
    return values


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
