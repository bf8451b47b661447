"""Steps that follow each other become one."""

import numpy as np
import pytest

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Step
from thresher.compiler.integer.passes.compose_steps import compose_steps
from thresher.rtl.stepfunction import StepFunction
from zoo.integer_graphs import finish, random_function
from zoo.passcases import applied, kinds


def places(
    rng: np.random.Generator, channels: int, shape: tuple[int, ...] = (1, 4)
) -> np.ndarray | None:
    return None if channels == 1 else rng.integers(0, channels, shape)


@pytest.mark.parametrize("inner_channels, outer_channels", [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_compose_steps(rng, inner_channels, outer_channels):
    b = Builder()
    x = b.input((3, 4), -50, 50, name="x")
    middle = b.step(x, random_function(rng, -50, 50, inner_channels), places(rng, inner_channels))
    out = b.step(
        middle, random_function(rng, -8, 7, outer_channels), places(rng, outer_channels, (3, 1))
    )
    assert kinds(applied(compose_steps, finish(b, [x], [out]))) == {"Step": 1}
    both = finish(b, [x], [out, middle])
    assert kinds(applied(compose_steps, both)) == {"Step": 2}


@pytest.mark.parametrize("op", ["add", "sub", "mul"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("constant", [-7, -1, 3])
@pytest.mark.parametrize("shift", [0, 2])
def test_compose_steps_with_a_constant(rng, op, turned, constant, shift):
    shift = 0 if op == "mul" else shift
    b = Builder()
    x = b.input((1, 200), -40, 40, name="x")
    moved = (
        b.binary(op, constant, x, 0, shift) if turned else b.binary(op, x, constant, shift)
    )  # fmt: skip
    channel = rng.integers(0, 3, (1, 200))
    out = b.step(moved, random_function(rng, moved.lo, moved.hi, 3), channel)
    assert kinds(applied(compose_steps, finish(b, [x], [out]))) == {"Step": 1}


def test_compose_steps_with_a_constant_that_makes_channels_equal():
    """Thresholds 1 and 2 are one on multiples of 4."""
    b = Builder()
    x = b.input((1, 2), -9, 9, name="x")
    moved = b.binary("mul", x, 4)
    function = StepFunction(moved.lo, moved.hi, np.array([[1], [2]]), np.array([[0, 1]]))
    out = b.step(moved, function, np.array([[0, 1]]))
    (step,) = applied(compose_steps, finish(b, [x], [out])).block.nodes
    assert isinstance(step, Step)
    assert step.channel is None
