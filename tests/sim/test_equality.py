"""The integers beside the model file: a tie between two float values is the only excuse."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from onnx import TensorProto, helper

from thresher.compiler import analysis
from thresher.compiler.expr import Apply, Constant, Leaf
from thresher.compiler.importer import import_model
from thresher.compiler.integer.golden import Golden
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Streamlined, streamline
from thresher.sim import account, equality
from thresher.sim.equality import Equality, compare_with_reference
from thresher.sim.inputs import random_inputs
from thresher.sim.noise import rounding_noise
from zoo import ZooModel, load, mlp, recurrent

Arrays = Mapping[str, np.ndarray]


class Doctored(Golden):
    """Golden, wrong by one code in one element of the first output of the first sample."""

    def run(self, codes: Arrays) -> dict[str, np.ndarray]:
        found = super().run(codes)
        name, top = self.graph.outputs[0].name, self.graph.outputs[0].tensor.hi
        first = found[name][0].reshape(-1)[:1]
        first += np.where(first < top, 1, -1)
        return found


@cache
def made(name: str) -> tuple[ZooModel, Streamlined, Reference]:
    """Models with float32 sums long enough that ties decide now and then."""
    build: dict[str, Callable[[], ZooModel]] = {
        "dense": lambda: mlp("dense", bits=8, features=256, hidden=128, pow2=False),
        "lstm": lambda: recurrent("lstm", bits=8, features=64, hidden=64, steps=4, pow2=False),
        "argmax": lambda: recurrent(
            "argmax", bits=4, weight_bits=3, head="argmax", outputs=(), pow2=False
        ),
        "equals": lambda: recurrent("equals", bits=4, weight_bits=3, head="argmax", outputs=()),
        "least": lambda: load("top_k_float_scales"),
        "pow2": lambda: recurrent("pow2", head="argmax"),
    }
    model = build[name]()
    streamlined = streamline(import_model(model.model))
    return model, streamlined, Reference(model.model, streamlined.dims)


def compared(name: str, inputs: Arrays) -> Equality:
    return compare_with_reference(made(name)[1], made(name)[2], inputs)


def drawn(name: str, samples: int, seed: int, first: int, last: int) -> dict[str, np.ndarray]:
    """Samples `first` to `last` of so many."""
    inputs = random_inputs(made(name)[1].graph, samples, seed)
    return {k: a[first:last] for k, a in inputs.items()}


@pytest.mark.parametrize(
    ("name", "seed", "sample", "tensor", "at"),
    [
        ("dense", 0, 1959, "matmul_53", (0, 101)),
        ("lstm", 1, 627, "lstm_f_add_84", (3, 0, 45)),
    ],
)
def test_a_tie_is_explained(
    name: str, seed: int, sample: int, tensor: str, at: tuple[int, ...]
) -> None:
    inputs = drawn(name, 2000, seed, sample - 2, sample + 3)
    outcome = compared(name, inputs)
    assert (outcome.samples, outcome.differing, outcome.unexplained) == (5, 1, 0)
    (found,) = outcome.differences
    assert (found.sample, found.tensor, found.at) == (2, tensor, at)
    assert found.tie is not None
    low, high = sorted([found.reference, found.ours])
    assert low < found.tie <= high
    assert high - low < 1e-6 * abs(high)
    closing = next(c for c in made(name)[1].closings if c.source == tensor)
    assert isinstance(closing.codes, Apply)
    halves = found.tie / _constants(closing.codes)[0].array.item() * 2
    assert abs(halves - np.rint(halves)) < 1e-5
    assert np.rint(halves) % 2 == 1
    for words in (f"sample 2, tensor '{tensor}' at {at}", "explained by the tie at"):
        assert words in str(found)


def test_the_greatest_of_equals_is_explained() -> None:
    """The float sums of two equal elements differ in the last bit, and the reference takes one."""
    inputs = drawn("argmax", 4000, 3, 88, 186)
    outcome = compared("argmax", inputs)
    assert (outcome.differing, outcome.unexplained) == (3, 0)
    assert [d.sample for d in outcome.differences] == [2, 71, 96]
    first = outcome.differences[0]
    assert first.tensor.startswith("matmul")
    assert first.tie is not None
    assert abs(first.reference - first.tie) < 1e-7


def test_the_order_of_equals_is_explained() -> None:
    """The same among the four least elements, wherever of them it is."""
    outcome = compared("least", load("top_k_float_scales").inputs(np.random.default_rng(0), 250))
    assert (outcome.differing, outcome.unexplained) == (2, 0)
    assert [(d.sample, d.at) for d in outcome.differences] == [(17, (0, 4)), (162, (0, 6))]


@pytest.mark.parametrize("both", [False, True])
def test_a_code_off_by_one_is_not(both: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong in the optimised graph alone, or in both; beside a tie that explains another sample."""
    for place in (equality, account) if both else (equality,):
        monkeypatch.setattr(place, "Golden", Doctored)
    outcome = compared("lstm", drawn("lstm", 2000, 1, 625, 626 if both else 630))
    expected = [(0, True)] if both else [(0, True), (2, False)]
    assert [(d.sample, d.tie is None) for d in outcome.differences] == expected
    assert outcome.unexplained == 1
    assert "no rounding tie explains this" in str(outcome.differences[0])


