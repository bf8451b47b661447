"""One direction of one Brevitas QuantLSTM layer as plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brevitas.nn.quant_rnn import _QuantLSTMCell, _QuantLSTMLayer

from thresher.quant.activation import Activation, read_activation
from thresher.quant.errors import ExportError
from thresher.quant.quantizer import QuantArray, Quantizer, read_array, read_quantizer

__all__ = ["Gate", "LstmLayer", "read_lstm_layer"]


@dataclass(frozen=True)
class Gate:
    """One gate: `activation(accumulator(x @ input_weight + h @ hidden_weight + bias))`.

    :param input_weight: codes (features, hidden).
    :param hidden_weight: codes (hidden, hidden).
    :param bias: codes (hidden,), or float32 (hidden,) where it is not quantised, or None.
    :param accumulator: quantiser of the sum.
    :param activation: sigmoid or tanh, and its quantiser.
    """

    input_weight: QuantArray
    hidden_weight: QuantArray
    bias: QuantArray | np.ndarray | None
    accumulator: Quantizer
    activation: Activation


@dataclass(frozen=True)
class LstmLayer:
    """One direction of one layer.

    :param name: a name that is unique in the exported file.
    :param hidden: state size.
    :param reverse: whether the sequence is read from its end.
    :param batch_first: whether x is (N, T, F) instead of (T, N, F).
    :param gates: by name: input, forget (absent where coupled), cell, output.
    :param one: the sigmoid quantiser's value of 1, for coupled gates: forget = one - input.
    :param cell: quantiser of the cell state and of both products that make it.
    :param tanh: tanh of the cell state and its quantiser.
    :param output: quantiser of the hidden state.
    """

    name: str
    hidden: int
    reverse: bool
    batch_first: bool
    gates: dict[str, Gate]
    one: np.float32 | None
    cell: Quantizer
    tanh: Activation
    output: Quantizer


def _check_kind(layer: Any, path: str) -> None:
    if type(layer) is not _QuantLSTMLayer or type(layer.cell) is not _QuantLSTMCell:
        raise ExportError(
            path,
            f"only Brevitas' own QuantLSTM layer is known, not {type(layer).__name__} "
            f"with cell {type(layer.cell).__name__}",
            "use brevitas.nn.QuantLSTM unchanged",
        )
    coupled = layer.forget_gate_params is None
    if not layer.cifg == layer.cell.cifg == coupled:
        raise ExportError(
            path,
            f"coupled gates must be set alike in layer ({layer.cifg}), cell ({layer.cell.cifg}) "
            f"and parameters ({coupled})",
            "set coupled_input_forget_gates when the layer is built, and not later",
        )
    if layer.reverse_input != layer.cell.reverse_input:
        raise ExportError(
            path,
            f"the direction must be the same in layer ({layer.reverse_input}) and cell "
            f"({layer.cell.reverse_input})",
            "set bidirectional when the layer is built, and not later",
        )


def _read_gate(layer: _QuantLSTMLayer, name: str, path: str) -> Gate:
    cell, params = layer.cell, getattr(layer, f"{name}_gate_params")
    where = f"{path}.{name}_gate_params"
    accumulator = read_quantizer(getattr(cell, f"{name}_acc_quant"), f"{path}.cell.{name}_acc")
    kind = "tanh" if name == "cell" else "sigmoid"
    activation = read_activation(
        getattr(cell, f"{name}_{kind}_quant"), kind, accumulator, f"{path}.cell.{name}_{kind}"
    )
    with torch.no_grad():
        quant_input = layer.io_quant(torch.zeros(1, 1, layer.input_size))
        weights = layer.gate_params_fwd(params, quant_input)
    input_weight = read_array(weights[0], 0, f"{where}.input_weight")
    hidden_weight = read_array(weights[1], 0, f"{where}.hidden_weight")
    bias: QuantArray | np.ndarray | None = None
    if params.bias is not None and params.bias_quant.is_quant_enabled:
        bias = read_array(weights[2], 0, f"{where}.bias")
    elif params.bias is not None:
        bias = params.bias.detach().numpy().astype(np.float32)
    by_input, by_hidden = (
        QuantArray(w.codes.T.copy(), w.scale, 1) for w in (input_weight, hidden_weight)
    )
    return Gate(by_input, by_hidden, bias, accumulator, activation)


def read_lstm_layer(layer: Any, name: str, path: str) -> LstmLayer:
    """Read one direction of one layer of a QuantLSTM.

    :param layer: a `_QuantLSTMLayer` in eval mode.
    :param name: unique name for the exported file.
    :param path: where the layer stands in the module, for messages.
    :raises ExportError: where the layer is not Brevitas' own, or is not quantised throughout.
    """
    _check_kind(layer, path)
    cell = layer.cell
    output = read_quantizer(cell.output_quant, f"{path}.io_quant")
    state = read_quantizer(cell.cell_state_quant, f"{path}.cell.cell_state")
    names = ("input", "cell", "output") if layer.cifg else ("input", "forget", "cell", "output")
    one = None
    if layer.cifg:
        fused = cell.input_sigmoid_quant.fused_activation_quant_proxy
        with torch.no_grad():
            one = np.float32(fused.tensor_quant(torch.ones(1))[0].item())
    return LstmLayer(
        name=name,
        hidden=layer.hidden_size,
        reverse=layer.reverse_input,
        batch_first=cell.batch_first,
        gates={gate: _read_gate(layer, gate, path) for gate in names},
        one=one,
        cell=state,
        tanh=read_activation(
            cell.hidden_state_tanh_quant, "tanh", state, f"{path}.cell.hidden_state_tanh"
        ),
        output=output,
    )
