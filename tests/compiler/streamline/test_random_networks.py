"""E2 on random networks of up to twelve layers: no difference at all."""

import numpy as np
import pytest

from thresher.compiler.importer import import_model
from thresher.compiler.integer.ir import GroupedMatMul, Loop, MatMul, Reduce, Repeat, Window
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import streamline
from thresher.sim.equality import compare_with_reference
from thresher.sim.inputs import random_inputs
from zoo.random_networks import random_network

NETWORKS, PART, SAMPLES = 300, 20, 5


@pytest.mark.parametrize("first", range(0, NETWORKS, PART))
def test_equal_the_reference(first: int) -> None:
    for seed in range(first, first + PART):
        network = random_network(seed)
        model = streamline(import_model(network.model))
        inputs = {
            name: np.concatenate([array, random_inputs(model.graph, 1, seed)[name]])
            for name, array in network.inputs(np.random.default_rng(seed), SAMPLES).items()
        }
        outcome = compare_with_reference(model, Reference(network.model, model.dims), inputs)
        assert outcome.differing == 0, (seed, outcome.differences)


def test_networks_are_the_same_for_equal_seeds_and_mix_all_operators() -> None:
    """Most give different values for different samples; nodes of images and loops occur."""
    ops: set[str] = set()
    kinds: set[type] = set()
    varying = 0
    for seed in range(60):
        network = random_network(seed)
        if seed < 3:
            again = random_network(seed).model
            assert network.model.SerializeToString() == again.SerializeToString()
        ops |= {node.op_type for node in network.model.graph.node}
        if seed >= 24:
            continue
        graph = streamline(import_model(network.model)).graph
        kinds |= {type(n) for n in walk(graph.block)}
        varying += any(o.tensor.lo != o.tensor.hi for o in graph.outputs)
    assert varying >= 22
    assert kinds >= {GroupedMatMul, Loop, MatMul, Reduce, Repeat, Window}
    assert ops >= {
        "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
        "ReduceMax", "ReduceMean", "Resize", "Concat", "Split", "Slice", "Pad", "Transpose",
        "Reshape", "DepthToSpace", "SpaceToDepth", "Add", "BatchNormalization", "ArgMax", "TopK",
        "Quant", "MultiThreshold", "QuantizeLinear", "Scan", "MatMul", "Flatten",
    }  # fmt: skip
