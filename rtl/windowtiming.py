"""The processes of a line buffer."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from thresher.rtl.timing import Firing, Pipe, Timing, register_stages
from thresher.rtl.windowplan import WindowPlan

__all__ = ["window_timing"]


def window_timing(plan: WindowPlan) -> Timing:
    """Three processes: beats are written, addresses are issued, beats are read.

    `ready` tells of pixels that places wait for, `free` of those that are no longer needed. A place
    waits for its last pixel; behind it all pixels are released that are older than what later
    places need. A pixel waits for the release of the one that lies where it is to be written.
    """
    waits = _both(plan.rows.waits, plan.columns.waits)
    releases = _both(plan.rows.releases, plan.columns.releases)
    return Timing(
        (_write(plan), _places(waits, plan.seen, first=True), _places(releases, plan.seen)),
        {
            "ready": Pipe(plan.tokens, 1, 1),
            "free": Pipe(plan.tokens, 1, 1),
            "a": register_stages(1),
            "o": register_stages(1),
        },
        {"free": plan.free},
    )


def _both(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """bool (rows, columns): true of a row and of a column."""
    return rows[:, None] & columns


def _write(plan: WindowPlan) -> tuple[Firing, ...]:
    """One firing a beat of `i`; the flags of beats that start or complete a pixel."""
    rows, columns, pixel = plan.rows, plan.columns, plan.pixel
    gives = np.zeros((rows.size, columns.size, pixel), dtype=bool)
    gives[..., -1] = _both(rows.completes, columns.completes)
    starts = np.zeros((rows.count, columns.count, pixel), dtype=bool)
    starts[..., 0] = _both(rows.starts, columns.starts)
    takes = np.zeros_like(gives)
    behind = np.roll(starts.reshape(-1), plan.depth)  # the beat that was there is so much older
    takes[_both(rows.kept, columns.kept)] = behind.reshape(-1, pixel)
    flags = zip(takes.reshape(-1).tolist(), gives.reshape(-1).tolist(), strict=True)
    return tuple(
        Firing(("i", *("free",) * take), ("ready",) * give, len(list(same)))
        for (take, give), same in groupby(flags)
    )


def _places(flags: np.ndarray, seen: int, first: bool = False) -> tuple[Firing, ...]:
    """`seen` firings a place; where it is flagged, its first one waits or its last one releases."""
    plain = Firing((), ("a",)) if first else Firing(("a",), ("o",))
    marked = Firing(("ready",), ("a",)) if first else Firing(("a",), ("o", "free"))
    found: list[Firing] = []
    for flagged, same in groupby(flags.reshape(-1).tolist()):
        count = len(list(same))
        if not flagged:
            found.append(_times(plain, count * seen))
        elif seen == 1:
            found.append(_times(marked, count))
        else:
            rest = _times(plain, seen - 1)
            found += (marked, rest) * count if first else (rest, marked) * count
    return _joined(found)


def _times(firing: Firing, count: int) -> Firing:
    return Firing(firing.takes, firing.gives, count)


def _joined(firings: Sequence[Firing]) -> tuple[Firing, ...]:
    """Equal firings that follow each other as one."""
    return tuple(
        Firing(takes, gives, sum(f.repeat for f in same))
        for (takes, gives), same in groupby(firings, lambda f: (f.takes, f.gives))
    )
