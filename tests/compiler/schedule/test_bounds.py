"""Lower bounds of areas are no higher than the estimates, in any resource."""

from dataclasses import fields

import numpy as np
import pytest
from graphs import finish

from thresher.compiler.integer.build import Builder
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.bounds import least, least_there
from thresher.compiler.schedule.choice import MEMORIES
from thresher.compiler.schedule.search import Space


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_no_higher_than_the_estimate(bits: int, signed: bool, zeros: float) -> None:
    rng, b = np.random.default_rng(bits), Builder()
    most = 1 << (bits - 1)
    x = b.input((1, 12), -most if signed else 0, most - 1 if signed else 2 * most - 1, name="x")
    weights = rng.integers(-most + 1, most, (12, 16)) * (rng.random((12, 16)) >= zeros)
    bias = rng.integers(-50, 50, 16)
    space = Space(lower(finish(b, [x], [b.matmul(x, weights, bias)])), {})
    (choices,) = space.choices.values()
    tight = 0.0
    for choice in choices:
        for one in (choice, *choice.elsewhere(dict.fromkeys(MEMORIES, 1))):
            found = one.kernel.resources()
            for bound in (least(one.kernel), least_there(one.kernel)):
                for field in fields(found):
                    assert getattr(bound, field.name) <= getattr(found, field.name), one.folding
            tight = max(tight, least(one.kernel).lut / max(1, found.lut))
    assert tight > 0.3
