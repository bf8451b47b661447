"""Synthetic order books have the structure of books, and their labels can be foreseen."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from data import HORIZONS, TEST_FILES, TRAIN_FILE, load_split, read_book
from synthetic import LEVELS, THRESHOLD, Day, labels, main, simulate, write_files


@pytest.fixture(scope="module")
def day() -> Day:
    return simulate(6_000, np.random.default_rng(7))


def columns(day: Day) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ask prices, ask sizes, bid prices, bid sizes, each (E, 10)."""
    return day.book[:, 0::4], day.book[:, 1::4], day.book[:, 2::4], day.book[:, 3::4]


def test_prices_are_in_order(day: Day) -> None:
    ask, ask_size, bid, bid_size = columns(day)
    assert ask.shape == bid.shape == (6_000, LEVELS)
    assert (np.diff(ask, axis=1) > 0.009).all()
    assert (np.diff(bid, axis=1) < -0.009).all()
    spread = np.rint((ask[:, 0] - bid[:, 0]) / 0.01)
    assert spread.min() == 1
    assert len(np.unique(spread)) >= 4
    assert min(ask_size.min(), bid_size.min()) >= 1
    assert bid.min() > 0
    assert np.allclose(day.mid[:6_000], (ask[:, 0] + bid[:, 0]) / 2)


def test_depth_rises_and_falls_over_the_levels(day: Day) -> None:
    _, ask_size, _, bid_size = columns(day)
    for size in (ask_size, bid_size):
        mean = np.median(size, axis=0)
        peak = int(mean.argmax())
        assert 1 <= peak <= 5
        assert (np.diff(mean[peak:]) < 0).all()


def test_labels_are_the_mean_of_what_comes_against_a_threshold() -> None:
    mid = np.full(22, 10.0)
    mid[6:9] = 10 * (1 + THRESHOLD) + 0.001
    mid[9:] = 10 * (1 - THRESHOLD) - 0.001
    for horizon in HORIZONS:
        wanted = []
        for t in range(12):
            change = mid[t + 1 : t + 1 + horizon].mean() / mid[t] - 1
            wanted.append(1 if change > THRESHOLD else 3 if change < -THRESHOLD else 2)
        assert labels(mid, horizon).tolist() == wanted
    assert labels(mid, 1).tolist() == [2] * 5 + [1] + [2] * 2 + [3] + [2] * 3


def test_a_rule_on_imbalance_and_momentum_foresees_labels(day: Day) -> None:
    _, ask_size, _, bid_size = columns(day)
    imbalance = np.log(bid_size[:, :3] / ask_size[:, :3]).mean(axis=1)
    recent = np.convolve(imbalance, np.ones(8) / 8)[: len(imbalance)]
    wanted = labels(day.mid, 10)
    moved = wanted != 2
    guess = np.where(recent > 0, 1, 3)
    assert (guess == wanted)[moved].mean() > 0.7
    past = day.mid[20:6_000] - day.mid[:5_980]
    assert (
        np.corrcoef(past, np.where(wanted == 1, 1, np.where(wanted == 3, -1, 0))[20:])[0, 1] > 0.1
    )


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        main([str(tmp_path / name), "--events", "150", "--seed", str(seed)])
    for file in (TRAIN_FILE, *TEST_FILES):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b != c
    days = [(tmp_path / "a" / name).read_bytes() for name in TEST_FILES]
    assert days[0] != days[1]


def test_files_are_z_scores_that_the_loader_reads(tmp_path: Path) -> None:
    write_files(tmp_path, 1_000, 0)
    train = read_book(tmp_path / TRAIN_FILE)
    assert train.features.shape == (7_000, 40)
    assert np.allclose(train.features.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(train.features.std(axis=0), 1, atol=1e-4)
    assert (np.bincount(train.classes[:, -1], minlength=3) > 1_400).all()


def test_a_linear_rule_learned_on_seven_days_holds_on_the_next_two(tmp_path: Path) -> None:
    write_files(tmp_path, 1_000, 0)
    split = load_split(tmp_path, 10)

    def features(part: str) -> tuple[np.ndarray, np.ndarray]:
        w = getattr(split, part)
        events, last = w.events.numpy(), w.last.numpy()
        imbalance = events[:, 3::4] - events[:, 1::4]
        return sum(imbalance[last - j] for j in range(8)), w.classes.numpy()

    rule = LogisticRegression(max_iter=500).fit(*features("train"))
    x, y = features("test")
    majority = np.bincount(y).max() / len(y)
    assert rule.score(x, y) > majority + 0.1
