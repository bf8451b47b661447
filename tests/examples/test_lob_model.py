"""The order book's network is the one described, with as many parameters as its page says."""

import re
from pathlib import Path
from typing import Any

import torch
from brevitas.nn import QuantLSTM
from torch import nn

from model import CLASSES, EVENTS, FEATURES, ConvLstm, Widths, parameters


def test_shapes_on_the_way() -> None:
    model = ConvLstm(None).eval()
    x = torch.zeros(2, 1, EVENTS, FEATURES)
    sizes = []
    for layer in model.convolutions:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [
        (64, 50, 20),
        (32, 50, 20),
        (32, 50, 20),
        (64, 25, 10),
        (16, 25, 10),
        (4, 25, 10),
    ]
    assert model.lstm.input_size == 40
    assert model(torch.zeros(2, 1, EVENTS, FEATURES)).shape == (2, CLASSES)


def test_a_step_of_the_lstm_is_a_row_of_all_channels() -> None:
    """Feature 4 c + f of step t is column c of row t, filter f: channels innermost."""
    model = ConvLstm(None).eval()
    seen: list[torch.Tensor] = []
    model.lstm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 1, EVENTS, FEATURES)
    model(x)
    image = model.convolutions(x)
    assert seen[0].shape == (1, 25, 40)
    assert len(image.unique()) > 100
    for f in range(4):
        assert torch.equal(seen[0][0, :, f::4], image[0, f])


def counted(model: ConvLstm) -> list[int]:
    """Parameters by layer: a convolution and its batch norm; one bias a gate, not PyTorch's two."""
    counts = []
    for layer in model.convolutions:
        own = sum(p.numel() for p in layer.parameters())
        if isinstance(layer, nn.Conv2d):
            counts.append(own)
        else:
            counts[-1] += own
    lstm = sum(p.numel() for name, p in model.lstm.named_parameters() if "bias_hh" not in name)
    dense = [sum(p.numel() for p in m.parameters()) for m in (model.dense, model.classify)]
    return [*counts, lstm, *dense]


def test_parameters_by_layer() -> None:
    layers = parameters()
    assert counted(ConvLstm(None)) == [layer.weights + layer.others for layer in layers]
    assert sum(layer.weights + layer.others for layer in layers) == 101_163
    scales = [
        n for n, _ in ConvLstm(Widths()).named_parameters() if n.endswith("scaling_impl.value")
    ]
    quantised = sum(p.numel() for p in ConvLstm(Widths()).parameters())
    assert quantised - len(scales) == 101_163


def test_the_page_has_these_parameters(repo: Path) -> None:
    text = (repo / "examples" / "convlstm_lob" / "README.md").read_text()
    rows = re.findall(r"^\| (.+?) \|.*\| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    found = {name: (int(w.replace(",", "")), int(o.replace(",", ""))) for name, w, o in rows}
    wanted = {layer.name: (layer.weights, layer.others) for layer in parameters()}
    total = tuple(sum(counts) for counts in zip(*wanted.values(), strict=True))
    assert found == wanted | {"all": total}
    assert f"{sum(total):,}" in text


def test_widths() -> None:
    """Every quantiser has the bits that the paper gives it."""
    model: Any = ConvLstm(Widths())
    model(torch.randn(2, 1, EVENTS, FEATURES))
    (lstm,) = [m for m in model.modules() if isinstance(m, QuantLSTM)]
    cell = lstm.layers[0][0].cell
    assert model.quantize.act_quant.bit_width() == 8
    gates = [q for name, q in cell.named_children() if name.endswith("_quant")]
    assert len(gates) == 11
    relus = [m.act_quant for m in (*model.convolutions[2:-1:3], model.relu)]
    assert {int(q.bit_width()) for q in (*gates, *relus)} == {6}
    layers = [m for m in model.modules() if hasattr(m, "quant_weight") and hasattr(m, "weight")]
    assert len([m for m in layers if int(m.quant_weight().bit_width) == 8]) == 6 + 2 + 8
