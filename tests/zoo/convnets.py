"""Convolutional models: each operator of images, in the three dialects, and with recurrences."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import TensorProto

import zoo.convlayers as nets
from zoo.builder import Arrays, Builder, ZooModel
from zoo.images import Image, Images
from zoo.recurrent import draw

__all__ = ["CONVNETS"]

Net = Callable[[Images, Image], Image]


def model(
    name: str,
    net: Net,
    *,
    before: Net | None = None,
    shape: Sequence[int | str] = (1, 2, 8, 7),
    dialect: str = "qcdq",
    bits: int = 5,
    pow2: bool = True,
    weights: str = "int8",
    seed: int = 0,
    opset: int = 19,
) -> ZooModel:
    """A quantised input, the layers of `net`, and its image as the output.

    :param before: layers in front of the input's quantiser.
    :param dialect: "qcdq", "qonnx" or "finn".
    """
    b = Builder("qcdq" if dialect == "qcdq" else "qonnx")
    rng = np.random.default_rng(seed)
    layers = Images(b, rng, bits=bits, pow2=pow2, weights=weights, finn=dialect == "finn")
    q = layers.quantiser(1.0)
    fixed = [1 if isinstance(d, str) else d for d in shape]
    x = Image(b.input("x", shape), tuple(fixed))
    made = net(layers, layers.quant(before(layers, x) if before else x, q))
    label = made.name.startswith(("argmax", "topk"))
    symbolic = [d if isinstance(d, str) else 1 for d in shape[:1]]
    dims = (*symbolic, *made.shape[1:]) if made.shape[:1] == (1,) else made.shape
    kind = TensorProto.INT64 if label else TensorProto.FLOAT
    b.output(made.name, dims, "label" if label else "y", kind)

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": draw(rng, (n, *fixed), q)}

    built = b.model(name, opset=opset)
    output_bits = made.q.bits if made.q else None
    return ZooModel(name, built, inputs, None, pow2, output_bits)


_STEPS: dict[str, Any] = {"shape": (5, 2, 5, 6)}
_NETS: dict[str, tuple[Net, dict[str, Any]]] = {
    "conv": (nets.plain, {}),
    "conv_float_scales": (nets.plain, {"pow2": False}),
    "conv_8bit": (partial(nets.plain, per_channel=True), {"bits": 8, "weights": "graph"}),
    "conv_symbolic_batch": (nets.plain, {"shape": ("N", 1, 8, 7)}),
    "conv_dilated": (nets.dilated, {}),
    "conv_grouped": (nets.grouped, {}),
    "conv_grouped_float_scales": (nets.grouped, {"pow2": False, "weights": "graph"}),
    "conv_separable": (nets.separable, {}),
    "conv_separable_float_scales": (partial(nets.separable, op="Sigmoid"), {"pow2": False}),
    "conv_same": (nets.same, {"weights": "float"}),
    "conv1d": (nets.signal, {"shape": (1, 3, 17)}),
    "conv1d_float_scales": (
        partial(nets.signal, per_channel=True),
        {"shape": ("N", 2, 15), "pow2": False},
    ),
    "conv_transpose": (nets.turned, {"shape": (1, 2, 4, 5)}),
    "conv_transpose_float_scales": (nets.turned, {"shape": (1, 2, 4, 5), "pow2": False}),
    "conv_transpose_shape": (nets.turned_shape, {"shape": (1, 2, 7, 6)}),
    "max_pool": (nets.max_pool, {}),
    "average_pool": (nets.average_pool, {}),
    "average_pool_include": (partial(nets.average_pool, include=1), {"pow2": False}),
    "global_average_pool": (nets.global_average, {}),
    "global_average_pool_float_scales": (nets.global_average, {"pow2": False}),
    "global_max_pool": (nets.global_max, {}),
    "average_pool_truncated": (nets.trunc_pool, {}),
    "average_pool_truncated_float_scales": (nets.trunc_pool, {"pow2": False}),
    "input_padded": (nets.plain, {"before": nets.pad_floats}),
    "input_padded_float_scales": (nets.plain, {"before": nets.pad_floats, "pow2": False}),
    "input_pooled": (nets.plain, {"before": nets.pool_floats, "shape": (1, 2, 9, 14)}),
    "reductions": (nets.reduced, {"shape": (1, 2, 6, 6)}),
    "resize": (nets.resized, {}),
    "resize_align": (
        partial(nets.resized, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        {"pow2": False},
    ),
    "resize_down": (nets.resized_down, {}),
    "residual": (nets.residual, {}),
    "residual_input": (nets.skip_input, {}),
    "inception": (nets.inception, {}),
    "saturated": (nets.saturated, {}),
    "top_k": (nets.top_k, {}),
    "top_k_float_scales": (nets.top_k, {"pow2": False}),
    "unet": (nets.unet, {"shape": (1, 2, 8, 6)}),
    "pad": (nets.padded, {}),
    "blocks": (nets.blocks, {"shape": (1, 2, 5, 6)}),
    "channels_last": (nets.channels_last, {"shape": (1, 7, 6, 3)}),
    "conv_every_step_lstm": (nets.many_steps, _STEPS),
    "conv_rows_lstm": (nets.rows_to_lstm, {"shape": (1, 1, 6, 8)}),
    "conv_rows_lstm_float_scales": (nets.rows_to_lstm, {"shape": ("N", 2, 6, 7), "pow2": False}),
    "conv_lstm": (nets.conv_lstm, {"shape": (4, 2, 4, 5)}),
    "conv_lstm_float_scales": (nets.conv_lstm, {"shape": (4, 1, 5, 4), "pow2": False}),
    "qonnx_conv": (nets.plain, {"dialect": "qonnx", "weights": "graph"}),
    "qonnx_conv_float_scales": (
        nets.plain,
        {"dialect": "qonnx", "weights": "graph", "pow2": False},
    ),
    "qonnx_conv_separable": (nets.separable, {"dialect": "qonnx", "weights": "graph"}),
    "qonnx_conv_per_channel": (nets.per_channel, {"dialect": "qonnx"}),
    "qonnx_conv_trunc_pool": (nets.trunc_pool, {"dialect": "qonnx"}),
    "qonnx_conv_bipolar": (nets.bipolar, {"dialect": "qonnx"}),
    "qonnx_conv_lstm": (nets.conv_lstm, {"shape": (4, 2, 4, 5), "dialect": "qonnx"}),
    "qonnx_unet": (nets.unet, {"shape": (1, 2, 8, 6), "dialect": "qonnx"}),
    "finn_conv": (nets.finn, {"dialect": "finn", "weights": "float"}),
    "finn_conv_channels_last": (
        partial(nets.finn, layout="NHWC"),
        {"dialect": "finn", "weights": "float", "pow2": False},
    ),
    "finn_conv_pool": (nets.finn_pool, {"dialect": "finn", "weights": "float"}),
}

CONVNETS: dict[str, Callable[[], ZooModel]] = {
    name: partial(model, name, net, **how) for name, (net, how) in _NETS.items()
}
"""By name: what builds the model."""
