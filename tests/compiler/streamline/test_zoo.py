"""E2 over the whole zoo, and the refusals."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.importer import import_model
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import Block, Loop, MatMul, Node
from thresher.compiler.integer.ports import quantised
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Streamlined, streamline
from thresher.sim.equality import compare_with_reference
from thresher.sim.inputs import random_inputs
from zoo import load, names
from zoo.bad import BAD_FILES, BAD_MODELS


def streamlined(name: str, tmp_path: Path) -> tuple[Streamlined, str]:
    zoo = load(name)
    path = str(tmp_path / f"{name}.onnx")
    onnx.save(zoo.model, path)
    return streamline(import_model(path), seq_len=zoo.seq_len), path


@pytest.mark.parametrize("name", names())
def test_equals_the_reference(name, tmp_path):
    model, path = streamlined(name, tmp_path)
    inputs = random_inputs(model.graph, 64, seed=1)
    outcome = compare_with_reference(model, Reference(path, model.dims), inputs)
    assert outcome.unexplained == 0, outcome.differences
    if load(name).pow2:
        assert outcome.differing == 0, outcome.differences


@pytest.mark.parametrize("name", names())
def test_zoo_inputs_equal_the_reference(name, tmp_path, rng):
    model, path = streamlined(name, tmp_path)
    inputs = load(name).inputs(rng, 32)
    outcome = compare_with_reference(model, Reference(path, model.dims), inputs)
    assert outcome.unexplained == 0, outcome.differences


@pytest.mark.parametrize("name", names())
def test_optimised_equals_source(name, tmp_path):
    model, _ = streamlined(name, tmp_path)
    check(model.graph)
    codes = quantised(model.graph.inputs, random_inputs(model.graph, 32, seed=2))
    source = Golden(model.source).run(codes)
    optimised = Golden(model.graph).run(codes)
    for output, values in source.items():
        assert np.array_equal(values, optimised[output])


@pytest.mark.parametrize("name", names())
def test_intervals_hold(name, tmp_path):
    model, _ = streamlined(name, tmp_path)
    tensors = {t.name: t for n in _nodes(model.source.block) for t in n.outputs}
    codes = quantised(model.source.inputs, random_inputs(model.source, 64, seed=3))
    for tensor, values in Golden(model.source).intermediates(codes, tensors).items():
        assert tensors[tensor].lo <= values.min() <= values.max() <= tensors[tensor].hi


def _nodes(block: Block) -> Iterator[Node]:
    for node in block:
        yield node
        if isinstance(node, Loop):
            yield from _nodes(node.body)


def test_the_input_product_leaves_the_loop_and_gates_share_products(tmp_path):
    model, _ = streamlined("lstm", tmp_path)
    (loop,) = [n for n in model.graph.block if isinstance(n, Loop)]
    outside = [n for n in model.graph.block if isinstance(n, MatMul)]
    inside = [n for n in loop.body if isinstance(n, MatMul)]
    assert len(outside) == len(inside) == 1
    hidden, gates = inside[0].weights.shape
    assert outside[0].weights.shape[1] == gates == 4 * hidden


def test_sequence_length_is_the_users(tmp_path):
    zoo = load("lstm_symbolic")
    path = tmp_path / "m.onnx"
    onnx.save(zoo.model, path)
    for steps in (1, 9):
        model = streamline(import_model(path), seq_len=steps)
        (loop,) = [n for n in model.graph.block if isinstance(n, Loop)]
        assert loop.steps == steps
        inputs = random_inputs(model.graph, 8, seed=0)
        assert compare_with_reference(model, Reference(path, model.dims), inputs).differing == 0


def test_sequence_length_of_a_fixed_model_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(load("lstm").model, path)
    with pytest.raises(ModelError, match="--seq-len is given but no symbolic axis reaches a Scan"):
        streamline(import_model(path), seq_len=4)


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models_are_refused_in_one_line(name, tmp_path):
    build, words = BAD_MODELS[name]
    path = tmp_path / "bad.onnx"
    onnx.save(build(), path)
    with pytest.raises(ModelError, match=words) as caught:
        streamline(import_model(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_in_one_line(name, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(BAD_FILES[name]())
    with pytest.raises(ModelError) as caught:
        import_model(path)
    assert "\n" not in str(caught.value)
