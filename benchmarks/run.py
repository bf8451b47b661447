"""Every benchmark in one run: prints each figure beside its target, writes results.json.

    python benchmarks/run.py [NAME ...]

A target that has several figures, such as T5 for each width, is one entry in results.json: met when
all of them are, and under `parts` stand the figures themselves.

Cycles are counted in simulation or by the cycle solver that equals it, areas and paths are Yosys's
for xc7, before routing; nothing here has run in Vivado or on a board.
"""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from figures import Figure  # noqa: E402

BENCHMARKS = (
    "golden_speed",
    "lstm",
    "interleave",
    "mvau",
    "layer",
    "steps",
    "paths",
    "estimates",
    "times",
)
"""Modules beside this one; each has `figures() -> list[Figure]`."""


_TARGET = re.compile(r"T\d+")


def results(found: Iterable[Figure]) -> dict[str, object]:
    """What results.json holds: an entry for each target, and for each figure that has none."""
    groups: dict[str, list[Figure]] = {}
    for figure in found:
        target = _TARGET.match(figure.name)
        groups.setdefault(target[0] if target else figure.name, []).append(figure)
    return {name: _entry(group) for name, group in groups.items()}


def _entry(group: list[Figure]) -> dict[str, object]:
    if len(group) == 1:
        return group[0].to_dict()

    def joined(field: str) -> str:
        return "; ".join(f"{f.name}: {v}" for f in group if (v := getattr(f, field)) != "")

    entry: dict[str, object] = {k: joined(k) for k in ("what", "target", "measured", "published")}
    for key in ("unit", "source"):
        entry[key] = "; ".join(dict.fromkeys(v for f in group if (v := getattr(f, key))))
    entry["met"] = all(f.met for f in group)
    entry["parts"] = {f.name: f.to_dict() for f in group}
    return entry


def main() -> int:
    """0 when every target is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    chosen = parser.parse_args().names or BENCHMARKS
    found: list[Figure] = []
    for name in chosen:
        for figure in importlib.import_module(name).figures():
            print(figure, flush=True)
            found.append(figure)
    (HERE / "results.json").write_text(json.dumps(results(found), indent=2) + "\n")
    return 0 if all(f.met for f in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
