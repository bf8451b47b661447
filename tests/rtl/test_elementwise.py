"""Elementwise operations against their model, a naive definition, and their timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stepcases import requantise

from thresher.rtl.elementwise import Elementwise
from thresher.rtl.stepfunction import StepFunction

OPS = ("add", "sub", "rsub", "mul")
INTERVALS = [(0, 1), (-8, 7), (0, 63), (-40, 30), (-5, -2), (3, 3)]


def naive(kernel: Elementwise, a: list[int], b: list[int]) -> list[int]:
    """Element by element, in Python's ints."""
    result = []
    for e, x in enumerate(a):
        y = b[e] if kernel.constant is None else int(kernel.constant[e % len(kernel.constant)])
        p, q = x << kernel.shift_a, y << kernel.shift_b
        value = {"add": p + q, "sub": p - q, "rsub": q - p, "mul": p * q}[kernel.op]
        if kernel.step is not None:
            channel = np.array(e % kernel.step.channels)
            value = int(kernel.step(np.array(value), channel))
        result.append(value)
    return result


def with_step(parameters: dict[str, object], channels: int, seed: int) -> dict[str, object]:
    """These parameters and a random step on a little more than the whole result."""
    rng = np.random.default_rng(seed)
    lo, hi = Elementwise(**parameters).result  # type: ignore[arg-type]
    thresholds = np.sort(rng.integers(lo - 1, hi + 3, (channels, 6)), axis=1)
    values = np.sort(rng.integers(-9, 9, (channels, 7)), axis=1)
    return parameters | {"step": StepFunction(lo - 1, hi + 2, thresholds, values)}


