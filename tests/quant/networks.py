"""Networks in which LSTM layers stand among other quantised layers."""

from dataclasses import dataclass
from typing import Any

from brevitas.nn import (
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantLSTM,
    QuantReLU,
    QuantSigmoid,
    QuantTanh,
)
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

__all__ = ["FAMILIES", "NETWORKS", "Quant", "Squashed", "TwoLstms"]


@dataclass(frozen=True)
class Quant:
    """A family of quantisers."""

    weight: Any
    signed: Any
    unsigned: Any
    bits: int

    def lstm(self, features: int, hidden: int, **options: Any) -> QuantLSTM:
        return QuantLSTM(
            features,
            hidden,
            weight_quant=self.weight.let(bit_width=self.bits),
            io_quant=self.act,
            gate_acc_quant=self.act,
            sigmoid_quant=self.unsigned.let(bit_width=self.bits),
            tanh_quant=self.act,
            cell_state_quant=self.act,
            **options,
        )

    @property
    def act(self) -> Any:
        return self.signed.let(bit_width=self.bits)

    def identity(self) -> QuantIdentity:
        return QuantIdentity(self.act, return_quant_tensor=True)

    def relu(self) -> QuantReLU:
        return QuantReLU(self.unsigned.let(bit_width=self.bits))

    def weights(self) -> dict[str, Any]:
        return {"weight_quant": self.weight.let(bit_width=self.bits)}


FAMILIES = {
    "float8": Quant(Int8WeightPerTensorFloat, Int8ActPerTensorFloat, Uint8ActPerTensorFloat, 8),
    "channel6": Quant(Int8WeightPerChannelFloat, Int8ActPerTensorFloat, Uint8ActPerTensorFloat, 6),
    "pow2_8": Quant(
        Int8WeightPerTensorFixedPoint, Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint, 8
    ),
    "pow2_4": Quant(
        Int8WeightPerTensorFixedPoint, Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint, 4
    ),
}


class ConvLstmLinear(nn.Module):
    """Images (N, 1, 6, 5), convolved, normalised, pooled; rows to an LSTM; last step classified."""

    shape, batch = (1, 6, 10), 0

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.conv = QuantConv2d(1, 3, 3, padding=1, bias=True, bias_quant=Int32Bias, **q.weights())
        self.norm = nn.BatchNorm2d(3)
        self.relu = q.relu()
        self.pool = nn.MaxPool2d((1, 2))
        self.lstm = q.lstm(15, 8, batch_first=True)
        self.linear = QuantLinear(8, 4, bias=True, **q.weights())
        self.out = q.identity()

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.conv(self.quantize(image)))))
        x = x.permute(0, 2, 1, 3).flatten(2)
        return self.out(self.linear(self.lstm(x)[0][:, -1]))


class Conv1dEveryStep(nn.Module):
    """Signals (N, 3, 7) through a convolution; every step of the LSTM classified."""

    shape, batch = (3, 7), 0

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.conv = QuantConv1d(3, 6, 3, bias=False, **q.weights())
        self.relu = q.relu()
        self.lstm = q.lstm(6, 8)
        self.linear = QuantLinear(8, 4, bias=False, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(self.quantize(x))).permute(2, 0, 1)
        return self.out(self.linear(self.lstm(x)[0])).value


class TwoLstms(nn.Module):
    """Two LSTMs with a linear layer and a ReLU between them; last step of the second."""

    shape, batch = (6, 5), 1

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.first = q.lstm(5, 7)
        self.between = QuantLinear(7, 6, bias=True, **q.weights())
        self.relu = q.relu()
        self.second = q.lstm(6, 5, bidirectional=True)
        self.linear = QuantLinear(10, 3, bias=True, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        steps = self.relu(self.between(self.first(x)[0]))
        return self.out(self.linear(self.second(steps)[0][-1]))


class FlatSteps(nn.Module):
    """All steps flattened into one linear layer with an integer bias."""

    shape, batch = (5, 4), 0

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.lstm = q.lstm(4, 6, batch_first=True, return_quant_tensor=True)
        self.linear = QuantLinear(30, 4, bias=True, bias_quant=Int32Bias, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.linear(self.lstm(x)[0].flatten(1)))


class Residual(nn.Module):
    """A skip over an LSTM, quantised alike on both sides; reshape by the tensor's own sizes."""

    shape, batch = (5, 6), 1

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.same = q.identity()
        self.lstm = q.lstm(6, 6)
        self.squash = q.identity()
        self.linear = QuantLinear(6, 6, bias=False, **q.weights())
        self.relu = q.relu()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.same(x)
        total = self.same(self.lstm(x)[0]) + x
        total = self.squash(total).value
        rows = total.reshape(total.shape[0], total.shape[1] * 2, 3)
        return {"rows": rows, "every": self.relu(self.linear(total))}


class Squashed(nn.Module):
    """Sigmoid and tanh that stand alone, on the sums of a linear layer."""

    shape, batch = (6,), 0

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.linear = QuantLinear(6, 8, bias=False, **q.weights())
        self.tanh = QuantTanh(q.act)
        self.sigmoid = QuantSigmoid(q.unsigned.let(bit_width=q.bits))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.linear(self.quantize(x))
        return self.tanh(x), self.sigmoid(x)


class CalledTwice(nn.Module):
    """One LSTM reads a sequence and then what it made of it; final states are returned."""

    shape, batch = (4, 6), 1

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.lstm = q.lstm(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        steps, states = self.lstm(x)
        return self.lstm(steps, *states)


class FeedForward(nn.Module):
    """No recurrence at all."""

    shape, batch = (6,), 0

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.linear = QuantLinear(6, 8, bias=True, bias_quant=Int32Bias, **q.weights())
        self.norm = nn.BatchNorm1d(8)
        self.relu = q.relu()
        self.last = QuantLinear(8, 3, bias=False, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.last(self.relu(self.norm(self.linear(self.quantize(x))))))


NETWORKS = [
    ConvLstmLinear,
    Conv1dEveryStep,
    TwoLstms,
    FlatSteps,
    Residual,
    CalledTwice,
    FeedForward,
]
