"""What the finished graph is held against: legality, activations, the module itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from brevitas.nn import QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import (
    Int8ActPerTensorFloat,
)
from exporting import X, lstm, net
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from thresher.quant import ExportError, export_onnx
from thresher.quant.activation import read_activation
from thresher.quant.check import check_equal
from thresher.quant.quantizer import Quantizer
from thresher.quant.rules import check_graph
from thresher.quant.scan import scan_nodes


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
