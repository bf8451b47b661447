"""Feed-forward models: QCDQ and QONNX layers, batch norm, residuals, integer inputs, Trunc."""

from typing import Any

import numpy as np
from onnx import TensorProto

from zoo.builder import QONNX, Arrays, Builder, Quantiser, ZooModel, scale_for
from zoo.recurrent import draw

__all__ = ["int_input", "mlp", "trunc", "turned"]


class Layers:
    """The layers that the models here are made of."""

    def __init__(self, b: Builder, bits: int, pow2: bool, seed: int, weights: str) -> None:
        self.b, self.bits, self.pow2, self.weights = b, bits, pow2, weights
        self.rng = np.random.default_rng(seed)

    def quantiser(self, limit: float, signed: bool = True) -> Quantiser:
        return Quantiser(self.bits, scale_for(limit, self.bits, self.pow2, signed), signed)

    def linear(self, x: str, q: Quantiser, features: int, hidden: int, bias: str = "none") -> str:
        """x W + b with x on the grid of `q`; sums spread over about +-2."""
        top = 2 ** (self.bits - 1) - 1
        codes = self.rng.integers(-top, top, (features, hidden), endpoint=True)
        spread = q.scale * q.hi * 0.55 * np.sqrt(features * top * (top + 1) / 3)
        scale = scale_for(1.0 / spread, 1, True) if self.pow2 else 0.97 / spread
        y = self.b.op("MatMul", x, self.b.weight(codes, scale, self.bits, self.weights))
        if bias == "none":
            return y
        unit = float(np.float32(scale) * np.float32(q.scale))
        values = np.round(self.rng.uniform(-0.5, 0.5, hidden) / unit * 8) / 8
        return self.b.op("Add", y, self.b.bias(values, unit, bias))

    def batch_norm(self, x: str, channels: int) -> str:
        """Batch norm; with `pow2`, one that float32 computes exactly."""
        rng = self.rng
        if self.pow2:
            gain = 2.0 ** rng.integers(-1, 2, channels) * rng.choice([-1, 1], channels)
            shift, mean = np.round(rng.uniform(-32, 32, (2, channels))) / 64
            variance, epsilon = np.ones(channels), 0.0
        else:
            gain = rng.uniform(0.5, 1.5, channels) * rng.choice([-1, 1], channels)
            shift, mean = rng.uniform(-0.5, 0.5, (2, channels))
            variance, epsilon = rng.uniform(0.5, 2, channels), 1e-5
        values = [self.b.const(v, hint="bn") for v in (gain, shift, mean, variance)]
        return self.b.op("BatchNormalization", x, *values, epsilon=epsilon)


def mlp(
    name: str,
    *,
    bits: int = 6,
    features: int = 12,
    hidden: int = 16,
    classes: int = 5,
    pow2: bool = True,
    seed: int = 0,
    dialect: str = "qcdq",
    domain: str = QONNX,
    weights: str = "int8",
    bias: str = "int32",
    batch_norm: bool = True,
    residual: bool = True,
    bipolar: bool = False,
    rounding: str = "ROUND",
    int4: bool = False,
    symbolic_batch: bool = False,
) -> ZooModel:
    """Two hidden layers with ReLU, the second with a residual Add, and a linear output.

    :param bipolar: the second layer's weights and activations are +-1 (QONNX's BipolarQuant).
    :param rounding: of the hidden activations (QONNX).
    :param int4: QuantizeLinear to int4 and uint4, opset 21; `bits` must be 4.
    """
    b = Builder(dialect, domain=domain, int4=int4)
    net = Layers(b, bits, pow2, seed, weights)
    first, unsigned = net.quantiser(1.0), net.quantiser(4.0, signed=False)
    x = b.quant(b.input("x", ["N" if symbolic_batch else 1, features]), first)
    y = net.linear(x, first, features, hidden)
    if batch_norm:
        y = net.batch_norm(y, hidden)
    y = b.quant(b.op("Relu", y), unsigned, rounding)
    if bipolar:
        y = bipolar_layer(net, y, hidden)
        wide = Quantiser(2, 0.5)
    else:
        wide = net.quantiser(4.0)
        z = b.quant(net.linear(y, unsigned, hidden, hidden, bias), wide, rounding)
        if residual:
            skip = b.quant(net.linear(x, first, features, hidden), wide, rounding)
            z = b.op("Add", z, skip)
        y, wide = b.quant(b.op("Relu", z), unsigned), unsigned
    y = net.linear(y, wide, hidden, classes, bias)
    b.output(y, ["N" if symbolic_batch else 1, classes], "logits")

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": draw(rng, (n, 1, features), first)}

    return ZooModel(name, b.model(name, opset=21 if int4 else 19), inputs, None, pow2)


