"""E3 for random networks of up to twelve layers that mix all operators.

Compiled, folded at random, as Verilated RTL without and with stalls: outputs equal golden and the
model file, every frame ends in the cycle foretold, nothing deadlocks.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zoo.rtl import proven

NETWORKS, PART, SEEDS = 300, 10, 1000


@pytest.mark.parametrize("part", range(NETWORKS // PART))
def test_hardware_equals_the_model_file(part: int) -> None:
    """A failure prints its seed, and the command that runs it again; nothing is shrunk."""
    seen: set[int] = set()

    @settings(
        max_examples=PART, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
    )
    @given(st.integers(0, SEEDS - 1))
    def check(number: int) -> None:
        seen.add(number)
        proven(f"random_{part * SEEDS + number}")

    check()
    assert len(seen) == PART
