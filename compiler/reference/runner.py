"""Run a model file, sample by sample."""

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from thresher.compiler import ort
from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Dim, GraphInput
from thresher.compiler.importer.domains import dialect_op
from thresher.compiler.importer.load import load_model
from thresher.compiler.importer.unique import graphs_of, unique_names
from thresher.compiler.importer.values import graph_input
from thresher.compiler.reference.evaluator import make_evaluator
from thresher.compiler.reference.probe import probed, probed_name, tensor_names
from thresher.compiler.reference.runnable import make_runnable

__all__ = ["Reference"]


class _Engine(Protocol):
    def run(
        self, output_names: list[str], feed: dict[str, np.ndarray], /
    ) -> Sequence[np.ndarray]: ...


class Reference:
    """A model file as an oracle.

    :param source: path of the ONNX file, or a model already loaded.
    :param dims: value of each symbolic dimension of the graph's inputs: 1 for the batch, the
        sequence length for time. A symbol left out, or a dimension without a name, takes any
        size.
    :raises ModelError: the file is wrong, or onnxruntime refuses the model.
    """

    def __init__(
        self, source: str | os.PathLike[str] | onnx.ModelProto, dims: Mapping[str, int]
    ) -> None:
        loaded = unique_names(source) if isinstance(source, onnx.ModelProto) else load_model(source)
        self.tensors = tensor_names(loaded)
        self._model = make_runnable(loaded)
        self._dialect = any(
            dialect_op(node.domain, node.op_type)
            for graph in graphs_of(self._model.graph)
            for node in graph.node
        )
        self.inputs = {item.name: item for item in _inputs(self._model.graph)}
        self.shapes = {
            name: tuple(dims.get(dim, dim) if isinstance(dim, str) else dim for dim in item.shape)
            for name, item in self.inputs.items()
        }
        self.outputs = tuple(value.name for value in self._model.graph.output)
        self._engine = self._start(self._model)

    @property
    def engine(self) -> str:
        """Who computes: "onnxruntime" or "onnx.reference"."""
        return "onnx.reference" if self._dialect else "onnxruntime"

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The graph's outputs for N samples.

        :param inputs: for each input of the graph an array (N, \\*shape), N at least 1.
        :returns: for each output of the graph an array (N, \\*shape).
        :raises ValueError: an input is missing, unknown, or of the wrong shape or dtype.
        """
        feeds = self._feeds(inputs)
        results = [self._engine.run(list(self.outputs), feed) for feed in feeds]
        return {
            name: np.stack([np.asarray(result[i]) for result in results])
            for i, name in enumerate(self.outputs)
        }

    def intermediates(
        self, sample: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Tensors inside the model for one sample.

        :param sample: for each input of the graph an array of its shape, without the axis N.
        :param names: from `tensors`: names of the file, after `unique_names`.
        :returns: the tensors; one inside a Scan body stacked on axis 0 in order of execution, so
            a reverse Scan's first entry belongs to the last element of the sequence.
        :raises ValueError: a name that the model does not have; a wrong input.
        """
        unknown = [name for name in names if name not in self.tensors]
        if unknown:
            raise ValueError(f"the model has no tensor {unknown[0]!r}")
        feed = self._feeds({name: np.asarray(value)[None] for name, value in sample.items()})[0]
        engine = self._start(probed(self._model, names))
        results = engine.run([probed_name(name) for name in names], feed)
        return {name: np.asarray(value) for name, value in zip(names, results, strict=True)}

    def _start(self, model: onnx.ModelProto) -> _Engine:
        if self._dialect:
            evaluator: ReferenceEvaluator = make_evaluator(model)
            return evaluator  # type: ignore[return-value]
        try:
            return ort.session(model)
        except Exception as e:  # onnxruntime's exceptions share no other base class
            reason = str(e).strip().splitlines()[0]
            rule = f"onnxruntime refuses the model ({reason})"
            name = self._model.graph.name
            raise ModelError(name, "graph", rule, "check it with onnx.checker") from e

    def _feeds(self, inputs: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs must be {sorted(self.inputs)}, not {sorted(inputs)}")
        arrays = {
            name: _checked(item, self.shapes[name], np.asarray(inputs[name]))
            for name, item in self.inputs.items()
        }
        counts = {len(array) for array in arrays.values()}
        if len(counts) > 1 or 0 in counts:
            raise ValueError(f"inputs must hold one and the same number of samples, not {counts}")
        return [
            {name: array[i] for name, array in arrays.items()}
            for i in range(max(counts, default=1))
        ]


def _inputs(graph: onnx.GraphProto) -> list[GraphInput]:
    constants = {tensor.name for tensor in graph.initializer}
    return [
        graph_input(value, value.name, {}, body=False)
        for value in graph.input
        if value.name not in constants
    ]


def _checked(item: GraphInput, shape: tuple[Dim, ...], array: np.ndarray) -> np.ndarray:
    fits = array.ndim == len(shape) + 1 and all(
        isinstance(dim, str) or dim == size
        for dim, size in zip(shape, array.shape[1:], strict=False)
    )
    if not fits:
        raise ValueError(
            f"input {item.name!r} must have shape (N, {', '.join(map(str, shape))}), "
            f"not {array.shape}"
        )
    dtype = np.dtype(item.dtype)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise ValueError(f"input {item.name!r} must be {dtype}, not {array.dtype}")
    cast = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(cast, array):
        raise ValueError(f"input {item.name!r} holds values that do not fit {dtype}")
    return cast
