"""Which form of the graph is chosen: input products before the loop, or joined with the state's."""

import numpy as np
import pytest
from graphs import gates

from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule


@pytest.mark.parametrize(("cycles", "joined"), [(60, False), (144, True)])
def test_the_form_that_costs_less(cycles: int, joined: bool) -> None:
    """A fast step has no time for the longer product; with time, one product is the smaller."""
    forms = [optimise(gates(np.random.default_rng(1)), join=join) for join in (False, True)]
    options = ScheduleOptions(target_fps=1e8 / cycles)
    design = schedule(forms[0], options, alternatives=forms[1:])
    assert any(name.startswith("concat") for name in design.kernels) == joined
    assert design.predicted.interval <= cycles
    if joined:
        assert estimate(design).lut < estimate(schedule(forms[0], options)).lut
