"""The ConvLSTM of FINN-GL that predicts mid-price moves from a limit order book.

    events (N, 1, 100, 40)
      block 1: 3 x 3 convolutions of 64 (stride 2), 32, 32 filters    -> (N, 32, 50, 20)
      block 2: 3 x 3 convolutions of 64 (stride 2), 16, 4 filters     -> (N, 4, 25, 10)
      25 steps of 10 x 4 features, LSTM of 64 hidden units            -> (N, 64), the last state
      dense layers of 256 (ReLU) and 3                                -> (N, 3)

Every convolution has padding 1 and is followed by batch norm and ReLU. W8A6: weights have 8 bits,
activations, gates and states 6, the input 8; scales are powers of two, one a tensor.
"""

from dataclasses import dataclass

from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantLSTM, QuantReLU
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

__all__ = ["CLASSES", "EVENTS", "FEATURES", "ConvLstm", "Layer", "Widths", "parameters"]

EVENTS, FEATURES, CLASSES = 100, 40, 3
_BLOCKS = ((64, 32, 32), (64, 16, 4))
_HIDDEN, _DENSE = 64, 256
_INPUT_SPREAD = 0.25  # at first: the LSTM's input shares a quantiser with hidden states of -1..1
_STEP = _BLOCKS[-1][-1] * FEATURES // 2 ** len(_BLOCKS)


@dataclass(frozen=True)
class Widths:
    """Bits of the input, of weights, and of activations, gates and states."""

    input: int = 8
    weights: int = 8
    activations: int = 6


@dataclass(frozen=True)
class Layer:
    """Parameters of one layer.

    :param weights: in products.
    :param others: biases, and two a channel of a batch norm.
    """

    name: str
    weights: int
    others: int


class ConvLstm(nn.Module):
    """Windows of events to one score a move: down, stationary, up.

    :param widths: of the quantisers; without them, the same network in floating point.
    """

    def __init__(self, widths: Widths | None) -> None:
        super().__init__()
        self.quantize = _input(widths)
        layers: list[nn.Module] = []
        channels = 1
        for block in _BLOCKS:
            for place, filters in enumerate(block):
                layers += _convolution(channels, filters, 2 if place == 0 else 1, widths)
                channels = filters
        nn.init.constant_(layers[-2].get_parameter("weight"), _INPUT_SPREAD)
        self.convolutions = nn.Sequential(*layers[:-1], nn.ReLU())  # the LSTM quantises its input
        self.lstm = _lstm(widths)
        self.dense = _linear(_HIDDEN, _DENSE, widths)
        self.relu = _relu(widths)
        self.classify = _linear(_DENSE, CLASSES, widths)

    def forward(self, x: Tensor) -> Tensor:
        """Score windows: x (N, 1, 100, 40), z-scores, to logits (N, 3)."""
        x = self.convolutions(self.quantize(x))
        x = x.permute(0, 2, 3, 1).flatten(2)
        steps, _ = self.lstm(x)
        return self.classify(self.relu(self.dense(steps[:, -1])))


def parameters() -> list[Layer]:
    """Every layer's parameters, from the description above alone."""
    layers = []
    channels = 1
    for number, filters in enumerate([f for block in _BLOCKS for f in block], 1):
        layers.append(Layer(f"convolution {number}", 9 * channels * filters, 2 * filters))
        channels = filters
    layers.append(Layer("LSTM", 4 * _HIDDEN * (_STEP + _HIDDEN), 4 * _HIDDEN))
    layers.append(Layer("dense 1", _HIDDEN * _DENSE, _DENSE))
    layers.append(Layer("dense 2", _DENSE * CLASSES, CLASSES))
    return layers


def _input(widths: Widths | None) -> nn.Module:
    if widths is None:
        return nn.Identity()
    return QuantIdentity(Int8ActPerTensorFixedPoint.let(bit_width=widths.input))


def _relu(widths: Widths | None) -> nn.Module:
    if widths is None:
        return nn.ReLU()
    quantiser = Uint8ActPerTensorFixedPoint.let(bit_width=widths.activations)
    return QuantReLU(quantiser)


def _convolution(
    channels: int, filters: int, stride: int, widths: Widths | None
) -> list[nn.Module]:
    convolution: nn.Module
    if widths is None:
        convolution = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
    else:
        weight = Int8WeightPerTensorFixedPoint.let(bit_width=widths.weights)
        convolution = QuantConv2d(
            channels, filters, 3, stride, padding=1, bias=False, weight_quant=weight
        )
    return [convolution, nn.BatchNorm2d(filters), _relu(widths)]


def _lstm(widths: Widths | None) -> nn.Module:
    if widths is None:
        return nn.LSTM(_STEP, _HIDDEN, batch_first=True)
    signed = Int8ActPerTensorFixedPoint.let(bit_width=widths.activations)
    return QuantLSTM(
        _STEP,
        _HIDDEN,
        batch_first=True,
        weight_quant=Int8WeightPerTensorFixedPoint.let(bit_width=widths.weights),
        bias_quant=Int32Bias,
        io_quant=signed,
        gate_acc_quant=signed,
        sigmoid_quant=Uint8ActPerTensorFixedPoint.let(bit_width=widths.activations),
        tanh_quant=signed,
        cell_state_quant=signed,
    )


def _linear(inputs: int, outputs: int, widths: Widths | None) -> nn.Module:
    if widths is None:
        return nn.Linear(inputs, outputs)
    weight = Int8WeightPerTensorFixedPoint.let(bit_width=widths.weights)
    bias = Int8BiasPerTensorFixedPointInternalScaling.let(bit_width=widths.weights)
    return QuantLinear(inputs, outputs, bias=True, weight_quant=weight, bias_quant=bias)
