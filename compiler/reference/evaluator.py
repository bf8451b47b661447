"""onnx's ReferenceEvaluator with QONNX's and FINN's operators, and with onnxruntime's arithmetic.

1. Quant, IntQuant, BipolarQuant, Trunc and MultiThreshold, in every domain they are found in.
2. Scan with any axes and directions; onnx's own knows only axis 0, forwards.
3. Every other standard operator is computed by onnxruntime, node by node, as qonnx does too, so
   that a Sigmoid or a float32 sum is the same here and in a model that onnxruntime runs whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from thresher.compiler import ort
from thresher.compiler.importer.domains import DIALECT_DOMAINS
from thresher.compiler.importer.unique import graphs_of
from thresher.compiler.reference import operators

__all__ = ["make_evaluator"]

_CONTROL = frozenset(["Scan", "Loop", "If", "Constant"])
_DIALECT: dict[str, Callable[..., np.ndarray]] = {
    "Quant": operators.quant,
    "IntQuant": operators.quant,
    "BipolarQuant": operators.bipolar_quant,
    "Trunc": operators.trunc,
    "MultiThreshold": operators.multithreshold,
}


def make_evaluator(model: onnx.ModelProto) -> ReferenceEvaluator:
    """An evaluator of a model that may hold QONNX's and FINN's operators, also inside Scan."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    imported = {entry.domain for entry in copy.opset_import}
    standard: set[str] = set()
    for graph in graphs_of(copy.graph):
        for node in graph.node:
            if node.domain == "ai.onnx":
                node.domain = ""
            if node.domain == "":
                standard.add(node.op_type)
            elif node.domain not in imported:
                copy.opset_import.append(helper.make_opsetid(node.domain, 1))
                imported.add(node.domain)
    for entry in copy.opset_import:
        if entry.domain == "ai.onnx":
            entry.domain = ""
    ops = [_dialect_class(domain, op) for domain in DIALECT_DOMAINS for op in _DIALECT]
    ops += [type(op, (_OrtOp,), {"op_domain": ""}) for op in sorted(standard - _CONTROL)]
    return ReferenceEvaluator(copy, new_ops=[*ops, Scan])


def _dialect_class(domain: str, op: str) -> type[OpRun]:
    function = _DIALECT[op]

    def run(self: OpRun, *inputs: np.ndarray, **attrs: Any) -> tuple[np.ndarray]:
        return (function(*inputs, **attrs),)

    return type(op, (OpRun,), {"op_domain": domain, "_run": run})


class _OrtOp(OpRun):
    """Case 3; one session for each combination of element types."""

    def _run(self, *inputs: np.ndarray | None, **_: Any) -> tuple[np.ndarray, ...]:
        node: onnx.NodeProto = self.onnx_node
        feed = {
            name: value
            for name, value in zip(node.input, inputs, strict=True)
            if name and value is not None
        }
        results = iter(self._session(node, feed).run(None, feed))
        return tuple(next(results) if name else np.empty(0) for name in node.output)

    def _session(
        self, node: onnx.NodeProto, feed: Mapping[str, np.ndarray]
    ) -> onnxruntime.InferenceSession:
        sessions: dict[tuple[str, ...], onnxruntime.InferenceSession]
        sessions = self.__dict__.setdefault("_sessions", {})
        key = tuple(value.dtype.name for value in feed.values())
        if key not in sessions:
            opset = self.run_params["opsets"][""]
            dtypes = {name: value.dtype for name, value in feed.items()}
            sessions[key] = ort.session(ort.node_model(node, dtypes, opset))
        return sessions[key]


class Scan(OpRun):
    """Case 2."""

    op_domain = ""

    def need_context(self) -> bool:
        """The body may capture names of the enclosing graph."""
        return True

    def _run(
        self,
        *inputs: np.ndarray,
        context: Mapping[str, np.ndarray] | None = None,
        body: Any = None,
        num_scan_inputs: int = 1,
        scan_input_axes: Sequence[int] | None = None,
        scan_input_directions: Sequence[int] | None = None,
        scan_output_axes: Sequence[int] | None = None,
        scan_output_directions: Sequence[int] | None = None,
        attributes: Any = None,
    ) -> tuple[np.ndarray, ...]:
        count = len(inputs) - num_scan_inputs
        states = list(inputs[:count])
        sequences = [
            _turned(np.moveaxis(value, axis, 0), direction)
            for value, axis, direction in zip(
                inputs[count:],
                scan_input_axes or [0] * num_scan_inputs,
                scan_input_directions or [0] * num_scan_inputs,
                strict=True,
            )
        ]
        scans = len(body.output_names) - count
        steps: list[list[np.ndarray]] = [[] for _ in range(scans)]
        for slices in zip(*sequences, strict=True):
            feed = dict(context or {})
            feed.update(zip(body.input_names, [*states, *map(np.asarray, slices)], strict=True))
            results = body.run(None, feed)
            states = list(results[:count])
            for collected, value in zip(steps, results[count:], strict=True):
                collected.append(value)
        outputs = [
            np.moveaxis(_turned(np.stack(collected), direction), 0, axis)
            for collected, axis, direction in zip(
                steps,
                scan_output_axes or [0] * scans,
                scan_output_directions or [0] * scans,
                strict=True,
            )
        ]
        return tuple([*states, *outputs][: len(self.onnx_node.output)])


def _turned(values: np.ndarray, direction: int) -> np.ndarray:
    return values[::-1] if direction else values
