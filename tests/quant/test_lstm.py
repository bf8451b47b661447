"""E1 over LSTM configurations: onnxruntime equals Brevitas in every value of every output."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from brevitas.nn import QuantLSTM
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int16Bias,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint
from exporting import SAMPLES, calibrate, differences
from onnx import helper, numpy_helper
from torch import Tensor

from thresher.quant import export_onnx

WEIGHTS = {
    ("float", False): Int8WeightPerTensorFloat,
    ("pow2", False): Int8WeightPerTensorFixedPoint,
    ("float", True): Int8WeightPerChannelFloat,
    ("pow2", True): Int8WeightPerChannelFixedPoint,
}
SIGNED = {"float": Int8ActPerTensorFloat, "pow2": Int8ActPerTensorFixedPoint}
UNSIGNED = {"float": Uint8ActPerTensorFloat, "pow2": Uint8ActPerTensorFixedPoint}
BIASES = {
    "int32": Int32Bias,
    "int16": Int16Bias,
    "int8": Int8BiasPerTensorFloatInternalScaling,
    "float": None,
    "absent": None,
}


@dataclass(frozen=True)
class Case:
    """One LSTM; bits are weights, io, gate accumulators, sigmoid, tanh, cell state."""

    bits: tuple[int, int, int, int, int, int] = (8, 8, 8, 8, 8, 8)
    bias: str = "int32"
    features: int = 5
    hidden: int = 8
    steps: int = 6
    given: str = ""
    per_channel: bool = False
    options: dict[str, Any] = field(default_factory=dict)


MIXED = [
    (8, 6, 7, 5, 6, 8),
    (2, 8, 8, 8, 8, 8),
    (8, 2, 8, 8, 8, 8),
    (8, 8, 2, 8, 8, 8),
    (8, 8, 8, 2, 8, 8),
    (8, 8, 8, 8, 2, 8),
    (8, 8, 8, 8, 8, 2),
    (4, 6, 8, 5, 5, 7),
    (3, 4, 6, 2, 3, 5),
]
TWO_WAY: dict[str, Any] = {"bidirectional": True}
COUPLED: dict[str, Any] = {"coupled_input_forget_gates": True}
FIRST: dict[str, Any] = {"batch_first": True}
CASES = {
    **{f"bits{b}": Case((b,) * 6, hidden=4 + b) for b in range(2, 9)},
    **{"bits" + "".join(map(str, bits)): Case(bits) for bits in MIXED},
    "bias_absent": Case(bias="absent"),
    "bias_float": Case(bias="float"),
    "bias_float_4bit": Case((4,) * 6, bias="float"),
    "bias_int16": Case(bias="int16"),
    "bias_int8_own_scale": Case(bias="int8"),
    "coupled": Case(options=COUPLED),
    "coupled_4bit": Case((4,) * 6, bias="float", options=COUPLED),
    "coupled_two_way": Case((6,) * 6, options=COUPLED | TWO_WAY),
    "coupled_shared_acc": Case(options=COUPLED | {"shared_intra_layer_gate_acc_quant": True}),
    "shared_acc": Case(options={"shared_intra_layer_gate_acc_quant": True}),
    "shared_weight_quant": Case((6,) * 6, options={"shared_intra_layer_weight_quant": True}),
    "shared_all": Case(
        (5,) * 6,
        options={
            "shared_intra_layer_weight_quant": True,
            "shared_intra_layer_gate_acc_quant": True,
        },
    ),
    "shared_weights": Case(options=TWO_WAY | {"shared_input_hidden_weights": True}),
    "shared_weights_coupled": Case(
        (6,) * 6, options=TWO_WAY | COUPLED | {"shared_input_hidden_weights": True}
    ),
    "own_cell_quants": Case(
        options=TWO_WAY | {"shared_cell_state_quant": False, "cat_output_cell_states": False}
    ),
    "two_layers": Case(options={"num_layers": 2}),
    "three_layers_4bit": Case((4,) * 6, hidden=6, options={"num_layers": 3}),
    "two_way": Case(options=TWO_WAY),
    "two_way_two_layers": Case((6, 6, 8, 6, 6, 8), options=TWO_WAY | {"num_layers": 2}),
    "batch_first": Case(options=FIRST),
    "batch_first_two_way": Case((6,) * 6, options=FIRST | TWO_WAY),
    "batch_first_two_layers": Case((4, 6, 8, 6, 6, 8), options=FIRST | {"num_layers": 2}),
    "given_h": Case(given="h"),
    "given_hc": Case(given="hc"),
    "given_c_4bit": Case((4,) * 6, given="c"),
    "given_hc_two_way": Case((6,) * 6, given="hc", options=TWO_WAY),
    "given_hc_two_layers": Case(given="hc", options={"num_layers": 2}),
    "given_hc_batch_first": Case(given="hc", options=FIRST),
    "given_hc_coupled": Case((6,) * 6, given="hc", options=COUPLED),
    "per_channel": Case(per_channel=True),
    "per_channel_4bit_absent": Case((4,) * 6, bias="absent", per_channel=True),
    "quant_tensor_out": Case(options={"return_quant_tensor": True}),
    "one_step": Case(steps=1),
    "one_feature": Case((6,) * 6, features=1, hidden=12),
    "one_unit": Case((6,) * 6, hidden=1),
}
BOTH = [name for name in CASES if name.startswith(("bits", "coupled", "two_way", "bias_float"))]
RUNS = [
    (scales, name)
    for place, name in enumerate(CASES)
    for scales in (["float", "pow2"] if name in BOTH else [("float", "pow2")[place % 2]])
]


def build(case: Case, scales: str) -> QuantLSTM:
    weight, io, acc, sigmoid, tanh, cell = case.bits
    return QuantLSTM(
        case.features,
        case.hidden,
        bias=case.bias != "absent",
        weight_quant=WEIGHTS[scales, case.per_channel].let(bit_width=weight),
        bias_quant=BIASES[case.bias],
        io_quant=SIGNED[scales].let(bit_width=io),
        gate_acc_quant=SIGNED[scales].let(bit_width=acc),
        sigmoid_quant=UNSIGNED[scales].let(bit_width=sigmoid),
        tanh_quant=SIGNED[scales].let(bit_width=tanh),
        cell_state_quant=SIGNED[scales].let(bit_width=cell),
        **case.options,
    )


def inputs_of(case: Case, samples: int) -> dict[str, Tensor]:
    """Random sequences; every fourth is large enough to saturate all quantisers."""
    lead = (samples, case.steps) if case.options.get("batch_first") else (case.steps, samples)
    gain = torch.ones(samples)
    gain[::4] = 8.0
    x = torch.randn(*lead, case.features)
    x = x * (gain[:, None, None] if case.options.get("batch_first") else gain[None, :, None])
    # Brevitas reads hx[2 * layer + direction], also where there is one direction
    layers = case.options.get("num_layers", 1)
    states = 2 * layers if case.options.get("bidirectional") else 2 * layers - 1
    given = {f"{n}x": torch.randn(states, samples, case.hidden) * gain[:, None] for n in case.given}
    return {"inp": x, **given}


def test_at_least_forty_configurations() -> None:
    assert len(RUNS) >= 40
    assert SAMPLES >= 256
    assert {scales for scales, _ in RUNS} == {"float", "pow2"}


@pytest.mark.parametrize(("scales", "name"), RUNS)
def test_equals_brevitas(scales: str, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    torch.manual_seed(RUNS.index((scales, name)))
    module = build(case, scales)
    inputs = inputs_of(case, SAMPLES)
    calibrate(module, inputs)
    batch = 0 if case.options.get("batch_first") else 1
    sample = {
        key: value.narrow(batch if key == "inp" else 1, 0, 2) for key, value in inputs.items()
    }
    model = export_onnx(module, sample, tmp_path / "lstm.onnx")

    assert sum(differences(module, tmp_path / "lstm.onnx", inputs)) == 0
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    directions = 2 if case.options.get("bidirectional") else 1
    assert len(scans) == case.options.get("num_layers", 1) * directions
    assert [value.name for value in model.graph.input] == list(inputs)
    is_power = [scale.hex().startswith("0x1.0000") for scale in scales_of(scans[0])]
    if case.bias != "int8":  # whose scale is its own
        assert all(is_power) if scales == "pow2" else not all(is_power)


def scales_of(scan: onnx.NodeProto) -> list[float]:
    """Return every quantiser's scale inside a Scan."""
    (body,) = (helper.get_attribute_value(a) for a in scan.attribute if a.name == "body")
    tensors = [t for t in body.initializer if t.name.endswith(("_scale", "_step"))]
    return [float(s) for t in tensors for s in numpy_helper.to_array(t).reshape(-1)]
