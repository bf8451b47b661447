"""Scan: its one form, captured names, nesting, and what is refused."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph, Node
from thresher.compiler.importer import import_model
from thresher.compiler.reference import Reference

RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], dict[str, np.ndarray]]
BODY = """body = b (float[2] s, float[2] v) => (float[2] t, float[2] o)
          { t = Add(s, v) p = Mul(t, w) o = Relu(p) }"""


def parse(scan: str, x: str = "4, 2", opset: int = 19, outer: str = "") -> onnx.ModelProto:
    return parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}]> g (float[{x}] x) => (float y) '
        f"<float[2] h0 = {{1, 2}}, float[2] w0 = {{3, -1}}> {{ w = Neg(w0) {scan} {outer} }}"
    )


def scan_of(graph: Graph) -> Node:
    return next(node for node in graph.nodes if node.op == "Scan")


def check(model: onnx.ModelProto, run_graph: RunGraph, rng: np.random.Generator) -> Graph:
    graph = import_model(model)
    x = rng.normal(0, 2, [int(size) for size in graph.inputs[0].shape]).astype(np.float32)
    expected = Reference(model, {}).run({"x": x[None]})["y"][0]
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], expected)
    return graph


def test_every_attribute_is_written_out(run_graph: RunGraph, rng: np.random.Generator) -> None:
    graph = check(parse(f"h, y = Scan <num_scan_inputs = 1, {BODY}> (h0, x)"), run_graph, rng)
    attrs = dict(scan_of(graph).attrs)
    body = attrs.pop("body")
    assert isinstance(body, Graph)
    assert attrs == {
        "num_scan_inputs": 1,
        "scan_input_axes": (0,),
        "scan_input_directions": (0,),
        "scan_output_axes": (0,),
        "scan_output_directions": (0,),
    }
    assert [item.name for item in body.inputs] == ["s", "v"]
    assert [item.shape for item in body.inputs] == [(), ()]
    assert body.outputs == ("t", "o")
    assert "w" not in body.constants
    assert "w" in graph.constants


def test_axes_and_directions(run_graph: RunGraph, rng: np.random.Generator) -> None:
    scan = f"""h, y = Scan <num_scan_inputs = 1, {BODY}, scan_input_axes = [1],
        scan_input_directions = [1], scan_output_axes = [1],
        scan_output_directions = [1]> (h0, x)"""
    attrs = scan_of(check(parse(scan, "2, 4"), run_graph, rng)).attrs
    assert [attrs[f"scan_{k}"] for k in ("input_axes", "input_directions")] == [(1,), (1,)]
    assert [attrs[f"scan_{k}"] for k in ("output_axes", "output_directions")] == [(1,), (1,)]


def test_unused_outputs(run_graph: RunGraph, rng: np.random.Generator) -> None:
    graph = check(parse(f'"", y = Scan <num_scan_inputs = 1, {BODY}> (h0, x)'), run_graph, rng)
    assert scan_of(graph).outputs == ("", "y")
    graph = check(parse(f"y = Scan <num_scan_inputs = 1, {BODY}> (h0, x)"), run_graph, rng)
    assert scan_of(graph).outputs == ("y", "")


def test_a_state_that_passes_through(run_graph: RunGraph, rng: np.random.Generator) -> None:
    body = "body = b (float[2] s, float[2] v) => (float[2] t, float[2] v) { t = Identity(s) }"
    graph = check(parse(f'"", y = Scan <num_scan_inputs = 1, {body}> (h0, x)'), run_graph, rng)
    inner = scan_of(graph).attrs["body"]
    assert isinstance(inner, Graph)
    assert (inner.outputs, inner.nodes) == (("s", "v"), ())


def test_nested(run_graph: RunGraph, rng: np.random.Generator) -> None:
    inner = """body = c (float[2] a, float u) => (float[2] d, float[2] e)
               { q = Mul(u, w) d = Add(a, q) e = Add(d, s) }"""
    outer = f"""body = b (float[2] s, float[2] v) => (float[2] t, float[2,2] o)
                {{ t, o = Scan <num_scan_inputs = 1, {inner}> (s, v) }}"""
    graph = check(parse(f'"", y = Scan <num_scan_inputs = 1, {outer}> (h0, x)'), run_graph, rng)
    middle = scan_of(graph).attrs["body"]
    assert isinstance(middle, Graph)
    assert isinstance(scan_of(middle).attrs["body"], Graph)


def test_constants_inside_the_body(run_graph: RunGraph, rng: np.random.Generator) -> None:
    body = """body = b (float[2] s, float[2] v) => (float[2] t, float[2] o) {
        k = Constant <value = float[2] {1.0, 2.0}> () n = Neg(k) t = Add(s, n) o = Mul(t, v) }"""
    graph = check(parse(f'"", y = Scan <num_scan_inputs = 1, {body}> (h0, x)'), run_graph, rng)
    inner = scan_of(graph).attrs["body"]
    assert isinstance(inner, Graph)
    assert {name: value.tolist() for name, value in inner.constants.items()} == {"n": [-1.0, -2.0]}


def test_ranks_reach_the_body() -> None:
    body = """body = b (s, v) => (t, o) {
        t = Transpose(s) o = Transpose(v) }"""
    graph = import_model(
        parse(
            f"h, z = Scan <num_scan_inputs = 1, {body}> (h0, x)",
            "4, 3, 2",
            outer="y = Transpose(z)",
        )
    )
    inner = scan_of(graph).attrs["body"]
    assert isinstance(inner, Graph)
    assert [node.attrs["perm"] for node in inner.nodes] == [(0,), (1, 0)]
    assert graph.nodes[-1].attrs["perm"] == (2, 1, 0)


@pytest.mark.parametrize(
    ("scan", "rule"),
    [
        (
            f"[n] h, y = Scan <num_scan_inputs = 0, {BODY}> (h0, x)",
            "Scan 'n': num_scan_inputs must be 1 to 2, not 0",
        ),
        (
            f"[n] h, y = Scan <num_scan_inputs = 1, {BODY}> (h0, x, x)",
            "body must have 3 inputs, not 2",
        ),
        (
            f"[n] h, y, z = Scan <num_scan_inputs = 1, {BODY}> (h0, x)",
            "body must have at least 3 outputs, not 2",
        ),
        (
            f"[n] h, y = Scan <num_scan_inputs = 1, {BODY}, scan_input_axes = [0, 0]> (h0, x)",
            "scan_input_axes must have 1 entries, not 2",
        ),
        (
            f"[n] h, y = Scan <num_scan_inputs = 1, {BODY}, scan_output_directions = [2]> (h0, x)",
            r"scan_output_directions must be 0 or 1, not \(2,\)",
        ),
        (
            "[n] h, y = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => "
            "(float[2] t, float[2] o) { t = Add(s, v) o = Add(t, nope) }> (h0, x)",
            "Scan 'n': input 'nope' is defined nowhere",
        ),
        (
            "[n] h, y = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => "
            "(float[2] t, float[2] o) { t = Add(s, v) [m] o = Det(t) }> (h0, x)",
            "Det 'm': unsupported operator",
        ),
    ],
)
def test_refused(scan: str, rule: str) -> None:
    with pytest.raises(ModelError, match=rule):
        import_model(parse(scan))


def test_a_body_without_outputs() -> None:
    model = parse(f"[n] y = Scan <num_scan_inputs = 1, {BODY}> (h0, x)")
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    body = next(attribute.g for attribute in scan.attribute if attribute.name == "body")
    del body.output[:]
    with pytest.raises(ModelError, match="Scan 'n': body must have at least 1 outputs, not 0"):
        import_model(model)


def test_the_scan_of_opset_8() -> None:
    model = parse(f'[n] h, y = Scan <num_scan_inputs = 1, {BODY}> ("", h0, x)', opset=8)
    with pytest.raises(ModelError, match="the batched Scan of opset 8 is unsupported; export with"):
        import_model(model)