def bipolar_layer(net: Layers, x: str, width: int) -> str:
    """A layer of +-1 weights and +-0.5 activations."""
    b = net.b
    values = b.const(net.rng.uniform(-1, 1, (width, width)), hint="w")
    weight = b.op("BipolarQuant", values, b.const(0.25), domain=b.domain)
    shift = b.const(np.round(net.rng.uniform(-4, 4, width)) / 16)
    total = b.op("Sub", b.op("MatMul", x, weight), shift)
    return b.op("BipolarQuant", total, b.const(0.5), domain=b.domain)


def int_input(name: str, *, how: str = "cast", seed: int = 0, pow2: bool = True) -> ZooModel:
    """A model whose graph input is uint8 (1, 10): no quantiser stands before the first product.

    :param how: the input becomes float by "cast" or by "dequantize".
    """
    b = Builder()
    net = Layers(b, 6, pow2, seed, "int8")
    codes = b.input("x", [1, 10], TensorProto.UINT8)
    if how == "cast":
        q = Quantiser(8, 1.0, signed=False)
        x = b.op("Cast", codes, to=TensorProto.FLOAT)
    else:
        q = Quantiser(8, scale_for(1.0, 8, pow2, signed=False), signed=False)
        zero = b.const(0, np.uint8)
        x = b.op("DequantizeLinear", codes, b.const(q.scale), zero)
    hidden = net.quantiser(4.0, signed=False)
    y = b.quant(b.op("Relu", net.linear(x, q, 10, 8, "int32")), hidden)
    b.output(net.linear(y, hidden, 8, 3), [1, 3], "logits")

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": rng.integers(0, 255, (n, 1, 10), np.uint8, endpoint=True)}

    return ZooModel(name, b.model(name), inputs, None, pow2)


def turned(name: str, *, seed: int = 0) -> ZooModel:
    """Layers over the middle axis of (1, 8, 3), brought to the end and back by Transpose."""
    b = Builder()
    net = Layers(b, 6, True, seed, "int8")
    first, hidden, last = net.quantiser(1.0), net.quantiser(4.0, signed=False), net.quantiser(2.0)
    x = b.transposed(b.quant(b.input("x", [1, 8, 3]), first), (0, 2, 1))
    y = b.quant(b.op("Relu", net.linear(x, first, 8, 6, "int32")), hidden)
    y = b.quant(net.linear(y, hidden, 6, 5), last)
    b.output(b.transposed(y, (0, 2, 1)), [1, 5, 3], "y")

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": draw(rng, (n, 1, 8, 3), first)}

    return ZooModel(name, b.model(name), inputs, None, True, last.bits)


def trunc(
    name: str, *, version: int = 1, rounding: str = "FLOOR", seed: int = 0, pow2: bool = True
) -> ZooModel:
    """QONNX's Trunc from 8 to 5 bits between two layers; `version` of the operator domain."""
    b = Builder("qonnx")
    net = Layers(b, 8, pow2, seed, "graph")
    first = net.quantiser(1.0)
    x = b.quant(b.input("x", [1, 10]), first)
    wide = net.quantiser(4.0)
    y = b.quant(net.linear(x, first, 10, 8), wide)
    if version == 1:
        tail, attrs = [wide.scale, 0, 8, 5], dict[str, Any]()
        narrow = Quantiser(5, wide.scale)
    else:
        tail, attrs = [wide.scale, 0, 8, wide.scale * 8, 5], {"signed": 1, "narrow": 0}
        narrow = Quantiser(5, wide.scale * 8)
    constants = [b.const(value) for value in tail]
    y = b.op("Trunc", y, *constants, domain=QONNX, rounding_mode=rounding, **attrs)
    b.output(net.linear(y, narrow, 8, 4), [1, 4], "logits")

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": draw(rng, (n, 1, 10), first)}

    return ZooModel(name, b.model(name, domain_version=version), inputs, None, pow2)
