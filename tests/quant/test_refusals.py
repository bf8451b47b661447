"""What cannot be exported to the bit is refused in words, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brevitas.core.scaling import ParameterFromRuntimeStatsScaling
from brevitas.nn import QuantIdentity, QuantLinear, QuantLSTM, QuantRNN
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
from exporting import X, calibrate, lstm, net
from torch import nn

from thresher.quant import ExportError, export_onnx


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
