"""`interleave`: the same function, with the slices of a product side by side."""

import numpy as np
import onnx
import pytest

from thresher.compiler.importer import import_model
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, MatMul, OutputPort, Reorder
from thresher.compiler.integer.passes import driver
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.integer.passes.interleave import interleave
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.ports import quantised
from thresher.compiler.streamline import streamline
from thresher.sim.inputs import random_inputs
from zoo import load


@pytest.mark.parametrize("join", [False, True])
@pytest.mark.parametrize("name", ["lstm", "cifg", "gru", "gru_before", "lstm_per_channel"])
def test_the_function_stays(name, join, tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    onnx.save(load(name).model, path)
    source = streamline(import_model(path)).source
    graph = optimise(source, join=join)
    monkeypatch.setattr(driver, "interleave", lambda graph: graph)
    plain = optimise(source, join=join)
    check(graph)
    codes = quantised(graph.inputs, random_inputs(graph, 64, seed=5))
    want, got = Golden(plain).run(codes), Golden(graph).run(codes)
    assert all(np.array_equal(want[k], got[k]) for k in want)
    strides = [_stride(n) for n in walk(graph.block) if isinstance(n, Reorder)]
    assert set(strides) <= {2, 3, 4}
    assert len(strides) > 1


def _stride(node: Reorder) -> int:
    return int(np.diff(node.index.reshape(-1))[0])


def _graph(parts: list[slice], more: bool = False) -> IntegerGraph:
    """Slices of one product; with `more` the product is an output too."""
    b = Builder()
    x = b.input((3, 2), -4, 3, name="x")
    y = b.matmul(x, np.arange(12).reshape(2, 6), np.arange(6), name="y")
    whole = np.arange(y.size).reshape(y.shape)
    outs = [b.reorder(y, whole[:, part]) for part in parts] + [y] * more
    ports = tuple(OutputPort(f"o{k}", t, "int64", None) for k, t in enumerate(outs))
    return IntegerGraph("g", (InputPort(x, "x", "int64", None),), Block(b.nodes), ports)


def _weights(graph: IntegerGraph) -> np.ndarray:
    return next(n.weights for n in graph.block if isinstance(n, MatMul))


def _run(parts: list[slice], more: bool = False) -> bool:
    """Whether the columns of the product move."""
    rows = _weights(interleave(_graph(parts, more)))
    return rows[0].tolist() != list(range(6))


def test_slices_that_are_not_all_there_suffice():
    assert _run([slice(0, 2), slice(4, 6)])
    assert _weights(interleave(_graph([slice(0, 2), slice(4, 6)])))[0].tolist() == [
        0, 2, 4, 1, 3, 5
    ]  # fmt: skip


def test_what_stays_as_it_is():
    assert not _run([slice(0, 2)])
    assert not _run([slice(0, 2), slice(2, 6)])
    assert not _run([slice(1, 3), slice(3, 5)])
    assert not _run([slice(0, 3), slice(3, 6)], more=True)
