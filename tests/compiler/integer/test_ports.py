"""What the host does at the edges, and what it refuses."""

import re

import numpy as np
import pytest

from thresher.compiler.errors import ThresherError
from thresher.compiler.expr import Apply, Constant, Leaf
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort

F = np.float32
QUARTER = Constant(np.full((1,), 0.25, F))
QUANTISE = Apply("Quantize", (Leaf(), QUARTER), {"lo": -8, "hi": 7})


def graph(**port: object) -> IntegerGraph:
    b = Builder()
    x, n = b.input((2,), -8, 7, name="x"), b.input((1,), 0, 3, name="n")
    kind = {"dtype": "float32", "quantise": QUANTISE, **port}
    inputs = (InputPort(x, "real", **kind), InputPort(n, "count", "int8", None))  # type: ignore[arg-type]
    total = b.binary("add", x, n)
    outputs = (
        OutputPort("real_sum", total, "float32", Apply("Mul", (Leaf(), QUARTER))),
        OutputPort("codes", total, "int8", None),
    )
    return IntegerGraph("ports", inputs, Block(b.nodes), outputs)


def run(x: object, n: object = 0, **port: object) -> dict[str, np.ndarray]:
    count = np.asarray(n, np.int8).reshape(-1, 1)
    return Golden(graph(**port)).run_model({"real": np.asarray(x), "count": count})


def test_quantises_and_dequantises():
    """Half to even, then saturation."""
    found = run(np.array([[0.125, -9.0], [0.375, 0.5]], F), [0, 1])
    assert found["codes"].tolist() == [[0, -8], [3, 3]]
    assert found["codes"].dtype == np.int8
    assert found["real_sum"].tolist() == [[0.0, -2.0], [0.75, 0.75]]
    assert found["real_sum"].dtype == F


def test_exact_inputs_pass_where_a_code_stands_for_them():
    exact = {"exact": True, "scale": np.full((1,), 0.25)}
    assert run(np.array([[0.25, -2.0]], F), **exact)["codes"].tolist() == [[1, -8]]
    words = "input 'real' must be a value of its quantiser, not 0.30000001192092896 at index (0, 1)"
    with pytest.raises(ThresherError, match=re.escape(words)):
        run(np.array([[0.25, 0.3]], F), **exact)
    with pytest.raises(ThresherError, match="must be a value of its quantiser, not 9.0"):
        run(np.array([[0.25, 9.0]], F), **exact)


def test_codes_outside_the_interval_are_refused():
    wide = Apply("Round", (Leaf(),))
    with pytest.raises(ThresherError, match=r"codes in \[-8, 7\], not 7\.\d+ at index \(1, 0\)"):
        run(np.array([[0, 1], [7.6, 0]], F), [0, 0], quantise=wide)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_refused(bad):
    with pytest.raises(
        ThresherError, match=r"input 'real' must be finite, not .* at index \(0, 1\)"
    ):
        run(np.array([[0, bad]], F))


def test_integers_pass_through():
    plain = {"dtype": "float32", "quantise": None}
    assert run(np.array([[3.0, -8.0]], F), **plain)["codes"].tolist() == [[3, -8]]
    with pytest.raises(ThresherError, match="must hold integers, not 0.5 at index"):
        run(np.array([[3.0, 0.5]], F), **plain)
    with pytest.raises(ThresherError, match=r"'count' must have codes in \[0, 3\], not 4 at index"):
        run(np.zeros((1, 2), F), 4)


@pytest.mark.parametrize(
    "inputs, words",
    [
        ({"real": np.zeros((1, 3), F)}, r"'real' must have shape \(N, 2\), not \(1, 3\); stack"),
        ({"real": np.zeros(2, F)}, r"'real' must have shape \(N, 2\), not \(2,\)"),
        ({"real": np.zeros((1, 2))}, "must be float32, not float64; convert it with .astype"),
        ({"real": np.zeros((1, 2), complex)}, "must be float32, not complex128"),
        ({"count": np.zeros((1, 1), F)}, "'count' must be int8, not float32"),
        ({"real": np.zeros((3, 2), F)}, "one number of samples, not"),
        ({"other": np.zeros(1)}, "inputs must be among .*, not 'other'; remove it"),
    ],
)
def test_wrong_arrays_are_refused(inputs, words):
    good = {"real": np.zeros((1, 2), F), "count": np.zeros((1, 1), np.int8)}
    with pytest.raises(ThresherError, match=words):
        Golden(graph()).run_model(good | inputs)


def test_missing_inputs_are_refused():
    with pytest.raises(ThresherError, match="inputs must hold 'count', which is missing"):
        Golden(graph()).run_model({"real": np.zeros((1, 2), F)})


@pytest.mark.parametrize(
    "x, words",
    [
        (np.full((1, 2), 8), r"must have codes in \[-8, 7\], not 8 at index \(0, 0\)"),
        (np.zeros((1, 2)), "codes 'x' must be integers, not float64"),
        (np.zeros((1, 2, 1), int), "must have shape"),
    ],
)
def test_wrong_codes_are_refused(x, words):
    with pytest.raises(ThresherError, match=words):
        Golden(graph()).run({"x": x, "n": np.zeros((1, 1), int)})
