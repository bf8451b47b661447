"""The functions at a model's edges: what the host computes is what the compiler computes."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden_link import compiled

from thresher.boards import manifest as writing
from thresher.boards.host import values
from thresher.boards.host.errors import InputError
from thresher.boards.host.model import load_model
from thresher.boards.host.ports import codes_of, values_of
from thresher.boards.manifest import manifest
from thresher.compiler import expr
from thresher.compiler.errors import ThresherError
from thresher.compiler.expr import Apply, Constant, Leaf, evaluate
from thresher.compiler.integer.ir import OutputPort, Tensor
from thresher.compiler.integer.ports import dequantised, quantised
from thresher.gen.compiled import Compiled
from thresher.sim.inputs import random_inputs

F = np.float32
SPECIAL = np.array(
    [0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-45, -1e-38, 3e38, -3e38, 7.0000005], F
)


def leaf() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([SPECIAL, rng.normal(0, 40, 500).astype(F)])[:, None]


def constant(*shape: int, positive: bool = False, seed: int = 1) -> Constant:
    array = np.random.default_rng(seed).normal(0, 3, shape).astype(F)
    return Constant(np.abs(array) + F(0.01) if positive else array)


def through_json(e: expr.Expr) -> values.Function:
    return values.load_function(json.loads(json.dumps(writing._expression(e))), "x", "")


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(
        np.broadcast_to(found, expected.shape).view(np.uint32), expected.view(np.uint32)
    )


COUNT = {
    "Add": 2, "Sub": 2, "Mul": 2, "Div": 2, "Min": 2, "Max": 2, "Clip": 3, "Where": 3,
    "Greater": 2, "GreaterOrEqual": 2, "Less": 2, "LessOrEqual": 2, "Equal": 2, "And": 2,
    "Or": 2, "Xor": 2,
}  # fmt: skip


def test_every_operator_that_numpy_computes_is_there() -> None:
    assert set(values.OPERATORS) == set(expr._NUMPY) | {"Quantize", "Trunc", "Scale", "Identity"}


@pytest.mark.parametrize("op", sorted(set(expr._NUMPY) - {"MultiThreshold"}))
def test_operators(op: str) -> None:
    args = [constant(7, seed=k) for k in range(COUNT.get(op, 1) - 1)]
    for place in range(COUNT.get(op, 1)):
        e = Apply(op, tuple([*args[:place], Leaf(), *args[place:]]))
        with np.errstate(all="ignore"):
            same(through_json(e)(leaf()), evaluate(e, leaf()))


ROUNDINGS = ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("clip_first", [0, 1])
def test_quantize(rounding: str, clip_first: int) -> None:
    attrs = {"lo": -7, "hi": np.float64(7.5), "rounding": rounding, "clip_first": clip_first}
    for scale in (constant(5, positive=True), Constant(np.full((1,), 0.5, F))):
        e = Apply("Quantize", (Leaf(), scale), attrs)
        same(through_json(e)(leaf()), evaluate(e, leaf()))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("lo", [None, -8])
def test_trunc(rounding: str, lo: int | None) -> None:
    attrs = {"lo": lo, "hi": 7, "rounding": rounding}
    e = Apply("Trunc", (Leaf(), Constant(np.array([0.25], F)), Constant(np.array([4], F))), attrs)
    same(through_json(e)(leaf()), evaluate(e, leaf()))


def test_scale_multiplies_in_float64_and_thresholds_count() -> None:
    factor = Constant(np.random.default_rng(3).normal(size=9))
    for e in (
        Apply("Scale", (Leaf(), factor)),
        Apply("MultiThreshold", (Leaf(), *(constant(9, seed=k) for k in range(5)))),
        Apply("MultiThreshold", (Leaf(),)),
    ):
        same(through_json(e)(leaf()), evaluate(e, leaf()))


def test_shared_nodes_are_written_once() -> None:
    e: expr.Expr = Leaf()
    for _ in range(40):  # a tree of 2**40 nodes, were it written as one
        e = Apply("Add", (e, e))
    saved = writing._expression(e)
    assert len(saved["nodes"]) == 41  # type: ignore[arg-type]
    same(through_json(e)(leaf()[:14] / 2), evaluate(e, leaf()[:14] / 2))


def output(e: expr.Expr, lo: int, hi: int, shape: tuple[int, ...]) -> OutputPort:
    return OutputPort("y", Tensor("y", shape, lo, hi), "float32", e)


def test_other_operators_become_a_table() -> None:
    scale = Constant(np.random.default_rng(5).normal(0, 0.1, (1, 6)))
    e = Apply("Sigmoid", (Apply("Scale", (Leaf(), scale)),))
    codes = np.random.default_rng(6).integers(-128, 128, (50, 4, 6))
    port = output(e, -128, 127, (4, 6))
    table = writing._table(e, port.tensor)
    assert table is not None
    found = values.load_function(json.loads(json.dumps(table)), "y", "")(codes)
    same(found, evaluate(e, codes))


def test_a_table_without_channels() -> None:
    e = Apply("Tanh", (Apply("Scale", (Leaf(), Constant(np.array(0.01)))),))
    codes = np.random.default_rng(6).integers(0, 300, (50, 4, 6))
    table = writing._table(e, Tensor("y", (4, 6), 0, 299))
    assert table is not None
    same(values.load_function(table, "y", "")(codes), evaluate(e, codes))


def test_a_large_table_is_refused_when_it_is_asked_for() -> None:
    e = Apply("Sigmoid", (Apply("Tanh", (Leaf(),)),))
    assert writing._table(e, Tensor("y", (4,), 0, 1 << 16)) is None
    wide = Apply("Sigmoid", (Apply("Add", (Leaf(), constant(100))),))
    assert writing._table(wide, Tensor("y", (100,), 0, (1 << 16) - 1)) is None
    saved = writing._expression(e)
    assert saved == {"unavailable": ["Sigmoid", "Tanh"]}
    function = values.load_function(saved, "y", "take codes")
    with pytest.raises(InputError, match="'y' needs Sigmoid, Tanh, .*; take codes"):
        function(np.zeros(1))


def loaded(model: Compiled) -> writing.Mapping[str, object]:
    return json.loads(json.dumps(manifest(model), allow_nan=False))


MODELS = [
    "lstm_init_raw", "lstm_argmax", "finn_mlp_integer_input", "int_input_dequantize",
    "qonnx_trunc_v2",
]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """Inputs to codes and codes to outputs, through model.json, are those of the compiler."""
    model = compiled(name, 2 if name == "lstm_init_raw" else 1)
    graph = model.streamlined.graph
    read = load_model(loaded(model))
    arrays = random_inputs(graph, 40, seed=2)
    codes = quantised(graph.inputs, arrays)
    found = codes_of(read.inputs, arrays)
    for port, array in zip(graph.inputs, found, strict=True):
        np.testing.assert_array_equal(array, codes[port.tensor.name])
    results = model.golden.run(codes)
    expected = dequantised(graph.outputs, results)
    for out in read.outputs:
        array = values_of(out, results[out.name])
        assert array.dtype == expected[out.name].dtype
        assert array.tobytes() == expected[out.name].tobytes()


def test_a_value_without_code_is_refused_alike() -> None:
    """An initial state that the model does not quantise takes only values of its scale."""
    model = compiled("lstm_init_raw", 2)
    graph, read = model.streamlined.graph, load_model(loaded(model))
    arrays = random_inputs(graph, 3, seed=2)
    name = next(p.source for p in graph.inputs if p.exact)
    arrays[name] = arrays[name] + F(1e-3)
    words = f"'{name}' must be a value of its quantiser, not"
    with pytest.raises(ThresherError, match=words):
        quantised(graph.inputs, arrays)
    with pytest.raises(InputError, match=words):
        codes_of(read.inputs, arrays)


def test_model_json_is_checked(tmp_path: Path) -> None:
    good = loaded(compiled("rnn_relu"))
    path = tmp_path / "model.json"
    for text, words in (
        ("{", "cannot be read .*give a driver's model.json"),
        ("[]", "is not a model.json of format 1"),
        (json.dumps({**good, "format": 2}), "is not a model.json of format 1"),
        (json.dumps({k: v for k, v in good.items() if k != "frames"}), "damaged .*'frames'"),
        (json.dumps({**good, "model_sha256": "xy"}), "is damaged"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            load_model(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "nothing.json")
    path.write_text(json.dumps(good))
    assert load_model(path).name == good["name"]
