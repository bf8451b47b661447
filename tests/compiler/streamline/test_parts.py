"""Grids of constants, symbolic axes, forms of expressions."""

import numpy as np
import pytest

from thresher.compiler import analysis
from thresher.compiler.errors import ModelError
from thresher.compiler.expr import Apply, Constant, Leaf, evaluate
from thresher.compiler.graph import Graph, GraphInput, Node
from thresher.compiler.streamline.forms import aligned, offset_codes, power_of_two
from thresher.compiler.streamline.grid import codes_of
from thresher.compiler.streamline.symbols import fix_shapes


def constant(value: object) -> Constant:
    return Constant(np.array(value, np.float32))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_on_a_grid_are_found(bits, rng):
    codes = rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (12, 7))
    scale = np.float32(0.00371)
    found = codes_of((codes * scale).astype(np.float32))
    assert found is not None
    assert np.abs(found[0] * found[1] - codes * scale).max() < 1e-7
    assert np.abs(found[0]).max() <= 255


def test_weights_with_a_scale_per_column_are_found(rng):
    codes = rng.integers(-7, 8, (20, 5))
    codes[0] = 7
    scale = rng.uniform(0.01, 0.1, 5).astype(np.float32)
    found = codes_of((codes * scale).astype(np.float32))
    assert found is not None
    codes_found, scale_found = found
    assert scale_found.shape == (1, 5)
    assert np.array_equal(codes_found * np.sign(scale_found).astype(int), codes)


def test_float_weights_have_no_grid(rng):
    assert codes_of(rng.normal(size=(30, 30)).astype(np.float32)) is None
    assert codes_of(np.array([np.nan, 1.0])) is None


def test_zero_weights_are_zero_codes():
    found = codes_of(np.zeros((3, 2), np.float32))
    assert found is not None
    assert not found[0].any()
    assert found[1] == 1


def test_power_of_two():
    found = power_of_two(np.array([0.25, 8.0]))
    assert found is not None
    assert found.tolist() == [-2, 3]
    assert power_of_two(np.array([3.0])) is None


@pytest.mark.parametrize(
    "x, y, scale, factors",
    [
        (0.25, 0.25, 0.25, (1, 1)),
        (8.0, 0.5, 0.5, (16, 1)),
        (2.0**-10, 3 * 2.0**-8, 2.0**-10, (1, 12)),
        (0.75, 1.25, 0.25, (3, 5)),
        (-0.75, -0.5, -0.25, (3, 2)),
        (0.3 * 4, 0.3, 0.3, (4, 1)),
    ],
)
def test_aligned(x, y, scale, factors):
    found = aligned(np.array(x), np.array(y))
    assert found is not None
    assert found.scale == scale
    assert (int(found.x), int(found.y)) == factors


def test_aligned_by_channel():
    found = aligned(np.array([[0.5], [3.0]]), np.array(0.25))
    assert found is not None
    assert found.x.tolist() == [[2], [12]]
    assert found.y.tolist() == [[1], [1]]
    assert found.scale.tolist() == [[0.25], [0.25]]


@pytest.mark.parametrize("x, y", [(0.1, 0.07), (1.0, 257.0), (1.0, 2.0**25), (1.0, 0.0)])
def test_not_aligned(x, y):
    assert aligned(np.array(x), np.array(y)) is None


def test_offset_codes():
    scale = np.array(0.1, np.float32).astype(np.float64)
    assert offset_codes(scale, np.asarray(np.float32(7) * np.float32(0.1), np.float64)) == 7
    assert offset_codes(scale, np.array(0.25)) is None


def test_affine_of_a_chain():
    mul = Apply("Mul", (Leaf(), constant(0.5)))
    chain = Apply("Sub", (constant(1.0), Apply("Add", (mul, constant(3.0)))))
    assert analysis.affine(chain) == (-0.5, -2.0)
    assert evaluate(chain, np.array(4)) == -4.0
    assert analysis.linear_scale(chain) is None
    assert analysis.affine(Apply("Relu", (mul,))) is None


def test_monotone_by_channel():
    falling = Apply("Mul", (Leaf(), constant([[1.0, -2.0, 0.0]])))
    ways = analysis.monotone(Apply("Sigmoid", (falling,)))
    assert ways is not None
    assert ways.tolist() == [[1, -1, 0]]
    assert analysis.monotone(Apply("Sin", (falling,))) is None
    assert analysis.monotone(Apply("Add", (falling, Leaf()))) is None


def model(inputs: list[GraphInput], nodes: tuple[Node, ...] = ()) -> Graph:
    return Graph("g", tuple(inputs), (), nodes, {})


def scan_of(name: str) -> Node:
    body = Graph("b", (GraphInput("s"), GraphInput("t")), ("s", "t"), (), {})
    attrs = {
        "body": body,
        "num_scan_inputs": 1,
        "scan_input_axes": (0,),
        "scan_input_directions": (0,),
        "scan_output_axes": (0,),
        "scan_output_directions": (0,),
    }
    return Node("Scan", "scan", ("s0", name), ("", "y"), attrs)


def test_the_scanned_symbol_is_the_sequence():
    x = GraphInput("x", ("N", "T", 3))
    turned = Node("Transpose", "t", ("x",), ("xt",), {"perm": (1, 0, 2)})
    fixed, dims = fix_shapes(model([x], (turned, scan_of("xt"))), 7)
    assert fixed.inputs[0].shape == (1, 7, 3)
    assert dims == {"N": 1, "T": 7}


def test_a_sequence_stays_one_through_convolutions():
    x = GraphInput("x", ("N", 3, "T"))
    conv = Node("Conv", "c", ("x", "w"), ("xc",), {})
    steps = Node("Transpose", "t", ("xc",), ("xt",), {"perm": (2, 0, 1)})
    fixed, dims = fix_shapes(model([x], (conv, steps, scan_of("xt"))), 7)
    assert fixed.inputs[0].shape == (1, 3, 7)
    assert dims == {"N": 1, "T": 7}


def test_a_sequence_needs_its_length():
    x = GraphInput("x", ("T", 3))
    with pytest.raises(ModelError, match=r"sequence axis \('T'\) is symbolic .* give --seq-len T"):
        fix_shapes(model([x], (scan_of("x"),)), None)


def test_ambiguous_symbols_are_refused():
    x = GraphInput("x", ("A", "B", 3))
    odd = Node("Mystery", "m", ("x",), ("xm",))
    with pytest.raises(ModelError, match="cannot tell the batch from the sequence"):
        fix_shapes(model([x], (odd, scan_of("xm"))), 5)


def test_a_symbolic_batch_is_one():
    fixed, _ = fix_shapes(model([GraphInput("x", ("", 3))]), None)
    assert fixed.inputs[0].shape == (1, 3)
