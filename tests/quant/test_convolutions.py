"""E1 and E2 of Brevitas' layers for images: exported without a difference, and as integers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.nn import (
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantEltwiseAdd,
    QuantLinear,
    QuantReLU,
    QuantUpsamplingNearest2d,
    TruncAvgPool2d,
)
from brevitas.nn.quant_avg_pool import TruncAdaptiveAvgPool2d
from brevitas.quant import Int32Bias
from brevitas.quant.scaled_int import TruncTo8bit
from exporting import SAMPLES, calibrate, differences
from networks import FAMILIES, ConvLstmLinear, Quant
from torch import Tensor, nn
from torch.backends import mkldnn, nnpack

from thresher.compiler.importer import import_model
from thresher.compiler.integer.ir import Loop, Window
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import streamline
from thresher.quant import ExportError, export_onnx
from thresher.sim.equality import compare_with_reference
from thresher.sim.inputs import random_inputs


class Images(nn.Module):
    """Strides, pads, dilation, groups, depthwise and pointwise, pooling before the quantiser."""

    shape = (2, 9, 8)

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.first = QuantConv2d(
            2, 4, (3, 2), stride=(2, 1), padding=1, bias=True, bias_quant=Int32Bias, **q.weights()
        )
        self.norm = nn.BatchNorm2d(4)
        self.relu = q.relu()
        self.deep = QuantConv2d(4, 8, 3, padding=2, dilation=2, groups=4, bias=False, **q.weights())
        self.pool = nn.MaxPool2d(2, padding=1)
        self.relu2 = q.relu()
        self.wide = QuantConv2d(8, 4, 1, bias=True, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(self.quantize(x))))
        return self.out(self.wide(self.relu2(self.pool(self.deep(x)))))


class Signals(nn.Module):
    """One dimension, down and up again."""

    shape = (3, 17)

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.down = QuantConv1d(3, 6, 3, stride=2, padding=1, bias=False, **q.weights())
        self.norm = nn.BatchNorm1d(6)
        self.relu = q.relu()
        self.pool = nn.MaxPool1d(3, stride=1)
        self.up = QuantConvTranspose1d(
            6, 2, 4, stride=2, padding=1, output_padding=1, bias=False, **q.weights()
        )
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.down(self.quantize(x)))))
        return self.out(self.up(x))


class Decoder(nn.Module):
    """A transposed convolution and an upsampling, added and concatenated."""

    shape = (3, 4, 5)

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.up = QuantConvTranspose2d(
            3, 3, 3, stride=2, padding=1, output_padding=1, bias=True, **q.weights()
        )
        self.near = QuantUpsamplingNearest2d(scale_factor=2)
        self.add = QuantEltwiseAdd(input_quant=q.act, output_quant=q.act)
        self.relu = q.relu()
        self.join = QuantConv2d(6, 3, 3, padding=1, bias=False, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.quantize(x)
        y = self.relu(self.add(self.up(x), self.near(x)))
        return self.out(self.join(torch.cat([y, y.flip(1)], dim=1)))


class Pooled(nn.Module):
    """Averages of windows and of whole images, quantised behind."""

    shape = (2, 8, 6)

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.quantize = q.identity()
        self.conv = QuantConv2d(2, 4, 3, padding=1, bias=False, **q.weights())
        self.relu = q.relu()
        self.average = nn.AvgPool2d(2, stride=1, padding=1, count_include_pad=True)
        self.middle = q.identity()
        self.last = QuantConv2d(4, 5, 2, bias=False, **q.weights())
        self.relu2 = q.relu()
        self.whole = nn.AdaptiveAvgPool2d(1)
        self.end = q.identity()
        self.linear = QuantLinear(5, 3, bias=False, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.average(self.relu(self.conv(self.quantize(x)))))
        x = self.end(self.whole(self.relu2(self.last(x))))
        return self.out(self.linear(x.flatten(1)))


class Moved(nn.Module):
    """Pads and a maximum before the quantiser; pixel shuffle; the norm behind the activation; topk.

    PyTorch's topk takes some of equal elements, ONNX's the first, and so does it in `differences`.
    """

    shape = (2, 7, 9)

    def __init__(self, q: Quant) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 0, 0, 1))
        self.least = nn.MaxPool2d(2, stride=1)
        self.quantize = q.identity()
        self.first = QuantConv2d(2, 8, 3, padding=1, bias=True, **q.weights())
        self.relu = q.relu()
        self.norm = nn.BatchNorm2d(8)
        self.middle = q.identity()
        self.shuffle = nn.PixelShuffle(2)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.average = nn.AvgPool2d(2, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
        self.both = q.identity()
        self.last = QuantConv2d(3, 5, 1, bias=True, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.quantize(self.least(self.pad(x)))
        x = self.middle(self.norm(self.relu(self.first(x)))).value
        one, other = self.shuffle(x).split([1, 1], dim=1)
        one, other = self.pool(one), self.average(other)
        other = other[..., : one.shape[-2], : one.shape[-1]]
        joined = self.both(torch.cat([one, other, one.transpose(1, 2).flip(2).transpose(1, 2)], 1))
        y = self.out(self.last(joined)).value
        values, places = y.amax(dim=(2, 3)).topk(3, dim=1)
        return y, values, places, y.argmax(dim=1)


POOLS: dict[str, Callable[[int], nn.Module]] = {
    "rounded": lambda bits: TruncAvgPool2d(2, 2, bit_width=bits),
    "floored": lambda bits: TruncAvgPool2d(3, 1, trunc_quant=TruncTo8bit, bit_width=bits),
    "not_reduced": lambda bits: TruncAvgPool2d((1, 2), 2),
    "whole": lambda bits: TruncAdaptiveAvgPool2d((2, 2), trunc_quant=TruncTo8bit),
}


class Truncated(nn.Module):
    """An average pool that drops the low bits of the sum; what it gives is an output too."""

    shape = (2, 8, 8)

    def __init__(self, q: Quant, pool: str = "rounded") -> None:
        super().__init__()
        self.quantize = q.identity()
        self.conv = QuantConv2d(2, 3, 3, bias=False, **q.weights())
        self.relu = QuantReLU(q.unsigned.let(bit_width=q.bits), return_quant_tensor=True)
        self.pool = POOLS[pool](q.bits)
        self.last = QuantConv2d(3, 2, 2, bias=False, **q.weights())
        self.out = q.identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.pool(self.relu(self.conv(self.quantize(x))))
        return pooled.value, self.out(self.last(pooled)).value


NETWORKS = [Images, Signals, Decoder, Pooled, Moved]


def built(network: Callable[[Quant], Any], family: str) -> tuple[Any, Tensor]:
    torch.manual_seed(2)
    module: Any = network(FAMILIES[family])
    x = torch.randn(SAMPLES, *module.shape)
    x[: SAMPLES // 4] *= 8  # these saturate
    return calibrate(module, {next(iter(module.forward.__code__.co_varnames[1:])): x}), x


def assert_integers(path: Path, samples: int = 24) -> list[type]:
    """E2: the file on integers equals onnxruntime but for ties; the kinds of nodes it became."""
    model = streamline(import_model(path))
    inputs = random_inputs(model.graph, samples, seed=1)
    outcome = compare_with_reference(model, Reference(path, model.dims), inputs)
    assert outcome.unexplained == 0, outcome.differences
    return [type(n) for n in walk(model.graph.block)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_brevitas_and_becomes_integers(
    network: Callable[[Quant], Any], family: str, tmp_path: Path
) -> None:
    module, x = built(network, family)
    export_onnx(module, x[:2], tmp_path / "net.onnx")
    assert sum(differences(module, tmp_path / "net.onnx", {"x": x})) == 0
    assert Window in assert_integers(tmp_path / "net.onnx")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pool", POOLS)
def test_truncating_pools(pool: str, family: str, tmp_path: Path) -> None:
    """Sums behind a window of 3 x 3 have no power of two for a scale, and ties may lie there."""
    module, x = built(partial(Truncated, pool=pool), family)
    export_onnx(module, x[:2], tmp_path / "net.onnx")
    pooled, out = differences(module, tmp_path / "net.onnx", {"x": x})
    assert pooled == 0
    assert out == 0 or pool in ("floored", "whole")
    assert Window in assert_integers(tmp_path / "net.onnx")


def test_truncations_that_onnx_cannot_say_are_refused(tmp_path: Path) -> None:
    x = torch.randn(4, 2, 8, 8)
    for change, words in (
        (
            {"float_to_int_impl_type": "round_to_zero"},
            "ROUND, FLOOR, CEIL, not ROUND_TO_ZERO",
        ),
        ({"bit_width": 9}, "the bit width must be 2 to 8, not 9"),
    ):
        module = Truncated(FAMILIES["pow2_4"])
        module.pool = TruncAvgPool2d(2, 2, trunc_quant=TruncTo8bit.let(**change))
        calibrate(module, {"x": x})
        with pytest.raises(ExportError, match=f"pool.trunc_quant: .*{words}"):
            export_onnx(module, x, tmp_path / "net.onnx")


@pytest.mark.parametrize("family", ["float8", "pow2_8", "pow2_4"])
def test_truncating_pools_through_qonnx(family: str, tmp_path: Path) -> None:
    module, x = built(Truncated, family)
    path = tmp_path / "trunc.onnx"
    export_qonnx(module, args=x[:1], export_path=str(path), dynamo=False, opset_version=19)
    reference = Reference(path, {})
    (name,) = reference.inputs
    found = list(reference.run({name: x[:, None].numpy()}).values())
    with torch.no_grad(), mkldnn.flags(enabled=False), nnpack.flags(enabled=False):
        wanted = [y.numpy() for y in module(x)]
    assert all((f[:, 0] == w).all() for f, w in zip(found, wanted, strict=True))
    assert Window in assert_integers(path)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_convolution_before_an_lstm_becomes_integers(family: str, tmp_path: Path) -> None:
    """E1 of it is in test_networks."""
    module, x = built(ConvLstmLinear, family)
    export_onnx(module, x[:2], tmp_path / "net.onnx")
    kinds = assert_integers(tmp_path / "net.onnx", 8)
    assert kinds.index(Window) < kinds.index(Loop)
