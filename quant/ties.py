"""Float32 sums on a rounding tie, which no exporter can decide.

PyTorch sums a float32 product in an order that depends on its library, the batch and the processor,
and onnxruntime in another. With power-of-two scales every order gives the same sum. With float
scales the last place may differ, and where it lies on a tie of the quantiser behind it, so does the
code. A difference counts as such a tie if the module itself gives onnxruntime's value once its own
sums are moved by a few last places.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from brevitas.proxy import (
    ActQuantProxyFromInjector,
    BiasQuantProxyFromInjector,
    WeightQuantProxyFromInjector,
)
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from brevitas.quant_tensor import QuantTensor
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

__all__ = ["FirstOfEquals", "explained", "sums_are_exact"]

Run = Callable[..., list[Tensor]]
TRIALS = 32
PLACES = 2.0**-21
SUMS = {
    functional.linear,
    functional.conv1d,
    functional.conv2d,
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.batch_norm,
    torch.matmul,
}
ACTIVATIONS = {torch.sigmoid, torch.tanh, functional.sigmoid, functional.tanh}


class _Moved(TorchFunctionMode):
    """Moves results of some functions by a few units in the last place of their largest value."""

    def __init__(self, functions: set[Any], seed: int) -> None:
        super().__init__()
        self.functions = functions
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function not in self.functions:
            return result
        value = result.value if isinstance(result, QuantTensor) else result
        noise = torch.rand(value.shape, generator=self.generator) * 2 - 1
        value = value + noise * (PLACES * value.abs().max())
        return result.set(value=value) if isinstance(result, QuantTensor) else value


class FirstOfEquals(TorchFunctionMode):
    """`topk` takes the first of equal elements, as ONNX does; PyTorch leaves open which."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function not in (torch.topk, Tensor.topk):
            return function(*args, **(kwargs or {}))
        return _stable_topk(*args, **(kwargs or {}))


def _stable_topk(
    input: Tensor | QuantTensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Any:
    """PyTorch's own signature."""
    value = input.value if isinstance(input, QuantTensor) else input
    values, places = torch.sort(value, dim=dim, descending=largest, stable=True)
    return torch.return_types.topk((values.narrow(dim, 0, k), places.narrow(dim, 0, k)))


def _is_power(scale: Tensor | None) -> bool:
    return scale is None or bool((torch.frexp(scale).mantissa == 0.5).all())


def sums_are_exact(module: nn.Module) -> bool:
    """Whether all scales are powers of two and nothing float is added: then sums have no order."""
    for child in module.modules():
        if isinstance(child, _BatchNorm):
            return False
        if isinstance(child, TruncQuantProxyFromInjector) and child.is_quant_enabled:
            return False  # an average's scale has the size of its window in it
        if isinstance(child, ActQuantProxyFromInjector | WeightQuantProxyFromInjector) and (
            child.is_quant_enabled and not _is_power(child.scale())
        ):
            return False
        if isinstance(child, BiasQuantProxyFromInjector) and child.tracked_parameter_list:
            if not child.is_quant_enabled:
                return False
            if not child.requires_input_scale and not _is_power(child.scale()):
                return False
    return True


def explained(
    module: nn.Module, run: Run, inputs: Sequence[Tensor], found: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return for each output which of the values found the module gives with its sums moved.

    :param run: the module, flat tensors in and out.
    :param found: onnxruntime's outputs for `inputs`.
    """
    functions = ACTIVATIONS if sums_are_exact(module) else ACTIVATIONS | SUMS
    matched = [np.zeros(value.shape, bool) for value in found]
    for seed in range(TRIALS):
        with _Moved(functions, seed):
            values = run(*inputs)
        for hit, value, have in zip(matched, values, found, strict=True):
            hit |= np.isclose(value.numpy(), have, rtol=1e-4, atol=1e-6)
    return matched
