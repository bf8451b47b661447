"""Run the exported model in onnxruntime beside the module."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from thresher.quant.errors import ExportError
from thresher.quant.ties import FirstOfEquals, explained

__all__ = ["check_equal", "run_onnx"]

FLOAT_ORDER = 1e-5


def run_onnx(model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a model in onnxruntime with all graph optimisations off: the project's reference.

    :param inputs: in the order of the graph's inputs.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def _found(model: onnx.ModelProto, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    try:
        return run_onnx(model, [tensor.numpy() for tensor in inputs])
    except Exception as e:
        raise ExportError(
            "check",
            f"onnxruntime must run the exported model, and said: {str(e).splitlines()[0]}",
            "if it is about shapes, forward() may have fixed the sample's: pass "
            "dynamic_batch=False, or use sizes that do not come from Python numbers",
        ) from e


def check_equal(
    model: onnx.ModelProto,
    module: nn.Module,
    run: Callable[..., list[Tensor]],
    inputs: Sequence[Tensor],
) -> None:
    """Compare the model with the module on one set of inputs.

    Values of quantised outputs must be equal. Sums that no quantiser follows may differ by the
    float32 order of summation, which is a hundred times less than the finest 8-bit step. Where that
    order decides a rounding tie inside the module (`thresher.quant.ties`), a warning counts the
    values that it changes. Of elements that are equal, topk must give the first.

    :param run: the module, flat tensors in and out.
    :raises ExportError: naming the first output that differs, and by how much.
    """
    with torch.no_grad(), FirstOfEquals():
        wanted = [tensor.numpy() for tensor in run(*inputs)]
    found = _found(model, inputs)
    wrong = []
    for value, want, have in zip(model.graph.output, wanted, found, strict=True):
        if want.shape != have.shape:
            raise ExportError(
                value.name,
                f"the exported output must have Brevitas' shape {want.shape}, not {have.shape}",
                "forward() fixed the sample's sizes: take them from tensors, not Python numbers",
            )
        allowed = FLOAT_ORDER * float(np.abs(want).max(initial=0.0))
        wrong.append(~(np.abs(want - have) <= allowed))
    if not any(mask.any() for mask in wrong):
        return
    with torch.no_grad(), FirstOfEquals():
        ties = explained(module, run, inputs, found)
    for value, mask, tie, want, have in zip(
        model.graph.output, wrong, ties, wanted, found, strict=True
    ):
        if (mask & ~tie).any():
            raise ExportError(
                value.name,
                f"the exported output must equal Brevitas' and differs in {mask.sum()} of "
                f"{mask.size} values, by up to {np.abs(want - have).max():g}",
                "a layer here is exported by Brevitas as something else than it computes: "
                "export parts of the module to find it",
            )
    count = sum(int(mask.sum()) for mask in wrong)
    warnings.warn(
        f"{count} of {sum(mask.size for mask in wrong)} values lie on rounding ties that the order "
        "of float32 sums decides; power-of-two scales have none",
        stacklevel=3,
    )
