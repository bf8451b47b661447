"""E1 over networks in which LSTM layers stand among other quantised layers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
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
from exporting import SAMPLES, calibrate, differences
from torch import Tensor, nn

from thresher.quant import export_onnx
from thresher.quant.check import check_equal, run_onnx
from thresher.quant.signature import flatten
from thresher.quant.ties import explained


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


def built(network: Callable[[Quant], Any], family: str) -> tuple[Any, Tensor]:
    torch.manual_seed(2)
    module: Any = network(FAMILIES[family])
    shape = list(module.shape)
    shape.insert(module.batch, SAMPLES)
    x = torch.randn(shape)
    x.narrow(module.batch, 0, SAMPLES // 4).mul_(8)  # these saturate
    return calibrate(module, {next(iter_names(module)): x}), x


def flat_run(module: nn.Module) -> Callable[..., list[Tensor]]:
    return lambda x: list(flatten(module(x), "output").values())


def iter_names(module: nn.Module) -> Any:
    return iter(module.forward.__code__.co_varnames[1:])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_brevitas(network: Callable[[Quant], Any], family: str, tmp_path: Path) -> None:
    module, x = built(network, family)
    name = next(iter_names(module))
    model = export_onnx(module, x.narrow(module.batch, 0, 2), tmp_path / "net.onnx")
    count = sum(differences(module, tmp_path / "net.onnx", {name: x}))
    if family.startswith("pow2"):
        assert count == 0
    elif count:  # float scales: the order of float32 sums may decide a tie, and nothing else may
        assert count <= 4
        with pytest.warns(UserWarning, match="lie on rounding ties"):
            check_equal(model, module, flat_run(module), [x])
    assert [value.name for value in model.graph.input] == [name]
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == [
        "N" if i == module.batch else x.shape[i] for i in range(x.ndim)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_sigmoid_and_tanh_alone_differ_at_ties_only(family: str, tmp_path: Path) -> None:
    """Their operand is unbounded, so PyTorch's last place cannot be matched for every value."""
    module, x = built(Squashed, family)
    export_onnx(module, x[:2], tmp_path / "net.onnx")
    found = run_onnx(onnx.load(tmp_path / "net.onnx"), [x.numpy()])
    with torch.no_grad():
        wanted = [value.numpy() for value in module(x)]
        ties = explained(module, flat_run(module), [x], found)
    for want, have, tie in zip(wanted, found, ties, strict=True):
        assert tie[want != have].all()
        assert (want != have).sum() <= 2


def test_module_is_left_as_it_was(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "float8")

    def attributes() -> dict[str, set[str]]:
        return {n: {*vars(c)} - {"export_handler"} for n, c in module.named_modules()}

    before, state = module(x), {k: v.clone() for k, v in module.state_dict().items()}
    flags = attributes()
    for _ in range(2):
        export_onnx(module, x[:, :1], tmp_path / "net.onnx")
    assert torch.equal(before.value, module(x).value)
    assert all(torch.equal(v, module.state_dict()[k]) for k, v in state.items())
    assert flags == attributes()
    for child in module.modules():
        assert not getattr(child, "export_mode", False)
        assert getattr(child, "export_handler", None) is None


def test_training_after_an_export_counts(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "float8")
    export_onnx(module, x[:, :2], tmp_path / "net.onnx")
    calibrate(module, {"x": x * 3})
    export_onnx(module, x[:, :2], tmp_path / "net.onnx")
    assert sum(differences(module, tmp_path / "net.onnx", {"x": x})) == 0


def test_names_and_optional_states(tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = FAMILIES["float8"].lstm(4, 5)

        def forward(self, x: Tensor, states: Any = None, scale: None = None) -> Tensor:
            return self.lstm(x, *(states or ()))[0]

    torch.manual_seed(3)
    module, x = Named(), torch.randn(4, 6, 4)
    calibrate(module, {"x": x})
    states = (torch.randn(1, 6, 5), torch.randn(1, 6, 5))
    sample: dict[str, Any] = {"x": x, "states": states}
    model = export_onnx(module, sample, tmp_path / "named.onnx")
    assert [v.name for v in model.graph.input] == ["x", "states_0", "states_1"]
    found = run_onnx(onnx.load(tmp_path / "named.onnx"), [t.numpy() for t in (x, *states)])
    assert (found[0] == module(x, states).detach().numpy()).all()

    model = export_onnx(
        module, x, tmp_path / "named.onnx", input_names=["rows"], output_names=["hidden"]
    )
    assert [v.name for v in [*model.graph.input, *model.graph.output]] == ["rows", "hidden"]


@pytest.mark.parametrize("batch_first", [False, True])
def test_dynamic_sequence(batch_first: bool, tmp_path: Path) -> None:
    torch.manual_seed(4)
    module = FAMILIES["float8"].lstm(4, 5, batch_first=batch_first, bidirectional=True)
    x = torch.randn(6, 6, 4)
    calibrate(module, {"inp": x})
    sample = x[:2] if batch_first else x[:, :2]
    model = export_onnx(module, sample, tmp_path / "long.onnx", dynamic_sequence=True)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param for d in dims[:2]] == (["N", "T"] if batch_first else ["T", "N"])
    longer = torch.randn(3, 11, 4) if batch_first else torch.randn(11, 3, 4)
    assert sum(differences(module, tmp_path / "long.onnx", {"inp": longer})) == 0


def test_fixed_batch(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "pow2_8")
    model = export_onnx(module, x[:, :3], tmp_path / "net.onnx", dynamic_batch=False)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [6, 3, 5]
    assert sum(differences(module, tmp_path / "net.onnx", {"x": x[:, 3:6]})) == 0
