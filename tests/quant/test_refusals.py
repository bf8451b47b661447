"""What cannot be exported to the bit is refused in words, and nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import brevitas
import onnx
import pytest
import torch
from brevitas.core.scaling import ParameterFromRuntimeStatsScaling
from brevitas.nn import QuantIdentity, QuantLinear, QuantLSTM, QuantReLU, QuantRNN
from brevitas.nn.quant_rnn import _QuantLSTMCell
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFloat,
    ShiftedUint8ActPerTensorFloat,
    ShiftedUint8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryActPerTensorConst,
)
from brevitas.quant.experimental.float_quant_ocp import Fp8e4m3OCPActPerTensorFloat
from exporting import calibrate
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from thresher.quant import ExportError, export_onnx
from thresher.quant.activation import read_activation
from thresher.quant.check import check_equal
from thresher.quant.quantizer import Quantizer
from thresher.quant.rules import check_graph
from thresher.quant.scan import scan_nodes

X = torch.linspace(-2, 2, 4 * 3 * 5).reshape(4, 3, 5)


def lstm(**options: Any) -> QuantLSTM:
    torch.manual_seed(0)
    module = QuantLSTM(5, 6, **options)
    return calibrate(module, {"inp": X})


def net(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    module = nn.Sequential(*layers)
    return calibrate(module, {"input": X})


class OwnLstm(QuantLSTM):
    pass


class OwnCell(_QuantLSTMCell):
    pass


def partly_training() -> nn.Module:
    module = lstm()
    module.layers[0][0].cell.train()
    return module


def own_class() -> nn.Module:
    torch.manual_seed(0)
    return calibrate(OwnLstm(5, 6), {"inp": X})


def own_cell() -> nn.Module:
    module = lstm()
    module.layers[0][0].cell.__class__ = OwnCell
    return module


def half_coupled() -> nn.Module:
    module = lstm()
    module.layers[0][0].cell.cifg = True
    return module


def turned() -> nn.Module:
    module = lstm()
    module.layers[0][0].cell.reverse_input = True
    return module


def stray_layer() -> nn.Module:
    return nn.Sequential(lstm().layers[0][0]).eval()


def other_function() -> nn.Module:
    module = lstm()
    module.layers[0][0].cell.cell_tanh_quant = module.layers[0][0].cell.input_sigmoid_quant
    return module


def batch_statistics() -> nn.Module:
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    return net(QuantIdentity(), norm, QuantIdentity())


def zero_scale() -> nn.Module:
    module = net(QuantIdentity())
    for child in module.modules():
        if isinstance(child, ParameterFromRuntimeStatsScaling):
            child.buffer.zero_()
            child.clamp_scaling = nn.Identity().eval()
    return module


def ternary() -> nn.Module:
    return net(
        QuantIdentity(SignedTernaryActPerTensorConst.let(quant_type="TERNARY", threshold=0.5))
    )


def delayed() -> nn.Module:
    return net(QuantIdentity(Int8ActPerTensorFloat.let(quant_delay_steps=1000)))


SHIFTED = ShiftedUint8ActPerTensorFloat
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "training": (lambda: lstm().train(), r"QuantLSTM: .* eval mode, not training; call eval"),
    "training_within": (partly_training, r"layers\.0\.0\.cell: .* eval mode"),
    "double": (lambda: lstm().double(), r"float32, not torch\.float64; call float\(\)"),
    "uncalibrated": (lambda: QuantLSTM(5, 6).eval(), r"no training step has been seen; run some"),
    "delayed": (delayed, r"delayed by \d+ more steps; train until quant_delay_steps"),
    "float_lstm": (lambda: nn.LSTM(5, 6).eval(), r"not the float LSTM; use brevitas"),
    "float_cell": (lambda: nn.Sequential(nn.LSTMCell(5, 6)).eval(), r"0: .* float LSTMCell"),
    "rnn": (lambda: calibrate(QuantRNN(5, 6), {"inp": X}), r"QuantLSTM itself, not QuantRNN"),
    "subclass": (own_class, r"QuantLSTM itself, not OwnLstm; use QuantLSTM unchanged"),
    "own_cell": (own_cell, r"layers\.0\.0: only Brevitas' own .* with cell OwnCell"),
    "half_coupled": (half_coupled, r"coupled gates must be set alike in layer \(False\), cell"),
    "turned": (turned, r"direction must be the same in layer \(False\) and cell \(True\)"),
    "stray_layer": (stray_layer, r"0: a recurrent layer must stand inside a QuantLSTM"),
    "other_function": (other_function, r"cell_tanh: the function must be tanh, not Sigmoid"),
    "no_io": (lambda: lstm(io_quant=None, bias_quant=None), r"io_quant: every quantiser of a"),
    "no_acc": (lambda: lstm(gate_acc_quant=None), r"input_acc: every quantiser of a QuantLSTM"),
    "no_cell": (lambda: lstm(cell_state_quant=None), r"cell_state: every quantiser of a QuantLSTM"),
    "no_sigmoid": (lambda: lstm(sigmoid_quant=None), r"input_sigmoid: every quantiser"),
    "no_weights": (lambda: lstm(weight_quant=None, bias_quant=None), r"be quantised, not float"),
    "float_linear": (
        lambda: net(QuantIdentity(), nn.Linear(5, 2)),
        r"1: the weights of Linear must be",
    ),
    "float_weights": (
        lambda: net(QuantIdentity(), QuantLinear(5, 2, bias=True, weight_quant=None)),
        r"1: the weights of QuantLinear must be quantised, not float",
    ),
    "float_input": (
        lambda: net(QuantLinear(5, 2, bias=False)),
        r"/0/MatMul: the operands of MatMul must be quantised, and 'input' is float",
    ),
    "float_through": (
        lambda: net(nn.Tanh(), QuantLinear(5, 2, bias=False)),
        r"operands of MatMul must be quant",
    ),
    "batch_statistics": (batch_statistics, r"1: batch norm must use running statistics"),
    "shifted": (lambda: net(QuantIdentity(SHIFTED)), r"0\.act_quant: the zero point must be 0"),
    "shifted_weights": (
        lambda: net(
            QuantIdentity(),
            QuantLinear(5, 2, bias=False, weight_quant=ShiftedUint8WeightPerTensorFloat),
        ),
        r"1\.weight_quant: the zero point must be 0",
    ),
    "shifted_lstm": (lambda: lstm(gate_acc_quant=SHIFTED), r"the zero point must be 0"),
    "sixteen_bits": (
        lambda: net(QuantIdentity(Int8ActPerTensorFloat.let(bit_width=16))),
        r"0\.act_quant: the bit width must be 2 to 8, not 16; set bit_width",
    ),
    "nine_bits": (
        lambda: lstm(weight_quant=Int8WeightPerTensorFloat.let(bit_width=9)),
        r"the bit width must be 2 to 8, not 9",
    ),
    "binary": (
        lambda: net(QuantIdentity(SignedBinaryActPerTensorConst)),
        r"2 to 8, not 1; set bit_width",
    ),
    "ternary": (ternary, r"0\.act_quant: the quantiser's type must be INT, not .*TERNARY"),
    "binary_weights": (
        lambda: net(
            QuantIdentity(),
            QuantLinear(5, 2, bias=False, weight_quant=SignedBinaryWeightPerTensorConst),
        ),
        r"2 to 8, not 1;",
    ),
    "minifloat": (
        lambda: net(QuantIdentity(Fp8e4m3OCPActPerTensorFloat)),
        r"integer one, not ActFloat",
    ),
    "floor": (
        lambda: net(QuantIdentity(Int8ActPerTensorFloat.let(float_to_int_impl_type="FLOOR"))),
        r"0\.act_quant: an activation must round half to even \(ROUND\), not FLOOR",
    ),
    "zero_scale": (zero_scale, r"0\.act_quant: the scale must be above 0 and finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    build, words = REFUSED[name]
    with pytest.raises(ExportError, match=words) as caught:
        export_onnx(build(), X, tmp_path / "refused.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_uncalibrated_may_be_accepted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    export_onnx(QuantLSTM(5, 6).eval(), X, tmp_path / "lstm.onnx", allow_uncalibrated=True)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ((X, X, X, X), r"sample: it must fit QuantLSTM\.forward.*too many positional"),
        (
            {"inp": X.double()},
            r"sample 'inp': an input must be a float32 tensor, not torch.float64",
        ),
        ({"inp": X, "hx": 3}, r"sample 'hx': an input must be a float32 tensor, not <class 'int'>"),
        (X[..., :4], r"QuantLSTM: the module must run on the sample, and raised RuntimeError"),
        (QuantIdentity(return_quant_tensor=True).eval()(X), r"must be a float32 tensor"),
    ],
)
def test_sample(sample: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        export_onnx(lstm(), sample, tmp_path / "refused.onnx")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_axis": 0}, r"batch_axis: samples .* must not influence each other, and axis 0"),
        ({"batch_axis": 7}, r"axis 7 of \{'inp': \(4, 3, 5\)\}"),
        ({"batch_axis": {"x": 1}}, r"batch_axis"),
        ({"input_names": ["a", "b"]}, r"input_names: there must be 1 names, all different"),
        ({"output_names": ["a"]}, r"output_names: there must be 3 names"),
        ({"output_names": ["a", "a", "b"]}, r"output_names: .* all different"),
        ({"output_names": ["inp", "a", "b"]}, r"output_names: .* all different"),
        ({"dynamic_sequence": True, "sequence_axis": 1}, r"sequence_axis: it must be an axis of"),
    ],
)
def test_options(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        export_onnx(lstm(), X, tmp_path / "refused.onnx", **options)
    assert not list(tmp_path.iterdir())


class Mixing(nn.Module):
    """Samples influence each other."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x - x.mean())


