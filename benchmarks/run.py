"""Every benchmark in one run: prints each figure beside its target, writes results.json.

    python benchmarks/run.py [NAME ...]

Cycles are counted in simulation or by the cycle solver that equals it, areas and paths are Yosys's
for xc7, before routing; nothing here has run in Vivado or on a board.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from figures import Figure  # noqa: E402

BENCHMARKS = ("golden_speed", "interleave", "lstm")
"""Modules beside this one; each has `figures() -> list[Figure]`."""


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
    results = {f.name: f.to_dict() for f in found}
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    return 0 if all(f.met for f in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
