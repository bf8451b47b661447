"""Sums of operands whose scales differ by more than a power of two.

Float weights lie on the coarsest grid that holds them: 0.75 and 0 are codes 1 and 0 of 0.75.
"""

import numpy as np
import onnx
import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.importer import import_model
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import streamline
from thresher.sim.equality import compare_with_reference
from zoo.builder import Builder, Quantiser


def sum_of_products(weights: tuple[object, object], op: str) -> onnx.ModelProto:
    """op(x U, x V) of float weights, quantised."""
    b = Builder("qonnx")
    x = b.quant(b.input("x", [1, 2]), Quantiser(5, 0.125))
    parts = [b.op("MatMul", x, b.const(w)) for w in weights]
    b.output(b.quant(b.op(op, *parts), Quantiser(6, 0.25)), [1, 2], "y")
    return b.model("sum_of_products")


@pytest.mark.parametrize("op", ["Add", "Sub"])
@pytest.mark.parametrize(
    "one, other",
    [
        (
            [[0.75, -0.75], [0.75, 0.0]],
            [[0.5, 1.0], [0.25, -0.5]],
        ),
        ([[-1.25, 0.0], [0.0, 1.25]], [[0.375, 0.375], [0.0, -0.375]]),
    ],
)
def test_small_factors_are_multiplied(one: object, other: object, op: str) -> None:
    onnx_model = sum_of_products((one, other), op)
    model = streamline(import_model(onnx_model))
    values = np.arange(-18, 18) / 8
    x = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 1, 2).astype(np.float32)
    found = compare_with_reference(model, Reference(onnx_model, model.dims), {"x": x})
    assert found.samples == 36 * 36
    assert found.differing == 0, found.differences


def test_other_scales_are_refused() -> None:
    model = sum_of_products(([[0.1, 0.2], [0.0, 0.1]], [[0.07, 0.0], [0.07, 0.14]]), "Add")
    with pytest.raises(ModelError, match="do not differ by a power of two, nor by small factors"):
        streamline(import_model(model))
