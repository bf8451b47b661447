"""Every benchmark in one run: prints each figure beside its target, writes results.json and .md.

    python benchmarks/run.py [NAME ...]

Names are those of benchmarks, or of single figures of long ones, c1 to c6; with names, only their
entries are written anew. A target that has several figures, such as T5 for
each width, is one entry in results.json: met when all of them are, and under `parts` stand the
figures themselves.

Cycles are counted in simulation or by the cycle solver that equals it, areas and paths are Yosys's
for xc7, before routing; nothing here has run in Vivado or on a board.
"""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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
    "convlstm",
)
"""Modules beside this one; each has `figures() -> list[Figure]`."""
PARTS = {name: "convlstm" for name in ("c1", "c2", "c3", "c4", "c5", "c6")}
"""Single figures -> their module, whose `figures` takes names too."""

_HEAD = """# Figures

Written by `make bench`. Cycles are counted in simulation of the shipped Verilog, areas and paths
are Yosys's for xc7 before routing; nothing here has run in Vivado or on a board.
"""
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


def table(entries: Mapping[str, Any]) -> str:
    """The figures of results.json in Markdown, a row each."""
    rows = ["| | work | target | measured | published |", "|---|---|---|---|---|"]
    for name, entry in entries.items():
        for part, figure in entry.get("parts", {name: entry}).items():
            measured = f"{figure['measured']} {figure['unit']}".strip()
            if not figure["met"]:
                measured += ", **not met**"
            published = figure["published"]
            if published:
                published += f" ({figure['source']})"
            cells = (part, figure["what"], figure["target"], measured, published)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _figures(name: str) -> list[Figure]:
    """Those of a benchmark, or the one of this name."""
    if name in PARTS:
        return importlib.import_module(PARTS[name]).figures([name.upper()])
    return importlib.import_module(name).figures()


def _written() -> dict[str, object]:
    path = HERE / "results.json"
    return json.loads(path.read_text()) if path.exists() else {}


def main() -> int:
    """0 when every target is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = ", ".join((*BENCHMARKS, *PARTS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {known}")
    chosen = parser.parse_args().names or BENCHMARKS
    found: list[Figure] = []
    for name in chosen:
        for figure in _figures(name):
            print(figure, flush=True)
            found.append(figure)
    entries = _written() | results(found) if chosen != BENCHMARKS else results(found)
    (HERE / "results.json").write_text(json.dumps(entries, indent=2) + "\n")
    (HERE / "results.md").write_text(f"{_HEAD}\n{table(entries)}")
    return 0 if all(f.met for f in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
