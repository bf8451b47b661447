"""Brevitas' own QCDQ export, with every LSTM layer left open as one placeholder node.

Brevitas refuses LSTM layers in QCDQ, but hands each to an export handler. The one here emits a node
`thresher::LstmLayer` that carries the layer's index; `thresher.quant.splice` fills it in.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from brevitas.export.manager import (
    _restore_act_caching_mode,
    _restore_bias_caching_mode,
    _restore_quant_metadata_caching_mode,
)
from brevitas.export.onnx.handler import ONNXBaseHandler
from brevitas.export.onnx.standard.qcdq.handler import (
    StdQCDQCastONNXQuantLSTMLayerHandler,
    StdQCDQCastONNXTruncQuantProxyHandler,
)
from brevitas.export.onnx.standard.qcdq.manager import StdQCDQONNXManager
from brevitas.nn.quant_rnn import _QuantLSTMLayer
from brevitas.proxy import ActQuantProxyFromInjector, BiasQuantProxyFromInjector
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from torch import Tensor, nn

from thresher.quant.activation import OPSET
from thresher.quant.errors import ExportError
from thresher.quant.truncation import TruncationHandler

__all__ = ["DOMAIN", "PLACEHOLDER", "flat_forward", "fresh_caches", "trace"]

DOMAIN = "thresher"
PLACEHOLDER = "LstmLayer"


class _LstmPlaceholder(torch.autograd.Function):
    """Stands for a layer: x, then h0 and c0 where given, to all steps, final h, final c."""

    @staticmethod
    def forward(
        ctx: Any, index: int, batch_first: bool, hidden: int, x: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = x.shape[0 if batch_first else 1]
        return (
            x.new_zeros(*x.shape[:2], hidden),
            x.new_zeros(batch, hidden),
            x.new_zeros(batch, hidden),
        )

    @staticmethod
    def symbolic(
        g: Any, index: int, batch_first: bool, hidden: int, x: Any, h: Any, c: Any
    ) -> tuple[Any, ...]:
        given = [state.type().sizes() != [0] for state in (h, c)]
        states = [state for state, is_given in zip((h, c), given, strict=True) if is_given]
        outputs = g.op(
            f"{DOMAIN}::{PLACEHOLDER}",
            x,
            *states,
            index_i=index,
            h_given_i=int(given[0]),
            c_given_i=int(given[1]),
            outputs=3,
        )
        sizes = x.type().sizes() or [None, None, hidden]
        batch = sizes[0 if batch_first else 1]
        outputs[0].setType(x.type().with_sizes([*sizes[:2], hidden]))
        for state in outputs[1:]:
            state.setType(x.type().with_sizes([batch, hidden]))
        return outputs


class _LstmHandler(ONNXBaseHandler):
    """Replaces a layer's cell by the placeholder while Brevitas exports."""

    handled_layer = _QuantLSTMLayer

    def prepare_for_export(self, module: _QuantLSTMLayer) -> None:
        self.index = module.thresher_index
        self.batch_first = module.cell.batch_first
        self.hidden = module.hidden_size

    def symbolic_execution(
        self, x: Tensor, h: Tensor, c: Tensor, **parameters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return _LstmPlaceholder.apply(self.index, self.batch_first, self.hidden, x, h, c)


_OURS = {
    StdQCDQCastONNXQuantLSTMLayerHandler: _LstmHandler,
    StdQCDQCastONNXTruncQuantProxyHandler: TruncationHandler,
}


class _Manager(StdQCDQONNXManager):
    """Brevitas' QCDQ export with the handlers of LSTM layers and truncations exchanged."""

    target_name = "ThresherQCDQ"
    handlers = [_OURS.get(handler, handler) for handler in StdQCDQONNXManager.handlers]


@contextmanager
def _opened(module: nn.Module, layers: list[_QuantLSTMLayer]) -> Iterator[None]:
    """Keep the layers' parameters and zero states out of the trace, and clean up whatever happens.

    Brevitas makes a zero state with the sample's batch size as a constant; an empty tensor stands
    for it instead.
    """

    def open_layer(index: int, layer: _QuantLSTMLayer) -> None:
        quantize_state, gate_params = layer.maybe_quantize_state, layer.gate_params_fwd

        def state(inp: Tensor, value: Tensor | None, quant: nn.Module) -> Tensor:
            if layer.export_mode and value is None:
                return torch.zeros(0)
            return quantize_state(inp, value, quant)

        def params(gate: nn.Module, quant_input: Tensor) -> tuple[object, object, object]:
            return (None, None, None) if layer.export_mode else gate_params(gate, quant_input)

        layer.thresher_index = index
        layer.maybe_quantize_state, layer.gate_params_fwd = state, params

    for index, layer in enumerate(layers):
        open_layer(index, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.thresher_index, layer.maybe_quantize_state, layer.gate_params_fwd
        _Manager.set_export_mode(module, enabled=False)
        for restore in (
            _restore_quant_metadata_caching_mode,
            _restore_bias_caching_mode,
            _restore_act_caching_mode,
        ):
            module.apply(restore)


@contextmanager
def fresh_caches(module: nn.Module) -> Iterator[None]:
    """Keep the scales that Brevitas caches for an export from outliving it.

    A cached scale is what `scale()` returns from then on, also after further training.
    """
    biases = [c for c in module.modules() if isinstance(c, BiasQuantProxyFromInjector)]
    cached = [bias._cached_bias for bias in biases]

    def forget() -> None:
        for child in module.modules():
            if isinstance(child, ActQuantProxyFromInjector | TruncQuantProxyFromInjector):
                child._cached_act = None

    forget()
    try:
        yield
    finally:
        forget()
        for bias, value in zip(biases, cached, strict=True):
            bias._cached_bias = value


@contextmanager
def flat_forward(module: nn.Module, call: Callable[..., list[Tensor]]) -> Iterator[None]:
    """Let `module(*tensors)` run `call(forward, *tensors)` for a while."""
    forward = module.forward
    had = "forward" in vars(module)

    def flat(*tensors: Tensor) -> list[Tensor]:
        return call(forward, *tensors)

    module.forward = flat
    try:
        yield
    finally:
        if had:
            module.forward = forward
        else:
            del module.forward


def trace(
    module: nn.Module,
    layers: list[_QuantLSTMLayer],
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """Export the module with a placeholder for each layer.

    :param module: in eval mode; its forward takes the inputs in order and returns flat tensors.
    :param layers: the QuantLSTM layers and directions; a placeholder names its index here.
    :param dynamic_axes: symbolic axes by input and output name.
    :raises ExportError: where tracing fails, in Brevitas' or PyTorch's words.
    """
    with _opened(module, layers), warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = Path(folder, "open.onnx")  # without a path, Brevitas drops the model
        try:
            _Manager.export(
                module,
                args=tuple(inputs.values()),
                export_path=str(path),
                dynamo=False,
                opset_version=OPSET,
                keep_initializers_as_inputs=False,
                input_names=list(inputs),
                output_names=outputs,
                dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
            )
        except Exception as e:
            words = (str(e) or type(e).__name__).splitlines()[0]
            raise ExportError(
                type(module).__name__,
                f"the module must pass Brevitas' QCDQ export, which said: {words}",
                "replace the layer it names by one that QCDQ supports",
            ) from e
        return onnx.load(path)
