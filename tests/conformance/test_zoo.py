"""Every zoo model, through the command line and under random foldings: E2, E3 and cycles.

`make conformance` runs it (`--full`): about an hour on one core.
"""

from pathlib import Path

import pytest

from thresher.gen.cli import main
from thresher.gen.folder import read_report
from thresher.sim.verilator import VerilatorEngine
from zoo import load, names
from zoo.rtl import compiled, proven, random_folding, save, verified

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]  # beside other work too

FOLDINGS = 3
NETWORKS = 100
SAMPLES = 12


@pytest.mark.parametrize("name", names())
def test_automatic_folding_by_command_line(name: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    length = load(name).seq_len
    options = [] if length is None else ["--seq-len", str(length)]
    assert main(["compile", str(save(name, tmp_path)), "-o", out, *options]) == 0
    assert main(["verify", out, "--samples", str(SAMPLES), "--stalls"]) == 0
    report = read_report(Path(out))
    assert report["verify"]["passed"]  # type: ignore[index]
    if load(name).pow2:
        assert report["verify"]["reference"]["differing"] == 0  # type: ignore[index]


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_random_networks(seed: int) -> None:
    """Others than `tests/sim` has, with up to four times as many products a cycle."""
    proven(f"random_{1_000_000 + seed}", SAMPLES, products=12)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("seed", range(FOLDINGS))
def test_random_folding(seed: int, name: str) -> None:
    folding = random_folding(name, seed)
    model = compiled(name, folding)
    outcome = verified(model, VerilatorEngine(), SAMPLES, seed)
    assert outcome.first is None, (str(outcome.first), folding)
    assert outcome.mismatches == 0
    assert outcome.cycles_agree, (model.design.predicted, outcome.latency, folding)
    assert outcome.equality.unexplained == 0, outcome.equality.differences
    if load(name).pow2:
        assert outcome.equality.differing == 0
    assert outcome.passed
