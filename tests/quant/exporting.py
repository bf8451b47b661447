"""Calibrating quantised modules and comparing them with what was exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from brevitas.nn import QuantLSTM
from torch import Tensor, nn
from torch.backends import mkldnn, nnpack

from thresher.quant.check import run_onnx
from thresher.quant.signature import flatten
from thresher.quant.ties import FirstOfEquals

__all__ = ["SAMPLES", "X", "calibrate", "differences", "lstm", "net"]

SAMPLES = 256
X = torch.linspace(-2, 2, 4 * 3 * 5).reshape(4, 3, 5)


def calibrate(module: nn.Module, inputs: Mapping[str, Tensor], steps: int = 3) -> nn.Module:
    """Let the scales see a few batches in training mode, and return the module in eval mode."""
    module.train()
    with torch.no_grad():
        for step in range(steps):
            module(**{name: x * (1 + 0.1 * step) for name, x in inputs.items()})
    return module.eval()


def differences(module: nn.Module, path: Path, inputs: Mapping[str, Tensor]) -> list[int]:
    """Count, output by output, the values in which onnxruntime and Brevitas differ.

    Brevitas runs without oneDNN and NNPACK, which do not sum convolutions term by term, and with a
    topk that tells which of equal elements it takes.
    """
    with torch.no_grad(), FirstOfEquals(), mkldnn.flags(enabled=False), nnpack.flags(enabled=False):
        wanted = [t.numpy() for t in flatten(module(**inputs), "output").values()]
    found = run_onnx(onnx.load(path), [x.numpy() for x in inputs.values()])
    assert [w.shape for w in wanted] == [f.shape for f in found]
    return [int((w != f).sum()) for w, f in zip(wanted, found, strict=True)]


def lstm(**options: Any) -> QuantLSTM:
    """Make a calibrated LSTM for `X`."""
    torch.manual_seed(0)
    module = QuantLSTM(5, 6, **options)
    return calibrate(module, {"inp": X})


def net(*layers: nn.Module) -> nn.Sequential:
    """Chain layers and calibrate them on `X`."""
    torch.manual_seed(0)
    module = nn.Sequential(*layers)
    calibrate(module, {"input": X})
    return module
