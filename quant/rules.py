"""What a module must be for its export to equal it; everything else is refused by name.

Before tracing (`check_module`):

1. eval mode throughout, Brevitas' JIT off, float32 on the CPU
2. recurrent layers are `QuantLSTM` exactly, not float, not subclasses, not other cells
3. linear and convolutional layers have a weight quantiser
4. batch norm has running statistics
5. enabled quantisers are integer, 2 to 8 bits, zero point 0, scale above 0, and round half to even;
   truncations (of pools) are to 2 to 8 bits, and round half to even, down or up
6. scales from statistics have seen data, delayed quantisation is over

After tracing (`check_graph`):

7. only standard ONNX operators
8. no path leads from an input to a matrix product without a quantiser
"""

from collections.abc import Iterator

import brevitas
import onnx
import torch
from brevitas.core.quant.delay import _DelayQuant
from brevitas.core.scaling import ParameterFromRuntimeStatsScaling
from brevitas.core.stats.stats_wrapper import _RuntimeStats
from brevitas.nn import QuantLSTM
from brevitas.nn.mixin import QuantWeightMixin
from brevitas.nn.mixin.base import QuantRecurrentLayerMixin
from brevitas.nn.quant_rnn import QuantRecurrentStackBase
from brevitas.proxy import (
    ActQuantProxyFromInjector,
    BiasQuantProxyFromInjector,
    DecoupledWeightQuantProxyFromInjector,
    WeightQuantProxyFromInjector,
)
from brevitas.proxy.quant_proxy import QuantProxyFromInjector
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from thresher.quant.errors import ExportError
from thresher.quant.truncation import ROUNDINGS

__all__ = ["check_graph", "check_module"]

