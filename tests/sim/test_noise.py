"""How far float32 may round."""

import numpy as np
import pytest

from thresher.compiler.expr import Apply, Constant, Leaf
from thresher.compiler.integer.ir import Tensor
from thresher.sim.noise import rounding_noise


@pytest.mark.parametrize(
    ("scale", "offset", "hi", "exact"),
    [
        (0.25, 0.0, 1 << 23, True),
        (0.25, 0.0, 1 << 25, False),  # float32 no longer holds every integer
        (0.3, 0.0, 100, False),
        (0.25, 3.5, 100, True),
        (0.25, 0.125 + 2**-6, 100, True),  # sixteenths of the scale
        (0.25, 0.1, 100, False),
    ],
)
def test_noise(scale: float, offset: float, hi: int, exact: bool) -> None:
    tensor = Tensor("x", (1,), -hi, hi)
    wide = Apply("Scale", (Leaf(), Constant(np.array([scale]))))
    expr = Apply("Add", (wide, Constant(np.array([offset], np.float32))))
    noise = rounding_noise(expr, tensor, np.array([7]))
    assert (float(noise[0]) == 0) == exact
    if not exact:
        assert 2.0**-20 < float(noise[0]) / (scale * hi) < 2.0**-18


def test_noise_of_functions() -> None:
    """Through a function the noise of its argument; where that is exact, its own last bits."""
    tensor = Tensor("x", (1,), -1000, 1000)
    cases = (("Elu", 2.0**-8, 3e-7), ("Elu", 0.0041, 3e-5), ("Tanh", 0.0041, 3e-5))
    for op, scale, bound in cases:
        wide = Apply("Scale", (Leaf(), Constant(np.array([scale]))))
        attrs = {"alpha": 1.0} if op == "Elu" else {}
        noise = rounding_noise(Apply(op, (wide,), attrs), tensor, np.array([-200]))
        assert bound / 30 < float(noise[0]) < bound
