"""Single assignment, order, and names that are unique in the whole model."""

import pytest
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph
from thresher.compiler.importer import import_model

HEAD = '<ir_version: 10, opset_import: ["" : 19]>'


def graph_of(body: str, outputs: str = "float[1] y", more: str = "") -> Graph:
    return import_model(
        parse_model(f"{HEAD} g (float[1] x) => ({outputs}) <float[1] w = {{2}}{more}> {{ {body} }}")
    )


def test_nodes_are_sorted() -> None:
    graph = graph_of("y = Add(b, a) b = Exp(a) a = Relu(x)")
    assert [node.outputs[0] for node in graph.nodes] == ["a", "b", "y"]


def test_nameless_nodes_are_numbered_by_operator() -> None:
    graph = graph_of(
        "[Relu_1] a = Relu(x) b = Relu(a) c = Relu(b) [same] d = Exp(c) [same] y = Exp(d)"
    )
    assert [node.name for node in graph.nodes] == ["Relu_1", "Relu_0", "Relu_2", "same", "same_1"]


def test_dead_nodes_and_constants_are_dropped() -> None:
    graph = graph_of("y = Relu(x) z = Mul(x, w)")
    assert [node.op for node in graph.nodes] == ["Relu"]
    assert not graph.constants


def test_two_outputs_of_one_name() -> None:
    with pytest.raises(ModelError, match="Exp 'n': output 'y' is also an output of 'm'"):
        graph_of("[m] y = Relu(x) [n] y = Exp(x)")


@pytest.mark.parametrize("name", ["x", "w"])
def test_an_output_named_as_an_input_or_initializer(name: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}': name is defined twice"):
        graph_of(f"{name} = Relu(x) y = Relu(x)")


def test_two_initializers_of_one_name() -> None:
    with pytest.raises(ModelError, match="initializer 'w': name is defined twice"):
        graph_of("y = Relu(x)", more=", float[1] w = {3}")


def test_missing_input() -> None:
    with pytest.raises(ModelError, match="Add 'n': input 'nope' is defined nowhere"):
        graph_of("[n] y = Add(x, nope)")


def test_missing_output() -> None:
    with pytest.raises(ModelError, match="graph output 'z': no node makes this output"):
        graph_of("y = Relu(x)", "float[1] y, float[1] z")


def test_cycle() -> None:
    with pytest.raises(ModelError, match="graph has a cycle through 'a', 'b'; .* must be a Scan"):
        graph_of("a = Add(x, b) b = Relu(a) y = Relu(b)")


SIBLINGS = f"""
    {HEAD} g (float[3,2] x) => (float[3,2] y, float[2] h) <float[2] h0 = {{1, 2}}> {{
        h, p = Scan <num_scan_inputs = 1, body = b1 (float[2] s, float[2] v)
            => (float[2] h, float[2] t) {{ h = Add(s, v) t = Relu(h) }}> (h0, x)
        q, r = Scan <num_scan_inputs = 1, body = b2 (float[2] s, float[2] v)
            => (float[2] h, float[2] t) {{ h = Sub(s, v) t = Exp(h) }}> (h0, x)
        y = Add(p, r)
    }}"""


def test_bodies_that_share_names_are_told_apart() -> None:
    graph = import_model(parse_model(SIBLINGS))
    first, second = (node.attrs["body"] for node in graph.nodes if node.op == "Scan")
    assert isinstance(first, Graph)
    assert isinstance(second, Graph)
    assert graph.outputs == ("y", "h")
    assert [item.name for item in first.inputs] == ["s", "v"]
    assert first.outputs == ("h_1", "t")
    assert [item.name for item in second.inputs] == ["s_1", "v_1"]
    assert second.outputs == ("h_2", "t_1")
    assert second.nodes[0].inputs == ("s_1", "v_1")