@settings(max_examples=100)
@given(
    op=st.sampled_from(OPS),
    a=st.sampled_from(INTERVALS),
    b=st.sampled_from([*INTERVALS, "scalar", "vector"]),
    shifts=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    lanes=st.integers(1, 3),
    rows=st.integers(1, 3),
    step=st.sampled_from(["none", "one", "each"]),
    memory=st.sampled_from(["auto", "logic", "block"]),
)
@example("mul", (-40, 30), "vector", (0, 0), 2, 3, "each", "block")
@example("rsub", (-40, 30), "vector", (1, 2), 2, 1, "one", "logic")
@example("sub", (-40, 30), (0, 63), (2, 1), 3, 2, "each", "logic")
def test_model_and_cycles(
    op: str, a: tuple[int, int], b: tuple[int, int] | str, shifts: tuple[int, int],
    lanes: int, rows: int, step: str, memory: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng([lanes, rows, *shifts])
    parameters: dict[str, object] = {"op": op, "a": a, "lanes": lanes, "memory": memory}
    parameters |= {"shift_a": shifts[0], "shift_b": shifts[1]}
    if isinstance(b, str):
        parameters["constant"] = rng.integers(-20, 20, 1 if b == "scalar" else lanes * rows)
    else:
        parameters["b"] = b
    if step != "none":
        parameters = with_step(parameters, 1 if step == "one" else lanes * rows, rows)
    kernel = Elementwise(**parameters)  # type: ignore[arg-type]
    inputs = random_inputs(kernel, 8, rng)
    first, second = inputs["a"].tolist(), inputs.get("b", inputs["a"]).tolist()
    expected = [naive(kernel, x, y) for x, y in zip(first, second, strict=True)]
    assert kernel.compute(*inputs.values())[0].tolist() == expected
    check_kernel(kernel, rng, inputs=inputs, periods=8)


@pytest.mark.parametrize(
    "change",
    [
        {"b": (-32, 31)},
        {"a": (0, 63), "b": (-40, 30), "shift_a": 1, "shift_b": 2},
        {"a": (0, 255), "b": (-128, 127)},
        {"a": (-600, 511), "b": (-1000, 1)},
        {"b": (0, 1)},
        {"b": (-5, -2)},
        {"constant": np.arange(-6, 6)},
        {"constant": np.arange(6) % 2},
        {"constant": np.array([7, -9])},
    ],
)
def test_products_in_luts(change: dict[str, object], rng: np.random.Generator) -> None:
    parameters: dict[str, object] = {"op": "mul", "a": (-20, 33), "lanes": 2} | change
    for function in (False, True):
        if function:
            parameters = with_step(parameters, 1, 1)
        kernel = Elementwise(**parameters, multiplier="lut")  # type: ignore[arg-type]
        assert kernel.resources().dsp == 0
        check_kernel(kernel, rng, periods=12)


@pytest.mark.parametrize("op", OPS)
def test_output_interval_is_reached(op: str) -> None:
    kernel = Elementwise(op=op, a=(-4, 9), b=(-7, 3), shift_a=1, lanes=1)
    grid = np.array([[x, y] for x in range(-4, 10) for y in range(-7, 4)])
    results = kernel.compute(grid[:, :1], grid[:, 1:])[0]
    port = kernel.outputs["o"]
    assert (port.lo, port.hi) == (results.min(), results.max()) == kernel.result


def test_each_channel_reaches_only_its_own_values() -> None:
    step = StepFunction(0, 30, np.array([[10, 20]] * 2), np.array([[0, 1, 2], [50, 51, 52]]))
    kernel = Elementwise(op="add", a=(0, 5), constant=np.array([0, 25]), lanes=1, step=step)
    port = kernel.outputs["o"]
    assert (port.lo, port.hi) == (0, 52)
    assert kernel.compute(np.array([[5, 0]]))[0].tolist() == [[0, 52]]
    swapped = Elementwise(op="add", a=(0, 5), constant=np.array([25, 0]), lanes=1, step=step)
    assert (swapped.outputs["o"].lo, swapped.outputs["o"].hi) == (2, 50)


def test_two_streams_wait_for_each_other(rng: np.random.Generator) -> None:
    kernel = Elementwise(op="add", a=(0, 3), b=(0, 3), lanes=1)
    times = simulate(kernel, random_inputs(kernel, 3, rng), patterns={"b": [0, 0, 0, 1]}).times
    assert times == {"a": [3, 7, 11], "b": [3, 7, 11], "o": [4, 8, 12]}


@pytest.mark.parametrize(
    "change, latency",
    [
        ({"b": (0, 3)}, 1),
        ({"op": "mul", "b": (0, 3)}, 1),
        ({"constant": np.array([5])}, 1),
        ({"op": "mul", "b": (-8, 7), "multiplier": "lut"}, 1),
        ({"op": "mul", "a": (0, 255), "b": (-128, 127), "multiplier": "lut"}, 1),
        ({"op": "mul", "a": (0, 511), "b": (-512, 511), "multiplier": "lut"}, 2),
        ({"op": "mul", "constant": np.array([4])}, 1),
        ({"op": "mul", "constant": np.array([0b1010101])}, 1),
        ({"op": "mul", "constant": np.array([0b101010101])}, 2),
        ({"constant": np.array([5, 6]), "memory": "logic"}, 2),
        ({"constant": np.array([5, 6]), "memory": "block"}, 3),
    ],
)
def test_latency(change: dict[str, object], latency: int) -> None:
    kernel = Elementwise(**{"op": "add", "a": (0, 15), "lanes": 1} | change)  # type: ignore[arg-type]
    assert kernel.latency == latency


def test_equality_is_by_content() -> None:
    def build(constant: int) -> Elementwise:
        return Elementwise(op="add", a=(0, 5), constant=np.array([constant]), lanes=1)

    assert build(3) == build(3)
    assert hash(build(3)) == hash(build(3))
    assert build(3) != build(4)


STEP = StepFunction(0, 99, np.arange(4)[:, None], np.array([[0, 1]]))


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"op": "div"}, ValueError, "op must be one of add, sub, rsub, mul, not 'div'"),
        ({"a": [0, 5]}, TypeError, r"a must be a pair \(lo, hi\), not \[0, 5\]"),
        ({"a": (0, 5, 9)}, TypeError, r"a must be a pair \(lo, hi\), not \(0, 5, 9\)"),
        ({"a": (6, 5)}, ValueError, r"a must be a non-empty interval, not \[6, 5\]"),
        ({"b": (0, 1.0)}, TypeError, "b's hi must be an int, not 1.0"),
        ({"b": None}, ValueError, "exactly one of b and constant must be given"),
        ({"constant": np.array([1])}, ValueError, "exactly one of b and constant must be given"),
        ({"b": None, "constant": np.ones(2)}, TypeError, "constant must be an array of integers"),
        ({"b": None, "constant": np.ones((2, 2), int)}, ValueError, "constant must have 1 non-"),
        ({"b": None, "constant": np.ones(3, int)}, ValueError,
         "lanes must divide the 3 constants, not 2"),
        ({"b": None, "constant": np.ones(6, int), "step": STEP}, ValueError,
         "constant must have the step's 4 channels, not 6"),
        ({"lanes": 0}, ValueError, "lanes must be at least 1, not 0"),
        ({"lanes": 3, "step": STEP}, ValueError, "lanes must divide the 4 channels, not 3"),
        ({"shift_a": -1}, ValueError, "shift_a must be at least 0, not -1"),
        ({"shift_b": 0.5}, TypeError, "shift_b must be an int, not 0.5"),
        ({"shift_b": 70}, ValueError, r"results must stay below 2\*\*62 in magnitude, not reach"),
        ({"step": "relu"}, TypeError, "function must be a StepFunction, not 'relu'"),
        ({"step": STEP, "a": (-1, 5)}, ValueError,
         r"function must cover the interval \[-1, 8\], not \[0, 99\]"),
        ({"step": STEP, "form": "x"}, ValueError, "form must be one of auto, fast"),
        ({"multiplier": "x"}, ValueError, "multiplier must be one of dsp, lut, not 'x'"),
        ({"multiplier": "lut"}, ValueError,
         "multiplier must be 'dsp' where op is 'add', not 'lut'"),
        ({"memory": "x"}, ValueError, "memory must be one of auto, logic, block, not 'x'"),
    ],
)  # fmt: skip
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    parameters = {"op": "add", "a": (0, 5), "b": (0, 3), "lanes": 2} | change
    with pytest.raises(error, match=words):
        Elementwise(**parameters)  # type: ignore[arg-type]


