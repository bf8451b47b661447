"""Calibrating quantised modules and comparing them with what was exported."""

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from thresher.quant.check import run_onnx
from thresher.quant.signature import flatten

__all__ = ["SAMPLES", "calibrate", "differences"]

SAMPLES = 256


def calibrate(module: nn.Module, inputs: Mapping[str, Tensor], steps: int = 3) -> nn.Module:
    """Let the scales see a few batches in training mode, and return the module in eval mode."""
    module.train()
    with torch.no_grad():
        for step in range(steps):
            module(**{name: x * (1 + 0.1 * step) for name, x in inputs.items()})
    return module.eval()


def differences(module: nn.Module, path: Path, inputs: Mapping[str, Tensor]) -> list[int]:
    """Count, output by output, the values in which onnxruntime and Brevitas differ."""
    with torch.no_grad():
        wanted = [t.numpy() for t in flatten(module(**inputs), "output").values()]
    found = run_onnx(onnx.load(path), [x.numpy() for x in inputs.values()])
    assert [w.shape for w in wanted] == [f.shape for f in found]
    return [int((w != f).sum()) for w, f in zip(wanted, found, strict=True)]