WEIGHTS = (WeightQuantProxyFromInjector, DecoupledWeightQuantProxyFromInjector)
PROXIES = (*WEIGHTS, BiasQuantProxyFromInjector, ActQuantProxyFromInjector)
PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def _named(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for path, child in module.named_modules():
        yield path or type(module).__name__, child


def _check_state(path: str, child: nn.Module) -> None:
    """Rules 1 and 6."""
    if child.training:
        raise ExportError(path, "the module must be in eval mode, not training", "call eval()")
    for name, tensor in [
        *child.named_parameters(recurse=False),
        *child.named_buffers(recurse=False),
    ]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ExportError(
                f"{path}.{name}", f"it must be float32, not {tensor.dtype}", "call float()"
            )
        if tensor.device.type != "cpu":
            raise ExportError(
                f"{path}.{name}", f"it must be on the CPU, not {tensor.device}", "call cpu()"
            )
    if isinstance(child, _DelayQuant) and child.quant_delay_steps > 0:
        raise ExportError(
            path,
            f"quantisation must be in force, not delayed by {child.quant_delay_steps} more steps",
            "train until quant_delay_steps have passed",
        )


def _check_layer(path: str, child: nn.Module) -> None:
    """Rules 2, 3 and 4."""
    if isinstance(child, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        raise ExportError(
            path,
            f"a layer must be quantised, not the float {type(child).__name__}",
            "use brevitas.nn.QuantLSTM for recurrent layers",
        )
    if isinstance(child, QuantRecurrentStackBase) and type(child) is not QuantLSTM:
        raise ExportError(
            path,
            f"a recurrent layer must be brevitas.nn.QuantLSTM itself, not {type(child).__name__}",
            "use QuantLSTM unchanged",
        )
    if isinstance(child, nn.Linear | _ConvNd) and not (
        isinstance(child, QuantWeightMixin) and child.weight_quant.is_quant_enabled
    ):
        raise ExportError(
            path,
            f"the weights of {type(child).__name__} must be quantised, not float",
            "use the layer of brevitas.nn and give it a weight_quant",
        )
    if isinstance(child, _BatchNorm) and child.running_mean is None:
        raise ExportError(
            path,
            "batch norm must use running statistics, not the batch's",
            "set track_running_stats=True",
        )


def _check_quantizer(path: str, proxy: QuantProxyFromInjector) -> None:
    """Rule 5."""
    if type(proxy) is TruncQuantProxyFromInjector:
        _check_truncation(path, proxy)
        return
    if type(proxy) not in PROXIES:
        raise ExportError(
            path,
            f"a quantiser must be a plain integer one, not {type(proxy).__name__}",
            "use a per-tensor or per-channel integer quantiser of brevitas.quant",
        )
    injector = proxy.quant_injector
    kind = str(injector.quant_type) if "quant_type" in injector else "INT"
    if "INT" not in kind.upper():
        raise ExportError(
            path,
            f"the quantiser's type must be INT, not {kind}",
            "use an integer quantiser of 2 to 8 bits",
        )
    if isinstance(proxy, BiasQuantProxyFromInjector):
        return
    with torch.no_grad():
        scale, zero, bits = proxy.scale(), proxy.zero_point(), proxy.bit_width()
    _check_bits(path, bits.item())
    if zero.count_nonzero():
        raise ExportError(
            path,
            f"the zero point must be 0, not {zero.flatten()[zero.flatten() != 0][0].item():g}",
            "use a symmetric quantiser, not a shifted one",
        )
    if not (scale.isfinite() & (scale > 0)).all():
        raise ExportError(
            path,
            f"the scale must be above 0 and finite, not {scale.tolist()}",
            "calibrate the module again",
        )
    rounding = str(proxy.rounding_mode).upper()
    if isinstance(proxy, ActQuantProxyFromInjector) and rounding != "ROUND":
        raise ExportError(
            path,
            f"an activation must round half to even (ROUND), not {rounding}, which ONNX cannot say",
            "set float_to_int_impl_type to ROUND",
        )


def _check_bits(path: str, bits: float) -> None:
    if bits not in range(2, 9):
        raise ExportError(path, f"the bit width must be 2 to 8, not {bits:g}", "set bit_width")


def _check_truncation(path: str, proxy: TruncQuantProxyFromInjector) -> None:
    _check_bits(path, proxy.tensor_quant.msb_clamp_bit_width_impl().item())
    rounding = str(proxy.rounding_mode).upper()
    if rounding not in ROUNDINGS:
        raise ExportError(
            path,
            f"a truncation must round by one of {', '.join(ROUNDINGS)}, not {rounding}",
            "set float_to_int_impl_type to ROUND or FLOOR",
        )


def _check_calibrated(path: str, child: nn.Module) -> None:
    if isinstance(child, ParameterFromRuntimeStatsScaling | _RuntimeStats) and child.counter == 0:
        raise ExportError(
            path,
            "the scale must come from data, and no training step has been seen",
            "run some batches in train() mode, or pass allow_uncalibrated=True",
        )


def check_module(module: nn.Module, *, allow_uncalibrated: bool = False) -> None:
    """Refuse a module whose export would differ from it.

    :param allow_uncalibrated: accept scales that have seen no data.
    :raises ExportError: for the first rule that a part of the module breaks.
    """
    if brevitas.config.JIT_ENABLED:
        raise ExportError("BREVITAS_JIT", "Brevitas' JIT must be off", "set BREVITAS_JIT=0")
    for path, child in _named(module):
        _check_state(path, child)
    for path, child in _named(module):
        _check_layer(path, child)
    stacks = [c for _, c in _named(module) if isinstance(c, QuantLSTM)]
    known = {id(d) for stack in stacks for layer in stack.layers for d in layer}
    for path, child in _named(module):
        if isinstance(child, QuantRecurrentLayerMixin) and id(child) not in known:
            raise ExportError(
                path, "a recurrent layer must stand inside a QuantLSTM", "use brevitas.nn.QuantLSTM"
            )
        if isinstance(child, QuantProxyFromInjector) and child.is_quant_enabled:
            _check_quantizer(path, child)
        if not allow_uncalibrated:
            _check_calibrated(path, child)


def check_graph(model: onnx.ModelProto) -> None:
    """Refuse a finished graph that holds float products or operators that are not ONNX's own.

    :raises ExportError: naming the node.
    """
    raw = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise ExportError(
                node.name,
                f"only standard ONNX operators may remain, not {node.domain}.{node.op_type}",
                "replace the layer by one that Brevitas exports as QCDQ",
            )
        if node.op_type == "QuantizeLinear":
            continue
        tainted = [name for name in node.input if name in raw]
        if tainted and node.op_type in PRODUCTS:
            raise ExportError(
                node.name,
                f"the operands of {node.op_type} must be quantised, and '{tainted[0]}' is float",
                "put a QuantIdentity before the layer, or give it an input_quant",
            )
        if tainted and node.op_type != "Shape":
            raw.update(node.output)