class FixedBatch(nn.Module):
    """forward() takes the batch size as a Python number."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x).reshape(int(x.shape[0]), int(x.shape[1]) * int(x.shape[2]))


class FixedSteps(nn.Module):
    """forward() walks over the steps in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.lstm = QuantIdentity(), QuantLSTM(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0]
        return torch.stack([self.act(y[i]) for i in range(len(y))])


class Odd(nn.Module):
    """Returns something that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return self.act(x), "text"


class Untraceable(nn.Module):
    """Uses an operator that the exporter does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(torch.special.bessel_j0(x))


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Mixing, {}, r"batch_axis: samples along the batch axis must not influence each other"),
        (FixedBatch, {}, r"(shape|Shape|onnxruntime must run)"),
        (FixedSteps, {"dynamic_sequence": True}, r"must have Brevitas' shape"),
        (Odd, {}, r"output_1: an output must be a tensor, .* not str; return tensors only"),
        (Untraceable, {}, r"Untraceable: the module must pass Brevitas' QCDQ export, which said"),
    ],
)
def test_forward(
    kind: type[nn.Module], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(ExportError, match=words):
        export_onnx(calibrate(kind(), {"x": X}), X, tmp_path / "refused.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_two_directionless_layers_need_brevitas_indexing(tmp_path: Path) -> None:
    """Brevitas 0.13 reads hx[2 * layer], so two states for two layers are one too few."""
    module = lstm(num_layers=2)
    with pytest.raises(ExportError, match="must run on the sample, and raised IndexError"):
        export_onnx(module, (X, torch.zeros(2, 3, 6)), tmp_path / "refused.onnx")


def test_jit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = lstm()
    monkeypatch.setattr(brevitas.config, "JIT_ENABLED", True)
    with pytest.raises(ExportError, match="JIT must be off; set BREVITAS_JIT=0"):
        export_onnx(module, X, tmp_path / "refused.onnx")


def test_path(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="its folder must be writable: No such file"):
        export_onnx(lstm(), X, tmp_path / "absent" / "lstm.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ExportError, match=r"folder\.onnx: it must be writable: Is a directory"):
        export_onnx(lstm(), X, tmp_path / "folder.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


def test_export_again_after_a_failure(tmp_path: Path) -> None:
    module = calibrate(Untraceable(), {"x": X})
    with pytest.raises(ExportError):
        export_onnx(module, X, tmp_path / "refused.onnx")
    assert brevitas.config._ONGOING_EXPORT is None
    assert not any(getattr(child, "export_mode", False) for child in module.modules())
    assert "forward" not in vars(module)
    export_onnx(lstm(), X, tmp_path / "lstm.onnx")


def test_foreign_operator() -> None:
    node = helper.make_node("Quant", ["x"], ["y"], name="alien", domain="onnx.brevitas")
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", info[:1], info[1:]))
    with pytest.raises(
        ExportError, match=r"alien: only standard ONNX .* not onnx\.brevitas\.Quant"
    ):
        check_graph(model)


def test_no_matching_step() -> None:
    """A sigmoid that differs from onnxruntime's on many codes cannot be matched by moving ties."""

    class Lying(nn.Sigmoid):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 0.9

    proxy = lstm().layers[0][0].cell.input_sigmoid_quant
    proxy.fused_activation_quant_proxy.activation_impl = Lying()
    import numpy as np

    with pytest.raises(ExportError, match="sigmoid must quantise like PyTorch's on all 256 codes"):
        read_activation(proxy, "sigmoid", Quantizer(np.float32(0.05), 8, True, False), "here")


def rounding_model(weight: float) -> onnx.ModelProto:
    """Make y = round(x * weight)."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["p"]), helper.make_node("Round", ["p"], ["y"])]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 1]) for n in "xy"]
    constant = numpy_helper.from_array(torch.tensor([weight]).numpy(), "w")
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], [constant])
    opset = helper.make_opsetid("", 19)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def test_only_ties_are_explained() -> None:
    """0.5 rounds to 0 and its upper neighbour to 1: a tie, if the sums have an order at all."""

    def run(x: Tensor) -> list[Tensor]:
        return [functional.linear(x, torch.tensor([[0.5]])).round()]

    x = torch.tensor([[1.0], [4.0]])
    neighbour, exact = rounding_model(0.5 + 2**-24), net(QuantIdentity())
    with pytest.warns(UserWarning, match="1 of 2 values lie on rounding ties"):
        check_equal(neighbour, exact, run, [x])  # its scale is a float
    with pytest.raises(
        ExportError, match="y: the exported output must equal Brevitas' and differs"
    ):
        check_equal(neighbour, nn.Identity(), run, [x])  # no float scale: no excuse
    with pytest.raises(ExportError, match="differs in 2 of 2 values"):
        check_equal(rounding_model(1.5), exact, run, [x])


@pytest.mark.parametrize("fault", ["weight", "gates", "clip", "scale"])
def test_the_check_catches_a_fault(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*arguments: Any) -> Any:
        built = scan_nodes(*arguments)
        (scan,) = (node for node in built.nodes if node.op_type == "Scan")
        (body,) = (attribute.g for attribute in scan.attribute if attribute.name == "body")
        tensors = {tensor.name.partition(".")[2]: tensor for tensor in body.initializer}

        def change(name: str, value: Callable[[Any], Any]) -> None:
            array = numpy_helper.to_array(tensors[name])
            new = value(array).astype(array.dtype)
            tensors[name].CopyFrom(numpy_helper.from_array(new, tensors[name].name))

        if fault == "weight":
            change("cell_Wi_codes", lambda codes: -codes)
        elif fault == "gates":
            forget = numpy_helper.to_array(tensors["forget_Wi_codes"])
            change("output_Wi_codes", lambda codes: forget)
        elif fault == "clip":
            change("c_quant_hi", lambda hi: hi - 1)
        else:
            change("h_quant_scale", lambda scale: scale * 1.01)
        return built

    bits = Int8ActPerTensorFloat.let(bit_width=4)
    monkeypatch.setattr("thresher.quant.splice.scan_nodes", faulty)
    with pytest.raises(ExportError, match="the exported output must equal Brevitas'"):
        export_onnx(lstm(cell_state_quant=bits), X * 3, tmp_path / "refused.onnx")
    assert not list(tmp_path.iterdir())


def test_relu_before_linear_is_enough(tmp_path: Path) -> None:
    export_onnx(net(QuantReLU(), QuantLinear(5, 2, bias=False)), X, tmp_path / "fine.onnx")