def test_a_fast_step_follows_a_narrow_sum_at_once(rng: np.random.Generator) -> None:
    function = StepFunction(-48, 46, np.arange(-30, 30, 4)[None], np.arange(16)[None])
    both = [
        Elementwise(op="add", a=(-32, 31), b=(-16, 15), lanes=2, step=function, form=form)
        for form in ("table", "fast")
    ]
    assert both[1].latency == both[0].latency - 1
    check_kernel(both[1], rng, periods=20)


@pytest.mark.parametrize(
    "bits, form, latency",
    [(8, "shift", 2), (12, "shift", 3), (6, "comparators", 3), (8, "comparators", 4)],
)
def test_a_wide_product_has_the_dsps_second_register(
    bits: int, form: str, latency: int, rng: np.random.Generator
) -> None:
    """A step that goes deep may follow a narrow product of a DSP only."""
    ends = -(1 << bits - 1), (1 << bits - 1) - 1
    f = requantise(2.0 ** (1 - bits), bits=2 * bits)
    lo, hi = Elementwise(op="mul", a=ends, b=ends, lanes=1).result
    step = StepFunction(lo, hi, f.thresholds, f.values)
    kernel = Elementwise(op="mul", a=ends, b=ends, lanes=1, step=step, form=form)
    assert kernel.latency == latency
    check_kernel(kernel, rng, periods=40)
