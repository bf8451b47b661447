"""Standard operators: one form for every opset, and the same numbers as onnxruntime."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph, Node
from thresher.compiler.importer import ELEMENTWISE, import_model, onnx_name
from thresher.compiler.reference import Reference

RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def parse(body: str, opset: int = 19, shape: str = "2, 3", init: str = "") -> onnx.ModelProto:
    head = f'<ir_version: 10, opset_import: ["" : {opset}]> g (float[{shape}] x) => (float y)'
    return parse_model(f"{head} <float[3] w = {{1, -2, 0.5}}{init}> {{ {body} }}")


def check(model: onnx.ModelProto, run_graph: RunGraph, rng: np.random.Generator) -> Graph:
    """Graph and onnxruntime agree to the bit."""
    graph = import_model(model)
    shape = [int(size) for size in graph.inputs[0].shape]
    x = rng.normal(0, 2, shape).astype(np.float32)
    expected = Reference(model, {}).run({"x": x[None]})["y"][0]
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], expected)
    return graph


SAME = [
    ("y = Squeeze <axes = [0]> (x)", 11, "y = Squeeze(x, k)", 13, "1, 3", "0"),
    ("y = Unsqueeze <axes = [0]> (x)", 11, "y = Unsqueeze(x, k)", 13, "2, 3", "0"),
    ("y = ReduceSum <axes = [1]> (x)", 11, "y = ReduceSum(x, k)", 13, "2, 3", "1"),
    ("y = ReduceMean <axes = [1]> (x)", 13, "y = ReduceMean(x, k)", 18, "2, 3", "1"),
    ("y = ReduceMax <axes = [1]> (x)", 13, "y = ReduceMax(x, k)", 18, "2, 3", "1"),
    ("y, i = TopK <k = 2> (x)", 9, "y, i = TopK(x, k)", 11, "2, 3", "2"),
]


@pytest.mark.parametrize(("old", "old_opset", "new", "new_opset", "shape", "constant"), SAME)
def test_attribute_or_input(
    old: str,
    old_opset: int,
    new: str,
    new_opset: int,
    shape: str,
    constant: str,
    run_graph: RunGraph,
    rng: np.random.Generator,
) -> None:
    init = f", int64[1] k = {{{constant}}}"
    nodes: list[Node] = []
    for body, opset in ((old, old_opset), (new, new_opset)):
        graph = check(parse(body, opset, shape, init), run_graph, rng)
        (node,) = graph.nodes
        np.testing.assert_array_equal(graph.constants[node.inputs[1]], [int(constant)])
        nodes.append(node)
    assert nodes[0].attrs == nodes[1].attrs
    assert len(nodes[0].inputs) == len(nodes[1].inputs) == 2


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("y = Slice <starts = [1], ends = [3], axes = [1]> (x)", 9),
        ("y = Slice(x, a, b, a)", 10),
        ("y = Slice(x, a, b, a, a)", 13),
    ],
)
def test_slice_has_five_inputs(
    body: str, opset: int, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    init = ", int64[1] a = {1}, int64[1] b = {3}"
    graph = check(parse(body, opset, init=init), run_graph, rng)
    values = [int(graph.constants[name][0]) for name in graph.nodes[0].inputs[1:]]
    assert values == [1, 3, 1, 1]


def test_slice_without_axes(run_graph: RunGraph, rng: np.random.Generator) -> None:
    init = ", int64[2] a = {0, 1}, int64[2] b = {1, 3}"
    graph = check(parse("y = Slice(x, a, b)", init=init), run_graph, rng)
    assert graph.constants[graph.nodes[0].inputs[3]].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("body", "opset", "present"),
    [
        ("y = Clip <min = -1.0, max = 1.0> (x)", 7, (True, True)),
        ("y = Clip <max = 1.0> (x)", 7, (False, True)),
        ('y = Clip(x, "", m)', 12, (False, True)),
        ("y = Clip(x, m)", 13, (True, False)),
        ("y = Clip(x)", 13, (False, False)),
    ],
)
def test_clip_has_three_inputs(
    body: str,
    opset: int,
    present: tuple[bool, bool],
    run_graph: RunGraph,
    rng: np.random.Generator,
) -> None:
    (node,) = check(parse(body, opset, init=", float m = {1}"), run_graph, rng).nodes
    assert tuple(bool(name) for name in node.inputs[1:]) == present


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("y = Pad <pads = [0, 1, 0, 0], value = 3.0> (x)", 9),
        ("y = Pad(x, p, v)", 11),
        ('y = Pad <mode = "constant"> (x, p, v, a)', 19),
    ],
)
def test_pad_has_four_inputs(
    body: str, opset: int, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    init = ", int64[4] p = {0, 1, 0, 0}, float v = {3}, int64[2] a = {0, 1}"
    (node,) = check(parse(body, opset, init=init), run_graph, rng).nodes
    assert (len(node.inputs), node.attrs) == (4, {"mode": "constant"})


@pytest.mark.parametrize(
    ("body", "opset", "count"),
    [
        ("y, z = Split <axis = 1, split = [1, 2]> (x)", 11, None),
        ("y, z = Split <axis = 1> (x, k)", 13, None),
        ("y, z = Split(x)", 13, 2),
        ("y, z = Split <num_outputs = 2> (x)", 18, 2),
    ],
)
def test_split(
    body: str, opset: int, count: int | None, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    graph = check(parse(body, opset, init=", int64[2] k = {1, 2}"), run_graph, rng)
    (node,) = graph.nodes
    assert node.attrs["num_outputs"] == count
    assert len(node.inputs) == 2
    assert bool(node.inputs[1]) == (count is None)


BODIES = [
    "y = Gather <axis = 1> (x, i)",
    "y = Concat <axis = 0> (x, x, x)",
    "y = Transpose(x)",
    "y = Flatten(x)",
    "y = Reshape(x, j)",
    "y = Expand(x, n)",
    "y = Tile(x, t)",
    "s = Shape(x) y = Cast <to = 1> (s)",
    "s = Shape <start = 1> (x) y = Cast <to = 1> (s)",
    "a = ArgMax <axis = 1> (x) y = Cast <to = 1> (a)",
    "y = Sum(x, w, x, w)",
    "y = Sum(x)",
    "y = Max(x, w, w)",
    "y = Min(x, w)",
    "y = Min(x)",
    "y = Sub(x, w)",
    "y = Div(x, w)",
    "y = Pow(x, t2)",
    "y = PRelu(x, w)",
    "b = Greater(x, w) y = Where(b, x, w)",
    "a = Less(x, w) b = Equal(x, w) c = Or(a, b) d = Not(c) y = Cast <to = 1> (d)",
    "a = GreaterOrEqual(x, w) b = LessOrEqual(x, w) c = And(a, b) d = Xor(c, a) y = Cast <to=1>(d)",
    "y = ReduceSum <keepdims = 0> (x)",
    "y = Dropout(x)",
    "y, mask = Dropout(x)",
    "y = Identity(x)",
    "s = Shape(x) z = ConstantOfShape <value = float[1] {2.5}> (s) y = Add(x, z)",
    "s = Shape(x) z = ConstantOfShape(s) y = Add(x, z)",
    "y, j2 = TopK <largest = 0> (x, k)",
    "y = Sign(x)",
    "y = Neg(x)",
]


@pytest.mark.parametrize("body", BODIES)
def test_the_graph_computes_what_onnxruntime_computes(
    body: str, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    init = """, int64[2] i = {2, 0}, int64[2] j = {3, -1}, int64[3] n = {4, 2, 3},
              int64[2] t = {2, 1}, float t2 = {2}, int64[1] k = {2}"""
    check(parse(body, init=init), run_graph, rng)


@pytest.mark.parametrize("op", sorted(ELEMENTWISE))
def test_elementwise_operators(op: str, run_graph: RunGraph, rng: np.random.Generator) -> None:
    model = parse(f"a = Abs(x) b = Add(a, w2) y = {onnx_name(op)}(b)", 24, "64", ", float w2 = {1}")
    if op in ("Acos", "Asin", "Atanh"):
        model = parse(f"a = Sigmoid(x) y = {op}(a)", 24, "64")
    assert check(model, run_graph, rng).nodes[-1].op == op


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("LeakyRelu", "alpha = 0.3"),
        ("Elu", "alpha = 0.3"),
        ("Celu", "alpha = 0.3"),
        ("Selu", "alpha = 0.3, gamma = 0.7"),
        ("HardSigmoid", "alpha = 0.3, beta = 0.4"),
        ("ThresholdedRelu", "alpha = 0.3"),
        ("Swish", "alpha = 0.3"),
        ("Gelu", 'approximate = "tanh"'),
    ],
)
def test_attributes_of_activations(
    op: str, attrs: str, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    graph = check(parse(f"y = {op} <{attrs}> (x)", 24, "64"), run_graph, rng)
    given = dict(item.split(" = ") for item in attrs.split(", "))
    for name, value in given.items():
        assert graph.nodes[0].attrs[name] == (
            value.strip('"') if '"' in value else float(np.float32(value))
        )


def test_every_attribute_is_present_once() -> None:
    (node,) = import_model(parse("y = ReduceSum(x)")).nodes
    assert node.attrs == {"keepdims": 1, "noop_with_empty_axes": 0}
    assert node.inputs == ("x", "")
    (node,) = import_model(parse("y = Transpose(x)")).nodes
    assert node.attrs == {"perm": (1, 0)}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("[n] y = Relu <alpha = 2.0> (x)", "Relu 'n': unknown attribute alpha"),
        ("[n] y = Flatten <axis = 1.5> (x)", "Flatten 'n': attribute axis must be INT, not FLOAT"),
        ("[n] y = Concat(x, w)", "Concat 'n': attribute axis is missing"),
        ("[n] y = Add(x)", "Add 'n': number of inputs must be 2, not 1"),
        ('[n] y = Add("", x)', "Add 'n': input A is missing"),
        ("[n] y, z = Relu(x)", "Relu 'n': number of outputs must be 1, not 2"),
        ("[n] y = Cast <to = 8> (x)", "Cast 'n': unsupported target type 8; cast to float32"),
        ("[n] y = Cast <to = 22> (x)", "Cast 'n': unsupported target type 22"),
        ("[n] y = Gelu(x)", "Gelu 'n': unsupported operator: opset 19 does not have it"),
        (
            "[n] y, mask = Dropout(x) z = Not(mask)",
            "Dropout 'n': its output 'mask' is used; export in eval mode",
        ),
        ('[n] y = Dropout(x, "", m)', "Dropout 'n': training_mode must be the constant false"),
        ('[n] c = Constant <value_string = "a"> () y = Relu(x)', "Constant 'n': must hold a num"),
    ],
)
def test_refused(body: str, rule: str) -> None:
    with pytest.raises(ModelError, match=rule):
        import_model(parse(body, init=", bool m = {1}"))


@pytest.mark.parametrize(
    ("attr", "value"),
    [
        ("value_float = 2.5", 2.5),
        ("value_floats = [2.5, 3.0]", [2.5, 3.0]),
        ("value_int = 3", 3),
        ("value_ints = [3, 4]", [3, 4]),
        ("value = float[2] {1.0, 2.0}", [1.0, 2.0]),
    ],
)
def test_constants(attr: str, value: object) -> None:
    kind = "ints" if "ints" in attr else "floats" if "floats" in attr else ""
    typed = attr.replace(" =", f": {kind} =") if kind else attr
    body = f"c = Constant <{typed}> () d = Cast <to = 1> (c) e = Identity(c) y = Add(x, d)"
    graph = import_model(parse(body, shape="1, 2"))
    assert graph.constants["d"].tolist() == value
    assert graph.constants["d"].dtype == np.float32
