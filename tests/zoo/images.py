"""Layers of convolutional networks, for the models of `zoo.convnets` and `zoo.random_networks`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from zoo.builder import QONNX, Builder, Quantiser, scale_for

__all__ = ["Image", "Images"]


@dataclass(frozen=True)
class Image:
    """A tensor (1, C, W) or (1, C, H, W) of the model.

    :param q: the grid of its values; None where they were not quantised since the last product.
    """

    name: str
    shape: tuple[int, ...]
    q: Quantiser | None = None


class Images:
    """Makes layers; methods give the image that they make.

    :param finn: quantisers are MultiThreshold nodes with a data_layout.
    """

    def __init__(
        self,
        b: Builder,
        rng: np.random.Generator,
        *,
        bits: int = 5,
        pow2: bool = True,
        weights: str = "int8",
        finn: bool = False,
    ) -> None:
        self.b, self.rng, self.bits, self.pow2 = b, rng, bits, pow2
        self.weights, self.finn = weights, finn

    # -- quantisers

    def quantiser(self, limit: float = 2.0, signed: bool = True) -> Quantiser:
        return Quantiser(self.bits, scale_for(limit, self.bits, self.pow2, signed), signed)

    def quant(self, x: Image, q: Quantiser) -> Image:
        if not self.finn:
            return Image(self.b.quant(x.name, q), x.shape, q)
        steps = (np.arange(q.lo + 1, q.hi + 1) - 0.5) * q.scale
        name = self.b.op(
            "MultiThreshold",
            x.name,
            self.b.const(steps[None], hint="thresholds"),
            domain=QONNX,
            out_dtype=f"{'' if q.signed else 'U'}INT{q.bits}",
            out_scale=q.scale,
            out_bias=q.lo * q.scale,
            data_layout="NCHW" if len(x.shape) == 4 else "NCW",
        )
        return Image(name, x.shape, q)

    def quant_channels(self, x: Image, q: Quantiser) -> tuple[Image, np.ndarray]:
        """A scale for each channel, apart by powers of two (QONNX alone): (image, scales)."""
        scales = q.scale * 2.0 ** self.rng.integers(-1, 2, x.shape[1])
        shaped = scales.reshape(1, -1, *(1,) * (len(x.shape) - 2)).astype(np.float32)
        tail = [self.b.const(v) for v in (shaped, 0, q.bits)]
        name = self.b.op(
            "Quant", x.name, *tail, domain=self.b.domain,
            signed=int(q.signed), narrow=0, rounding_mode="ROUND",
        )  # fmt: skip
        return Image(name, x.shape, q), scales

    def input(self, shape: Sequence[int | str], q: Quantiser, name: str = "x") -> Image:
        fixed = tuple(1 if isinstance(d, str) else d for d in shape)
        return self.quant(Image(self.b.input(name, shape), fixed), q)

    # -- products

    def conv(
        self,
        x: Image,
        channels: int,
        kernel: Sequence[int],
        *,
        transpose: bool = False,
        group: int = 1,
        per_channel: bool = False,
        bias: str = "none",
        **attrs: Any,
    ) -> Image:
        """Conv or ConvTranspose; its sums spread over about +-2.

        :param bias: "none", "int32" (dequantised codes) or "float".
        """
        q = x.q
        assert q is not None
        ins = x.shape[1]
        shape = (ins, channels // group) if transpose else (channels, ins // group)
        top = 2 ** (self.bits - 1) - 1
        codes = self.rng.integers(-top, top, (*shape, *kernel), endpoint=True)
        summed = int(np.prod(kernel)) * ins // group
        spread = q.scale * q.hi * 0.55 * np.sqrt(summed * top * (top + 1) / 3)
        scale: Any = scale_for(1.0 / spread, 1, True) if self.pow2 else 0.97 / spread
        out_axis = 1 if transpose else 0
        if per_channel:
            count = shape[out_axis]
            change = self.rng.integers(-1, 2, count) if self.pow2 else self.rng.random(count)
            scale = scale * 2.0**change
        w = self.b.weight(codes, scale, self.bits, self.weights, out_axis)
        names = [x.name, w]
        if bias != "none":
            unit = np.broadcast_to(np.float32(scale) * np.float32(q.scale), (shape[out_axis],))
            if transpose:
                unit = np.tile(unit, group)
            values = np.round(self.rng.uniform(-0.5, 0.5, channels) / unit * 8) / 8
            single = not per_channel and bias == "int32"
            names.append(self.b.bias(values, unit[0] if single else unit, bias))
        op = "ConvTranspose" if transpose else "Conv"
        return self.apply(
            op, x, *names[1:], weights=codes, group=group, kernel_shape=list(kernel), **attrs
        )

    def linear(self, x: Image, classes: int) -> Image:
        """Flatten and MatMul."""
        if len(x.shape) > 2:
            flat = self.b.op("Flatten", x.name, axis=1)
            x = Image(flat, (1, int(np.prod(x.shape))), x.q)
        return self.matmul(x, classes)

    def matmul(self, x: Image, columns: int) -> Image:
        """A product over the last axis."""
        q = x.q
        assert q is not None
        features = x.shape[-1]
        top = 2 ** (self.bits - 1) - 1
        codes = self.rng.integers(-top, top, (features, columns), endpoint=True)
        spread = q.scale * q.hi * 0.55 * np.sqrt(features * top * (top + 1) / 3)
        scale = scale_for(1.0 / spread, 1, True) if self.pow2 else 0.97 / spread
        w = self.b.weight(codes, scale, self.bits, self.weights)
        return Image(self.b.op("MatMul", x.name, w), (*x.shape[:-1], columns))

    # -- elementwise

    def batch_norm(self, x: Image) -> Image:
        """Batch norm, with falling channels; with `pow2` one that float32 computes exactly."""
        count, rng = x.shape[1], self.rng
        if self.pow2:
            gain = 2.0 ** rng.integers(-1, 2, count) * rng.choice([-1, 1], count)
            shift, mean = np.round(rng.uniform(-32, 32, (2, count))) / 64
            variance, epsilon = np.ones(count), 0.0
        else:
            gain = rng.uniform(0.5, 1.5, count) * rng.choice([-1, 1], count)
            shift, mean = rng.uniform(-0.5, 0.5, (2, count))
            variance, epsilon = rng.uniform(0.5, 2, count), 1e-5
        values = [self.b.const(v, hint="bn") for v in (gain, shift, mean, variance)]
        name = self.b.op("BatchNormalization", x.name, *values, epsilon=epsilon)
        return Image(name, x.shape)

    def activation(self, x: Image, op: str = "Relu") -> Image:
        """An activation and its quantiser."""
        made = Image(self.b.op(op, x.name), x.shape)
        limit = {"Sigmoid": 1.0, "Tanh": 1.0}.get(op, 2.0)
        return self.quant(made, self.quantiser(limit, signed=op not in ("Relu", "Sigmoid")))

    def threshold_channels(self, x: Image, layout: str = "NCHW") -> Image:
        """MultiThreshold with steps of its own for each channel, as codes of an unsigned grid.

        :param layout: with "NHWC" the image is turned for it, and back.
        """
        q = self.quantiser(2.0, signed=False)
        even = (np.arange(1, q.hi + 1) - 0.5) * q.scale
        moved = even + np.round(self.rng.uniform(-1, 1, (x.shape[1], 1)) * 16) / 16
        last = layout == "NHWC"
        y = self.b.op("Transpose", x.name, perm=[0, 2, 3, 1]) if last else x.name
        y = self.b.op(
            "MultiThreshold", y, self.b.const(moved, hint="thresholds"), domain=QONNX,
            out_dtype=f"UINT{q.bits}", out_scale=q.scale, out_bias=0.0, data_layout=layout,
        )  # fmt: skip
        y = self.b.op("Transpose", y, perm=[0, 3, 1, 2]) if last else y
        return Image(y, x.shape, q)

    # -- recurrence

    def lstm(self, x: Image, hidden: int, *, kernel: int = 0, last: bool = False) -> Image:
        """An LSTM over the first axis of x (T, 1, F), or a ConvLSTM over (T, 1, C, H, W).

        :param kernel: its size in a ConvLSTM, whose images keep theirs.
        :param last: give the last hidden state, not those of all steps.
        """
        q = x.q
        assert q is not None
        outer, step = self.b, x.shape[1:]
        self.b = body = outer.child("body_")
        state = (1, hidden, *step[2:])
        io, cell = self.quantiser(1.0), self.quantiser(2.0)
        names = [body.input(f"body_{n}", s) for n, s in (("h", state), ("c", state), ("x", step))]
        grids = ((state, io), (state, cell), (step, q))
        h, c, now = (Image(n, s, g) for n, (s, g) in zip(names, grids, strict=True))
        parts = []
        for gate in range(4):
            both = [self._gate(v, hidden, kernel) for v in (now, h)]
            wide = self.quantiser(2.0)
            total = self.add(*(self.quant(v, wide) for v in both))
            parts.append(self.activation(total, "Tanh" if gate == 2 else "Sigmoid"))
        i, f, g, o = parts
        kept = self.quant(Image(body.op("Mul", f.name, c.name), state), cell)
        new = self.quant(Image(body.op("Mul", i.name, g.name), state), cell)
        c = self.quant(self.add(kept, new), cell)
        tanh = self.activation(c, "Tanh")
        h = self.quant(Image(body.op("Mul", o.name, tanh.name), state), io)
        every = body.op("Identity", h.name)
        for name, shape in ((h.name, state), (c.name, state), (every, state)):
            body.output(name, shape)
        self.b = outer
        zeros = [outer.const(np.zeros(state)) for _ in range(2)]
        found = outer.ops(
            "Scan", [*zeros, x.name], 3, body=body.graph("body"), num_scan_inputs=1,
            scan_output_directions=[0], scan_output_axes=[0],
        )  # fmt: skip
        if last:
            return Image(found[0], state, io)
        return Image(found[2], (x.shape[0], *state), io)

    def _gate(self, x: Image, hidden: int, kernel: int) -> Image:
        if not kernel:
            return self.linear(x, hidden)
        pads = [kernel // 2] * 4
        return self.conv(x, hidden, (kernel, kernel), pads=pads)

    # -- everything else

    def apply(
        self, op: str, x: Image, *more: str, weights: np.ndarray | None = None, **attrs: Any
    ) -> Image:
        """A node whose values are no longer on the grid of x.

        :param more: constants, or first of all weights of the shape of `weights`.
        """
        name = self.b.op(op, x.name, *more, **attrs)
        arrays: list[np.ndarray | None] = []
        if weights is not None:
            arrays.append(weights.astype(np.float32))
        held = {t.name: t for t in self.b.initializers}
        names = [n for n in more[len(arrays) :] if n in held or not n]
        arrays += [numpy_helper.to_array(held[n]) if n else None for n in names]
        return Image(name, shape_of(op, [np.zeros(x.shape, np.float32), *arrays], attrs))

    def layout(self, op: str, x: Image, *more: str, **attrs: Any) -> Image:
        """A node that keeps the grid of x."""
        return replace(self.apply(op, x, *more, **attrs), q=x.q)

    def ints(self, *values: int) -> str:
        """A constant of int64."""
        return self.b.const(values, np.int64, "shape")

    def concat(self, xs: Sequence[Image], axis: int) -> Image:
        """Images of one grid, one after the other."""
        name = self.b.op("Concat", *(x.name for x in xs), axis=axis)
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return Image(name, tuple(shape), xs[0].q)

    def add(self, x: Image, y: Image) -> Image:
        """Their sum."""
        return Image(self.b.op("Add", x.name, y.name), x.shape)


def shape_of(
    op: str, arrays: Sequence[np.ndarray | None], attrs: dict[str, Any]
) -> tuple[int, ...]:
    """The shape that onnxruntime finds for a node's only output; None stands for no input."""
    names = ["" if a is None else f"x{k}" for k, a in enumerate(arrays)]
    feed = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in feed.items()
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attrs)], "shape", values, [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return tuple(session.run(None, feed)[0].shape)