def test_a_tie_does_not_excuse_another_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample has a tie, and the optimised graph is wrong besides."""
    monkeypatch.setattr(equality, "Golden", Doctored)
    outcome = compared("lstm", drawn("lstm", 2000, 1, 627, 628))
    assert (outcome.differing, outcome.unexplained) == (1, 1)


def test_the_wrong_one_of_equals_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rounded here, so the first of equal elements is right and the last is not."""
    _, model, reference = made("equals")
    (closing,) = [c for c in model.closings if c.codes is None]
    inputs = random_inputs(model.graph, 400, 0)
    run = reference.run
    last = replace(model, closings=tuple(
        replace(c, last=True) if c is closing else c for c in model.closings
    ))  # fmt: skip
    monkeypatch.setattr(reference, "run", lambda x: {k: (a + 1) % 4 for k, a in run(x).items()})
    monkeypatch.setattr(equality, "_ENOUGH", 400)
    found = compare_with_reference(last, reference, inputs)
    assert found.unexplained == found.differing == 400
    assert any(d.tensor == closing.source for d in found.differences)


def test_outputs_without_a_quantiser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float sums: equal within half a code; beyond it only as far as float32 may round."""
    _, model, reference = made("dense")
    inputs = drawn("dense", 2000, 1, 0, 2)
    (port,) = model.graph.outputs
    assert port.dequantise is not None
    found = analysis.affine(port.dequantise)
    assert found is not None
    scale, run = float(found[0].max()), reference.run
    reach = max(-port.tensor.lo, port.tensor.hi) * 2.0**-19
    assert reach > 2
    for shift, expected in ((0.0, (0, 0)), (0.4, (0, 0)), (1.0, (1, 0)), (4 * reach, (1, 1))):

        def moved(x: Arrays, shift: float = shift) -> dict[str, np.ndarray]:
            theirs = run(x)
            theirs[port.name][1].reshape(-1)[0] += shift * scale
            return theirs

        monkeypatch.setattr(reference, "run", moved)
        outcome = compare_with_reference(model, reference, inputs)
        assert (outcome.differing, outcome.unexplained) == expected
    monkeypatch.setattr(reference, "run", run)
    monkeypatch.setattr(equality, "Golden", Doctored)
    assert compare_with_reference(model, reference, inputs).unexplained == 1


def test_a_wrong_step_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal floats that give different codes: the step itself is wrong, no tie is near."""
    _, model, reference = made("dense")
    closing = model.closings[-1]
    assert isinstance(closing.codes, Apply)
    scale = Constant(_constants(closing.codes)[0].array * np.float32(1.2))
    crooked = Apply("Quantize", (Leaf(), scale), closing.codes.attrs)
    wrong = replace(model, closings=(*model.closings[:-1], replace(closing, codes=crooked)))
    sample = {k: a[:1] for k, a in random_inputs(model.graph, 1, 0).items()}
    outputs = reference.run(sample)
    off = {k: a + np.float32(1) for k, a in outputs.items()}
    monkeypatch.setattr(Reference, "run", lambda *_: off)
    outcome = compare_with_reference(wrong, reference, sample)
    assert (outcome.differing, outcome.unexplained) == (1, 1)
    assert outcome.differences[0].reference == pytest.approx(outcome.differences[0].ours)


def test_a_value_too_far_from_the_tie_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sample, were float32 sums exact."""
    monkeypatch.setattr("thresher.sim.noise._SUM_ERROR", 0.0)
    outcome = compared("lstm", drawn("lstm", 2000, 1, 625, 630))
    assert (outcome.differing, outcome.unexplained) == (1, 1)


def test_many_differences_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    _, model, reference = made("pow2")
    inputs = random_inputs(model.graph, 40, 0)
    run = reference.run
    monkeypatch.setattr(reference, "run", lambda x: {k: (a + 1) % 4 for k, a in run(x).items()})
    outcome = compare_with_reference(model, reference, inputs)
    assert (outcome.differing, outcome.unexplained, len(outcome.differences)) == (40, 40, 10)


def test_powers_of_two_allow_nothing() -> None:
    _, model, _ = made("pow2")
    for closing in model.closings:
        codes = np.zeros(closing.before.shape, int)
        assert not np.any(rounding_noise(closing.expr, closing.before, codes))
    assert "Sigmoid" in {c.expr.op for c in model.closings if isinstance(c.expr, Apply)}
    inputs = random_inputs(model.graph, 200, 0)
    assert compared("pow2", inputs).differing == 0


def _constants(expr: object) -> list[Constant]:
    if isinstance(expr, Constant):
        return [expr]
    return [c for a in expr.args for c in _constants(a)] if isinstance(expr, Apply) else []


def test_an_input_that_nothing_reads_is_filled() -> None:
    model = recurrent("idle").model
    model.graph.input.append(helper.make_tensor_value_info("idle", TensorProto.FLOAT, [2]))
    streamlined = streamline(import_model(model))
    inputs = random_inputs(streamlined.graph, 4, 0)
    assert list(inputs) == ["x"]
    reference = Reference(model, streamlined.dims)
    assert compare_with_reference(streamlined, reference, inputs).differing == 0
