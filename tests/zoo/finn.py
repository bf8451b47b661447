"""FINN-ONNX: thresholds, integer weights and datatype annotations in place of quantisers."""

import numpy as np
from onnx import TensorProto

from zoo.builder import QONNX, Arrays, Builder, ZooModel

__all__ = ["finn_mlp"]


def finn_mlp(
    name: str,
    *,
    features: int = 10,
    hidden: int = 8,
    bits: int = 3,
    seed: int = 0,
    head: str = "topk",
    pow2: bool = True,
    image: bool = False,
    bipolar: bool = False,
    float_input: bool = True,
) -> ZooModel:
    """MultiThreshold on the input, MatMul, MultiThreshold per channel, MatMul, Mul, Add, head.

    :param head: "topk", "argmax" or "" (logits).
    :param image: the input is (1, 1, features / 2, 2), brought to (1, features) by Reshape, and
        Unsqueeze and Squeeze stand around the second layer.
    :param bipolar: activations are 2 k - 1 with one threshold: FINN's bipolar ones.
    :param float_input: else the input is float by type but annotated UINT4: integer already.
    """
    b = Builder("qonnx")
    rng = np.random.default_rng(seed)
    levels = 1 if bipolar else 2**bits - 1
    shape = [1, 1, features // 2, 2] if image else [1, features]
    x = b.input("x", shape)
    inner = (np.arange(15) - 7.5) * (2.0 / 16 if pow2 else 0.1237)
    if float_input:
        x = threshold(b, x, inner[None], "INT4", bias=-8.0)
    else:
        b.annotate(x, "UINT4")
    if image:
        x = b.op("Reshape", x, b.const([1, features], np.int64, "shape"))
    x = integer_matmul(b, rng, x, (features, hidden))
    spread = np.sqrt(features * 6) * (6 if float_input else 12)
    steps = np.sort(np.round(rng.uniform(-spread, spread, (hidden, levels))) - 0.5, axis=1)
    kind = "BIPOLAR" if bipolar else f"UINT{bits}"
    x = threshold(b, x, steps, kind, scale=2.0 if bipolar else 1.0, bias=-1.0 if bipolar else 0.0)
    if image:
        x = b.op("Unsqueeze", x, b.const([1], np.int64, "axes"))
    x = integer_matmul(b, rng, x, (hidden, 5))
    if image:
        x = b.op("Squeeze", x, b.const([1], np.int64, "axes"))
    scale = 0.125 if pow2 else 0.0713
    x = b.op("Mul", x, b.const(scale))
    x = b.op("Add", x, b.const(np.round(rng.uniform(-8, 8, 5)) * scale))
    if head == "topk":
        best = b.ops("TopK", [x, b.const([1], np.int64, "k")], 2, axis=-1, largest=1, sorted=1)[1]
        b.output(best, [1, 1], "label", TensorProto.INT64)
    elif head == "argmax":
        best = b.op("ArgMax", x, axis=1, keepdims=0)
        b.output(best, [1], "label", TensorProto.INT64)
    else:
        b.output(x, [1, 5], "logits")

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        if not float_input:
            return {"x": rng.integers(0, 15, (n, *shape), endpoint=True).astype(np.float32)}
        values = rng.uniform(-1.2, 1.2, (n, *shape)).astype(np.float32)
        on_threshold = rng.choice(inner, values.shape).astype(np.float32)
        return {"x": np.where(rng.random(values.shape) < 0.2, on_threshold, values)}

    return ZooModel(name, b.model(name), inputs, None, pow2)


def threshold(
    b: Builder, x: str, steps: np.ndarray, kind: str, scale: float = 1.0, bias: float = 0.0
) -> str:
    """MultiThreshold: scale * #{k : steps[c, k] <= x} + bias."""
    name = b.const(steps, hint="thresholds")
    y = b.op(
        "MultiThreshold", x, name, domain=QONNX, out_dtype=kind, out_scale=scale, out_bias=bias
    )
    return b.annotate(y, kind)


def integer_matmul(b: Builder, rng: np.random.Generator, x: str, shape: tuple[int, int]) -> str:
    """x W with W a float tensor of integers, annotated INT4."""
    weight = b.const(rng.integers(-7, 7, shape, endpoint=True), hint="w")
    return b.op("MatMul", x, b.annotate(weight, "INT4"))
