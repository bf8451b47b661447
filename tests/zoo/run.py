"""Runs zoo models, one sample at a time, and shows what happens inside a Scan."""

from functools import partial
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from zoo.builder import Arrays, ZooModel

__all__ = ["probe", "run_ort", "run_qonnx"]


def run_ort(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    """Outputs by name, stacked over samples, from onnxruntime without any optimisation."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    samples = [session.run(names, sample) for sample in split(inputs)]
    return {name: np.stack([s[k] for s in samples]) for k, name in enumerate(names)}


def run_qonnx(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    """Outputs by name, stacked over samples, from qonnx (feed-forward models alone)."""
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.basic import qonnx_make_model

    wrapped = ModelWrapper(model, make_deepcopy=True).transform(InferShapes())
    # qonnx runs node by node in models of onnx's newest IR version, too new for onnxruntime
    readable = partial(qonnx_make_model, ir_version=10)
    with mock.patch.object(onnx_exec, "qonnx_make_model", readable):
        samples = [onnx_exec.execute_onnx(wrapped, sample) for sample in split(inputs)]
    return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


def split(inputs: Arrays) -> list[Arrays]:
    """One dictionary a sample."""
    count = len(next(iter(inputs.values())))
    return [{name: array[k] for name, array in inputs.items()} for k in range(count)]


def probe(zoo_model: ZooModel, ops: tuple[str, ...] = ("DequantizeLinear",)) -> onnx.ModelProto:
    """The model with every result of `ops` on data inside its Scans as a further graph output."""
    model = onnx.ModelProto()
    model.CopyFrom(zoo_model.model)
    for scan in [node for node in model.graph.node if node.op_type == "Scan"]:
        attributes = {a.name: a for a in scan.attribute}
        body = attributes["body"].g
        constants = {tensor.name for tensor in body.initializer}
        for node in list(body.node):
            if constants.issuperset(node.input):
                constants.update(node.output)
            if node.op_type not in ops or node.output[0] in constants:
                continue
            name = f"probe_{node.output[0]}"
            body.node.add().CopyFrom(helper.make_node("Identity", [node.output[0]], [name]))
            body.output.append(helper.make_tensor_value_info(name, 1, None))
            scan.output.append(f"{name}_all")
            model.graph.output.append(helper.make_tensor_value_info(f"{name}_all", 1, None))
            for key in ("scan_output_directions", "scan_output_axes"):
                attributes[key].ints.append(0)
    return model
