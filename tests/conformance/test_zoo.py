"""Every zoo model under several foldings: E2, E3 with and without stalls, every frame's cycles.

`make conformance` runs it (`--full`): most of an hour on one core.
"""

import pytest
from zoo import load, names
from zoo.rtl import compiled, random_folding, verified

from thresher.sim.verilator import VerilatorEngine

pytestmark = pytest.mark.full

FOLDINGS = 3
SAMPLES = 12


@pytest.mark.parametrize("seed", range(FOLDINGS + 1))
@pytest.mark.parametrize("name", names())
def test_hardware_equals_the_model_file(name: str, seed: int) -> None:
    """Seed 0 is the automatic folding, the others are random ones."""
    folding = random_folding(name, seed) if seed else None
    model = compiled(name, folding)
    outcome = verified(model, VerilatorEngine(), SAMPLES, seed)
    assert outcome.first is None, (str(outcome.first), folding)
    assert outcome.mismatches == 0
    assert outcome.cycles_agree, (model.design.predicted, outcome.latency, outcome.interval, folding)
    assert outcome.equality.unexplained == 0, outcome.equality.differences
    if load(name).pow2:
        assert outcome.equality.differing == 0
    assert outcome.passed
