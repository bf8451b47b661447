"""The oracle: both engines agree, Scan is right, tensors inside can be seen."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from thresher.compiler import ort
from thresher.compiler.errors import ModelError
from thresher.compiler.importer import load_model
from thresher.compiler.reference import Reference
from thresher.compiler.reference.evaluator import make_evaluator
from thresher.compiler.reference.runnable import make_runnable
from zoo import load, names, run_ort, run_qonnx

FEED_FORWARD = [
    name
    for name in names()
    if any(word in name for word in ("mlp", "trunc", "int_input"))
    and not any(word in name for word in ("int4", "symbolic"))  # qonnx cannot run these
]
STANDARD = [name for name in names() if load(name).standard and "finn" not in name]


def scan_model(body: str, x: str = "3, 2", attrs: str = "") -> onnx.ModelProto:
    return parse_model(
        f'<ir_version: 10, opset_import: ["" : 19]> g (float[{x}] x) => (float h, float y) '
        f"<float[2] h0 = {{1, 2}}> "
        f"{{ h, y = Scan <num_scan_inputs = 1, body = b {body}{attrs}> (h0, x) }}"
    )


def test_standard_models_run_in_onnxruntime(rng: np.random.Generator) -> None:
    model = load("lstm")
    reference = Reference(model.model, {})
    inputs = model.inputs(rng, 3)
    assert reference.engine == "onnxruntime"
    for name, value in run_ort(model.model, inputs).items():
        np.testing.assert_array_equal(reference.run(inputs)[name], value)


@pytest.mark.parametrize("name", STANDARD[::3])
def test_both_engines_agree(name: str, rng: np.random.Generator) -> None:
    model = load(name)
    evaluator = make_evaluator(make_runnable(model.model))
    inputs = model.inputs(rng, 2)
    expected = Reference(model.model, {}).run(inputs)
    for sample in range(2):
        results = evaluator.run(None, {key: value[sample] for key, value in inputs.items()})
        for value, key in zip(results, expected, strict=True):
            np.testing.assert_array_equal(value, expected[key][sample])


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_against_qonnx(name: str, rng: np.random.Generator) -> None:
    model = load(name)
    inputs = model.inputs(rng, 4)
    ours = Reference(model.model, {}).run(inputs)
    for key, value in run_qonnx(model.model, inputs).items():
        np.testing.assert_array_equal(ours[key], value)


def test_dialect_models_run_in_onnxs_evaluator(rng: np.random.Generator) -> None:
    model = load("qonnx_lstm")
    reference = Reference(model.model, {})
    assert reference.engine == "onnx.reference"
    inputs = model.inputs(rng, 2)
    assert {len(value) for value in reference.run(inputs).values()} == {2}


def test_dialect_domain_that_is_not_imported() -> None:
    model = parse_model("""
        <ir_version: 14, opset_import: ["ai.onnx" : 13]> g (float[1,2] x) => (float[1,2] y)
        <float[1,1] t = {0.5}> { h = ai.onnx.Neg(x) y = finn.MultiThreshold(h, t) }""")
    x = np.array([[[-1, 1]]], np.float32)
    assert Reference(model, {}).run({"x": x})["y"].tolist() == [[[1, 0]]]


BODIES = {
    "input as output": "(float[2] s, float[2] v) => (float[2] t, float[2] v) { t = Add(s, v) }",
    "state as output": "(float[2] s, float[2] v) => (float[2] s, float[2] o) { o = Add(s, v) }",
    "one tensor twice": "(float[2] s, float[2] v) => (float[2] t, float[2] t) { t = Add(s, v) }",
    "swapped": "(float[2] s, float[2] v) => (float[2] v, float[2] s) { t = Add(s, v) }",
    "captured": "(float[2] s, float[2] v) => (float[2] t, float[2] h0) { t = Add(s, v) }",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_scan_bodies_that_onnxruntime_runs_wrongly(body: str) -> None:
    x = np.array([[10, 20], [30, 40], [50, 60]], np.float32)
    state, steps = np.array([1, 2], np.float32), []
    expected = Reference(scan_model(body), {}).run({"x": x[None]})
    for v in x:
        values = {"s": state, "v": v, "t": state + v, "o": state + v, "h0": np.array([1, 2])}
        names = [word.split()[-1] for word in body.split("=> (")[1].split(")")[0].split(",")]
        state = values[names[0]]
        steps.append(values[names[1]])
    np.testing.assert_array_equal(expected["h"][0], state)
    np.testing.assert_array_equal(expected["y"][0], steps)


def test_onnxruntime_still_runs_them_wrongly() -> None:
    """Where this fails, case 3 of `make_runnable` may go."""
    x = np.array([[10, 20], [30, 40], [50, 60]], np.float32)
    values = ort.session(scan_model(BODIES["one tensor twice"])).run(None, {"x": x})
    assert not np.array_equal(values[0], [91, 122])


ATTRS = [
    "",
    ", scan_input_directions = [1]",
    ", scan_output_directions = [1]",
    ", scan_input_axes = [1]",
    ", scan_input_axes = [-1], scan_output_axes = [1]",
    ", scan_input_axes = [1], scan_input_directions = [1], scan_output_directions = [1]",
]
STEP = "(float[2] s, float[2] v) => (float[2] t, float[2] o) { t = Add(s, v) o = Tanh(t) }"


@pytest.mark.parametrize("attrs", ATTRS)
def test_scan_of_the_evaluator_is_onnxruntimes(attrs: str, rng: np.random.Generator) -> None:
    model = scan_model(STEP, "2, 2", attrs)
    x = rng.normal(size=(2, 2)).astype(np.float32)
    theirs = ort.session(model).run(None, {"x": x})
    for ours, expected in zip(make_evaluator(model).run(None, {"x": x}), theirs, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dialect", [False, True])
@pytest.mark.parametrize("attrs", ATTRS[:3])
def test_intermediates(dialect: bool, attrs: str) -> None:
    body = "(float[2] s, float[2] v) => (float[2] t, float[2] o) { t = Add(s, v) o = Neg(t) }"
    model = scan_model(body, attrs=attrs)
    if dialect:
        model.graph.node.extend(
            parse_model("""<ir_version: 10, opset_import: ["" : 19, "finn" : 1]>
                g (float[3,2] x) => (float[3,2] z) { z = finn.BipolarQuant(x, x) }""").graph.node
        )
    reference = Reference(model, {})
    x = np.array([[10, 20], [30, 40], [50, 60]], np.float32)
    found = reference.intermediates({"x": x}, ["t", "v", "s", "x", "h0", "y", "h"])
    slices = x[::-1] if "input_directions" in attrs else x
    states = np.array([1, 2]) + np.cumsum(slices, axis=0)
    np.testing.assert_array_equal(found["t"], states)
    np.testing.assert_array_equal(found["v"], slices)
    np.testing.assert_array_equal(found["s"], [[1, 2], *states[:-1]])
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["h0"], [1, 2])
    np.testing.assert_array_equal(found["h"], states[-1])
    ys = -states[::-1] if "output_directions" in attrs else -states
    np.testing.assert_array_equal(found["y"], ys)


@pytest.mark.parametrize("extra", ["", ", scan_output_axes = [0], scan_output_directions = [1]"])
def test_intermediates_of_nested_scans(extra: str) -> None:
    inner = """c (float a, float u) => (float d, float e) { d = Add(a, u) e = Neg(d) }"""
    body = f"""(float s, float[2] v) => (float t, float[2] o)
               {{ t, o = Scan <num_scan_inputs = 1, body = {inner}{extra}> (s, v) }}"""
    model = parse_model(
        '<ir_version: 10, opset_import: ["" : 19]> g (float[2,2] x) => (float h) <float h0 = {0}> '
        f'{{ h, "" = Scan <num_scan_inputs = 1, body = b {body}> (h0, x) }}'
    )
    found = Reference(model, {}).intermediates(
        {"x": np.array([[1, 2], [3, 4]], np.float32)}, ["d", "t", "h"]
    )
    assert found["d"].tolist() == [[1, 3], [6, 10]]
    assert found["t"].tolist() == [3, 10]
    assert found["h"].tolist() == 10


def test_intermediates_carry_the_importers_names() -> None:
    path = load("lstm_bidirectional").model
    reference = Reference(path, {})
    assert reference.tensors >= {name for node in path.graph.node for name in node.output if name}


def test_unknown_tensor() -> None:
    model = scan_model(STEP)
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="the model has no tensor 'nope'"):
        Reference(model, {}).intermediates({"x": x}, ["nope"])


def test_a_new_ir_version_and_a_file(tmp_path: Path) -> None:
    model = scan_model(STEP)
    model.ir_version = 14
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert Reference(path, {}).run({"x": np.zeros((1, 3, 2))})["y"].shape == (1, 3, 2)
    assert load_model(path).ir_version == 14


RELU = '<ir_version: 10, opset_import: ["" : 19]> g ({} x) => ({} y) {{ y = Relu(x) }}'


@pytest.mark.parametrize(
    ("feed", "error"),
    [
        ({}, r"inputs must be \['x'\], not \[\]"),
        ({"x": np.zeros((2, 4, 2)), "z": np.zeros(1)}, r"inputs must be \['x'\], not"),
        ({"x": np.zeros((2, 4, 3))}, r"'x' must have shape \(N, 4, 2\), not \(2, 4, 3\)"),
        ({"x": np.zeros((4, 2))}, r"'x' must have shape \(N, 4, 2\), not \(4, 2\)"),
        ({"x": np.zeros((0, 4, 2))}, "one and the same number of samples"),
        ({"x": np.zeros((1, 4, 2), complex)}, "'x' must be float32, not complex128"),
    ],
)
def test_wrong_inputs(feed: dict[str, np.ndarray], error: str) -> None:
    reference = Reference(parse_model(RELU.format("float[T, 2]", "float[T, 2]")), {"T": 4})
    with pytest.raises(ValueError, match=error):
        reference.run(feed)


def test_values_that_do_not_fit() -> None:
    reference = Reference(parse_model(RELU.format("int8[1]", "int8[1]")), {})
    assert reference.run({"x": np.array([[-3]])})["y"].dtype == np.int8
    with pytest.raises(ValueError, match="'x' holds values that do not fit int8"):
        reference.run({"x": np.array([[200]])})


def test_a_model_that_onnxruntime_refuses() -> None:
    model = parse_model(RELU.format("bool[1]", "bool[1]"))
    with pytest.raises(ModelError, match="graph 'g': onnxruntime refuses the model") as caught:
        Reference(model, {})
    assert "\n" not in str(caught.value)
