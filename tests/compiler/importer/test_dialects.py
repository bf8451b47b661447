"""Every model of the zoo means the same after import: the Graph computes what the file computes."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Graph, Node
from thresher.compiler.importer import SUPPORTED_OPS, import_model
from thresher.compiler.reference import Reference
from zoo import load, names
from zoo.bad import BAD_MODELS

Arrays = dict[str, np.ndarray]
RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], Arrays]

REFUSED = [
    "unsupported_operator",
    "unsupported_in_scan",
    "zero_point",
    "computed_scale",
    "unknown_domain",
    "string_input",
]


def all_nodes(graph: Graph) -> list[Node]:
    nodes = list(graph.nodes)
    for node in graph.nodes:
        for value in node.attrs.values():
            if isinstance(value, Graph):
                nodes += all_nodes(value)
    return nodes


@pytest.mark.parametrize("name", names())
def test_the_graph_computes_what_the_file_computes(
    name: str, run_graph: RunGraph, rng: np.random.Generator
) -> None:
    model = load(name)
    graph = import_model(model.model)
    inputs = model.inputs(rng, 2)
    expected = Reference(model.model, {}).run(inputs)
    for sample in range(2):
        result = run_graph(graph, {key: value[sample] for key, value in inputs.items()})
        for key, value in expected.items():
            np.testing.assert_array_equal(result[key], value[sample], err_msg=key)


@pytest.mark.parametrize("name", names())
def test_the_graph_is_well_formed(name: str) -> None:
    graph = import_model(load(name).model)
    nodes = all_nodes(graph)
    assert len({node.name for node in nodes}) == len(nodes)
    outputs = [output for node in nodes for output in node.outputs if output]
    assert len(set(outputs)) == len(outputs)
    dialect = {"Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear", "Gemm"}
    assert not dialect & {node.op for node in nodes}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_models_are_refused(name: str) -> None:
    build, words = BAD_MODELS[name]
    with pytest.raises(ModelError, match=words) as caught:
        import_model(build())
    assert "\n" not in str(caught.value)


def test_supported_ops_are_listed() -> None:
    assert {"Scan", "QuantizeLinear", "Quant", "MultiThreshold", "MatMul"} <= set(SUPPORTED_OPS)
    assert "LSTM" not in SUPPORTED_OPS
