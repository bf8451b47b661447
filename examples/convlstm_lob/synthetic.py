"""Synthetic order books, written as FI-2010's files are.

They let everything here run without the data set. They have the structure of a book, and what
moves the price can be seen in it, but nothing in them was measured: a score on them says nothing
about any market.

    python examples/convlstm_lob/synthetic.py FOLDER [--events 4000] [--seed 0]

How a day comes about, column by column, prices in ticks:

- A hidden pressure p decays, takes some of the last move of the price in (momentum) and noise.
- The price moves by the pressure and noise, and is drawn back to its level by a weak force.
- Spread: one tick, and more at random, the more the price moves. Gaps between levels: one tick or
  two, each kept for a while.
- Sizes: a profile over the levels that rises and falls again, times noise that lasts for a while,
  times exp(+ or - p), less so on deeper levels: buyers queue up before the price rises.

Labels are those of FI-2010 (Ntakaris and others, 2018): the mean of the next k
mid prices against the present one, with a threshold of 0.002 of it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from data import FEATURE_ROWS, HORIZONS, TEST_FILES, TRAIN_FILE

__all__ = ["LEVELS", "THRESHOLD", "Day", "labels", "main", "simulate", "write_files"]

LEVELS, TRAIN_DAYS, THRESHOLD = 10, 7, 0.002
_TICK, _PRICE = 0.01, 1_000  # euros, ticks
_RETURN = 0.004  # of the distance to the price's level, a column
_DECAY, _MOMENTUM, _NEWS = 0.93, 0.015, 0.3  # of the pressure
_PUSH, _NOISE = 1.0, 1.0  # ticks a column, of the pressure and at random
_TILT, _SIZE_NOISE, _SIZE_DECAY = 0.45, 0.5, 0.7


@dataclass(frozen=True, eq=False)
class Day:
    """Books of a day.

    :param book: (E, 40), euros and shares: ask price, ask size, bid price, bid size a level.
    :param mid: (E + 10,), euros; ten more than events, of which the last labels tell.
    """

    book: np.ndarray
    mid: np.ndarray


def simulate(events: int, rng: np.random.Generator) -> Day:
    """Make a day of so many events."""
    count = events + max(HORIZONS)
    price, pressure, moves = _price(count, rng)
    spread = 1 + rng.poisson(np.minimum(0.3 + 0.15 * np.abs(moves), 3.0))
    bid = np.floor(price - spread / 2).astype(np.int64)
    best = np.stack([bid + spread, bid], axis=1)
    outward = np.array([1, -1])
    steps = np.cumsum(_gaps(count, rng), axis=2)
    prices = best[:, :, None] + outward[:, None] * np.concatenate(
        [np.zeros((count, 2, 1), np.int64), steps], axis=2
    )
    sizes = _sizes(pressure, rng)
    book = np.stack([prices * _TICK, sizes], axis=3)  # column, side, level, price and size
    book = book.transpose(0, 2, 1, 3).reshape(count, 4 * LEVELS)
    return Day(book[:events], best.mean(axis=1) * _TICK)


def labels(mid: np.ndarray, horizon: int) -> np.ndarray:
    """FI-2010's labels: mid (E + 10,) to (E,), 1 up, 2 stationary, 3 down."""
    events = len(mid) - max(HORIZONS)
    ahead = np.lib.stride_tricks.sliding_window_view(mid[1:], horizon)[:events].mean(axis=1)
    change = ahead / mid[:events] - 1
    return np.where(change > THRESHOLD, 1, np.where(change < -THRESHOLD, 3, 2))


def write_files(folder: Path, events: int, seed: int) -> None:
    """Write seven days to train and two to test, `events` a day, as z-scores of the seven.

    Rows 41 to 144, which the loader skips, are 0.
    """
    days = [
        simulate(events, np.random.default_rng(child))
        for child in np.random.SeedSequence(seed).spawn(TRAIN_DAYS + len(TEST_FILES))
    ]
    train = np.concatenate([day.book for day in days[:TRAIN_DAYS]])
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    folder.mkdir(parents=True, exist_ok=True)
    files = {TRAIN_FILE: days[:TRAIN_DAYS]}
    files |= {name: [day] for name, day in zip(TEST_FILES, days[TRAIN_DAYS:], strict=True)}
    for name, chosen in files.items():
        scores = (np.concatenate([day.book for day in chosen]) - mean) / deviation
        classes = np.stack(
            [np.concatenate([labels(day.mid, k) for day in chosen]) for k in HORIZONS]
        )
        with (folder / name).open("w", encoding="ascii") as file:
            np.savetxt(file, scores.T, fmt="%14.7e", delimiter="  ")
            zeros = "  ".join(["0"] * len(scores)) + "\n"
            file.writelines([zeros] * (FEATURE_ROWS - scores.shape[1]))
            np.savetxt(file, classes, fmt="%14.7e", delimiter="  ")


def _price(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Price, pressure, and the price's last move, each (count,), in ticks."""
    news = rng.normal(0, _NEWS, count)
    noise = rng.normal(0, _NOISE, count)
    price, pressure, moves = np.empty(count), np.empty(count), np.zeros(count)
    p, x, move = float(rng.normal(0, 0.5)), float(_PRICE + rng.normal(0, 10)), 0.0
    for t in range(count):
        p = _DECAY * p + _MOMENTUM * move + news[t]
        price[t], pressure[t], moves[t] = x, p, move
        move = _PUSH * p + noise[t] - _RETURN * (x - _PRICE)
        x += move
    return price, pressure, moves


def _gaps(count: int, rng: np.random.Generator) -> np.ndarray:
    """Ticks between levels, (count, 2, 9): drawn anew in one column of five."""
    shape = (count, 2, LEVELS - 1)
    drawn = 1 + (rng.random(shape) < 0.25)
    anew = rng.random(shape) < 0.2
    anew[0] = True
    since = np.maximum.accumulate(np.where(anew, np.arange(count)[:, None, None], 0), axis=0)
    return np.take_along_axis(drawn, since, axis=0)


def _sizes(pressure: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shares, (count, 2, 10), at least 1."""
    level = np.arange(LEVELS)
    profile = 2_000 * (1 - np.exp(-(level + 1) / 2)) * np.exp(-level / 8)
    noise = rng.normal(0, _SIZE_NOISE * np.sqrt(1 - _SIZE_DECAY**2), (len(pressure), 2, LEVELS))
    noise = lfilter([1], [1, -_SIZE_DECAY], noise, axis=0)
    tilt = pressure[:, None, None] * np.array([-1, 1])[:, None] * _TILT * np.exp(-level / 3)
    return np.maximum(np.rint(profile * np.exp(noise + tilt)), 1)


def main(argv: list[str] | None = None) -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=4_000, help="a day")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    write_files(options.folder, options.events, options.seed)


if __name__ == "__main__":
    main()
