"""The zoo itself: its models are valid, run in their oracles, and exercise what they claim to."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from zoo import ZooModel, load, names, probe, recurrent, run_ort, run_qonnx
from zoo.bad import BAD_FILES, BAD_MODELS
from zoo.builder import BREVITAS, QONNX, Arrays
from zoo.models import MODELS

SAMPLES = 24


def is_recurrent(model: ZooModel) -> bool:
    return any(node.op_type == "Scan" for node in model.model.graph.node)


class Quant(OpRun):
    """QONNX's Quant as its paper has it, for Scan bodies, where qonnx itself cannot go."""

    op_domain = QONNX

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero: np.ndarray,
        bits: np.ndarray,
        signed: int = 1,
        narrow: int = 0,
        rounding_mode: str = "ROUND",
    ) -> tuple[np.ndarray]:
        assert rounding_mode == "ROUND"
        assert not zero.any()
        top = 2 ** (int(bits) - signed) - 1
        low = narrow - top - 1 if signed else 0
        codes = np.round(np.clip(x / scale, low, top if signed else top - narrow))
        return ((codes * scale).astype(np.float32),)


class BrevitasQuant(Quant):
    """The same under the old domain."""

    op_domain = BREVITAS


BrevitasQuant.__name__ = "Quant"  # the evaluator finds operators by class name


def run_reference(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    """Outputs by name, stacked over samples, from onnx's own evaluator."""
    evaluator = ReferenceEvaluator(model, new_ops=[Quant, BrevitasQuant])
    count = len(inputs["x"])
    samples: list[Any] = [
        evaluator.run(None, {k: v[n] for k, v in inputs.items()}) for n in range(count)
    ]
    return {
        name: np.stack([s[k] for s in samples]) for k, name in enumerate(evaluator.output_names)
    }


def outputs(model: ZooModel, rng: np.random.Generator) -> Arrays:
    inputs = model.inputs(rng, SAMPLES)
    if model.standard:
        return run_ort(model.model, inputs)
    return (run_reference if is_recurrent(model) else run_qonnx)(model.model, inputs)


@pytest.mark.parametrize("name", names())
def test_model_is_valid(name: str) -> None:
    model = load(name).model
    onnx.checker.check_model(model, full_check=load(name).standard)
    assert model.ir_version == 10
    assert all(node.name for node in model.graph.node)


@pytest.mark.parametrize("name", names())
def test_building_again_gives_the_same_file(name: str) -> None:
    assert MODELS[name]().model.SerializeToString() == load(name).model.SerializeToString()


@pytest.mark.parametrize("name", names())
def test_outputs_use_their_range(name: str, rng: np.random.Generator) -> None:
    model = load(name)
    found = outputs(model, rng)
    assert list(found) == [output.name for output in model.model.graph.output]
    for key, values in found.items():
        assert np.isfinite(values).all()
        different = len(np.unique(values))
        if key == "label":
            assert different > 1
        else:
            assert different >= min(0.3 * 2 ** (model.output_bits or 8), values.size / 6)
            assert max((values == edge).mean() for edge in (values.min(), values.max())) < 0.75


@pytest.mark.parametrize("name", names())
def test_input_shapes_fit_the_graph(name: str, rng: np.random.Generator) -> None:
    model = load(name)
    arrays = model.inputs(rng, 3)
    assert set(arrays) == {value.name for value in model.model.graph.input}
    symbols = set()
    for value in model.model.graph.input:
        dims = value.type.tensor_type.shape.dim
        shape = arrays[value.name].shape
        assert shape[0] == 3
        assert len(shape) == len(dims) + 1
        for dim, size in zip(dims, shape[1:], strict=True):
            symbols.add(dim.dim_param)
            expected = {"": dim.dim_value, "T": model.seq_len}.get(dim.dim_param, 1)
            assert size == expected
    assert ("T" in symbols) == (model.seq_len is not None)


@pytest.mark.parametrize("name", [n for n in names(standard=True) if is_recurrent(load(n))])
def test_no_gate_is_dead_or_saturated(name: str, rng: np.random.Generator) -> None:
    model = load(name)
    found = run_ort(probe(model), model.inputs(rng, SAMPLES))
    probes = {key: v for key, v in found.items() if key.startswith("probe_")}
    assert probes
    for key, values in probes.items():
        edges = max((values == edge).mean() for edge in (values.min(), values.max()))
        assert len(np.unique(values)) >= 8, key
        assert edges < 0.6 or "relu" in name, key


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("qonnx_lstm", "lstm"),
        ("qonnx_lstm_brevitas", "lstm_captured"),
        ("qonnx_gru", None),
    ],
)
def test_qonnx_recurrence_equals_its_qcdq_twin(
    name: str, twin: str | None, rng: np.random.Generator
) -> None:
    model = load(name)
    other = load(twin) if twin else recurrent("twin", cells=("gru",), bias="int32")
    inputs = model.inputs(rng, SAMPLES)
    left, right = run_reference(model.model, inputs), run_ort(other.model, inputs)
    for key in right:
        np.testing.assert_array_equal(left[key], right[key])


@pytest.mark.parametrize(
    "how",
    [
        {"weights": "float"},
        {"weights": "graph"},
        {"capture": True},
        {"matmul": "column"},
        {"quantise_inside": True},
        {"init": "shape"},
        {"symbolic_seq": True},
    ],
    ids=str,
)
def test_ways_of_writing_compute_the_same(how: dict[str, object], rng: np.random.Generator) -> None:
    plain, other = load("lstm"), recurrent("other", **how)  # type: ignore[arg-type]
    inputs = plain.inputs(rng, SAMPLES)
    shaped = {"x": inputs["x"].swapaxes(-1, -2)} if "matmul" in how else inputs
    left, right = run_ort(plain.model, inputs), run_ort(other.model, shaped)
    for key, values in left.items():
        np.testing.assert_array_equal(right[key].reshape(values.shape), values)


def test_wide_state_leaves_its_quantisers_range(rng: np.random.Generator) -> None:
    found = outputs(load("lstm_wide_state"), rng)["c"]
    assert found.max() > 1.0
    assert found.min() < -1.0


def test_inputs_hold_ties_and_overflow(rng: np.random.Generator) -> None:
    values = load("lstm").inputs(rng, SAMPLES)["x"] * 32
    assert 0.1 < (values % 1 == 0.5).mean() < 0.5
    assert values.min() < -32.5
    assert values.max() > 31.5


@pytest.mark.parametrize("name", sorted(set(BAD_MODELS) - {"unknown_domain"}))
def test_bad_models_are_valid_onnx(name: str) -> None:
    onnx.checker.check_model(BAD_MODELS[name][0](), full_check=True)


@pytest.mark.parametrize("name", sorted(set(BAD_FILES) - {"empty"}))
def test_bad_files_do_not_parse(name: str) -> None:
    with pytest.raises(Exception, match=r"(?i)pars|decod|protobuf|wire"):
        onnx.load_model_from_string(BAD_FILES[name]())


@pytest.mark.parametrize("kind", ["wide_sin", "wide_parabola"])
def test_wide_accumulators_are_wide(kind: str) -> None:
    model = BAD_MODELS[kind][0]()
    codes = max((onnx.numpy_helper.to_array(t) for t in model.graph.initializer), key=np.size)
    assert 2 * 128 * np.abs(codes.astype(int)).sum(axis=0).max() > 2**23
