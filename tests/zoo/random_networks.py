"""Random networks that mix all operators, power-of-two scales: no difference allowed.

`random_network(seed)` is the same for equal seeds. Its shapes are small, so that RTL of it can be
simulated too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

from zoo.builder import Arrays, ZooModel
from zoo.images import Image
from zoo.random_layers import Grower
from zoo.recurrent import draw

__all__ = ["DIALECTS", "random_network"]

DIALECTS = ("qcdq", "qonnx", "finn")
_MOST = 700  # elements of a tensor


class _Network(Grower):
    """A network that grows; every tensor in `pool` is on the grid of its quantiser."""

    def __init__(self, seed: int, dialect: str, flat: bool) -> None:
        super().__init__(seed, dialect)
        channels = self.some(1, 3)
        size = [self.some(5, 9) for _ in range(1 if flat else 2)]
        self.q = self.net.quantiser(2.0)
        self.shape = (1, channels, *size)
        self.pool = [self.net.input(self.shape, self.q)]
        self.ops: list[Callable[[Image], Image | None]] = [
            self.conv, self.conv, self.conv, self.conv, self.conv_transpose, self.depthwise,
            self.max_pool, self.average_pool, self.resize, self.concat, self.pick, self.residual,
            self.pad, self.blocks, self.turn, self.reduce, self.shuffle, self.per_channel,
            self.dense, self.pointwise, self.recur, self.recur,
        ]  # fmt: skip

    # -- layers

    def grow(self, layers: int) -> None:
        """Layers behind the latest tensor mostly, and now and then behind an earlier one."""
        made = 0
        while made < layers:
            last = self.maybe(0.8)
            x = self.pool[-1] if last else self.pool[self.some(0, len(self.pool) - 1)]
            found = self.ops[self.some(0, len(self.ops) - 1)](x)
            if found is not None and np.prod(found.shape) <= _MOST and min(found.shape) > 0:
                self.pool.append(found)
                made += 1

    def conv(self, x: Image) -> Image | None:
        kernel = self.kernel(x)
        dims = len(kernel)
        group = [g for g in (1, 1, 2, 3) if x.shape[1] % g == 0][-1] if self.maybe(0.3) else 1
        attrs: dict[str, Any] = {"strides": self.each(x, 1, 2)}
        if self.maybe(0.2):
            attrs["auto_pad"] = ["SAME_UPPER", "SAME_LOWER", "VALID"][self.some(0, 2)]
            attrs["strides"] = [self.some(1, min(k, 2)) for k in kernel]
        elif self.maybe(0.6):
            attrs["pads"] = [self.some(0, k - 1) for k in kernel * 2]
        if "auto_pad" not in attrs and self.maybe(0.3):
            fits = [2 * k - 1 <= d for k, d in zip(kernel, x.shape[2:], strict=True)]
            attrs["dilations"] = [1 + ok for ok in fits]
        channels = group * self.some(1, max(1, 6 // group))
        bias = ["none", "int32", "float"][self.some(0, 2)]
        assert dims == len(x.shape) - 2
        return self.closed(
            self.net.conv(
                x, channels, kernel, group=group, per_channel=self.maybe(0.3), bias=bias, **attrs
            )
        )

    def depthwise(self, x: Image) -> Image | None:
        kernel, channels = self.kernel(x), x.shape[1] * self.some(1, 2)
        made = self.net.conv(
            x, channels, kernel, group=x.shape[1], per_channel=self.maybe(0.5),
            bias=["none", "float"][self.some(0, 1)], pads=[k // 2 for k in kernel] * 2,
        )  # fmt: skip
        return self.closed(made)

    def conv_transpose(self, x: Image) -> Image | None:
        kernel, strides = self.kernel(x), self.each(x, 1, 2)
        attrs: dict[str, Any] = {
            "strides": strides,
            "pads": [self.some(0, k - 1) for k in kernel * 2],
            "output_padding": [self.some(0, s - 1) for s in strides],
            "dilations": self.each(x, 1, 2),
        }
        sizes = [
            s * (d - 1) + o + (k - 1) * e + 1 - a - b
            for s, d, o, k, e, a, b in zip(
                strides, x.shape[2:], attrs["output_padding"], kernel, attrs["dilations"],
                attrs["pads"][: len(kernel)], attrs["pads"][len(kernel) :], strict=True,
            )
        ]  # fmt: skip
        if min(sizes) < 1 or np.prod(sizes) * 4 > _MOST:
            return None
        group = 2 if x.shape[1] % 2 == 0 and self.maybe(0.4) else 1
        made = self.net.conv(
            x, group * self.some(1, 3), kernel, transpose=True, group=group,
            per_channel=self.maybe(0.3), bias=["none", "int32"][self.some(0, 1)], **attrs,
        )  # fmt: skip
        return self.closed(made)

    def pool_attrs(self, x: Image) -> dict[str, Any]:
        kernel, dims = self.kernel(x), len(x.shape) - 2
        attrs: dict[str, Any] = {
            "kernel_shape": kernel, "strides": self.each(x, 1, 2), "ceil_mode": self.some(0, 1)
        }  # fmt: skip
        if self.maybe(0.3):
            attrs["auto_pad"] = ["SAME_UPPER", "SAME_LOWER"][self.some(0, 1)]
            attrs["strides"] = [self.some(1, min(k, 2)) for k in kernel]
            attrs["ceil_mode"] = 0
        else:
            attrs["pads"] = pads = [self.some(0, k - 1) for k in kernel * 2]
            # onnx's shape inference keeps a last place that onnxruntime drops
            ends = zip(x.shape[2:], kernel, attrs["strides"], pads, pads[dims:], strict=False)
            for size, k, s, before, after in ends:
                if -(-(size + before + after - k) // s) * s >= size + before:
                    attrs["ceil_mode"] = 0
        return attrs

    def max_pool(self, x: Image) -> Image | None:
        return self.net.layout("MaxPool", x, **self.pool_attrs(x))

    def average_pool(self, x: Image) -> Image | None:
        attrs = self.pool_attrs(x) | {"count_include_pad": self.some(0, 1)}
        made = self.net.apply("AveragePool", x, **attrs)
        return self.net.quant(made, self.net.quantiser(2.0))

    def resize(self, x: Image) -> Image | None:
        times = [float(n) for n in self.each(x, 1, 2)]
        if np.prod(x.shape) * np.prod(times) > _MOST:
            return None
        scales = self.b.const([1.0, 1.0, *times])
        return self.net.layout("Resize", x, "", scales, mode="nearest")

    def concat(self, x: Image) -> Image | None:
        axis = self.some(1, len(x.shape) - 1)
        rest = [y for y in self.pool if self.fits(x, y, axis)]
        others = [rest[self.some(0, len(rest) - 1)] for _ in range(self.some(1, 2))]
        return self.net.concat([x, *others], axis)

    def fits(self, x: Image, y: Image, axis: int) -> bool:
        same = x.shape[:axis] + x.shape[axis + 1 :] == y.shape[:axis] + y.shape[axis + 1 :]
        return len(x.shape) == len(y.shape) and same and x.q == y.q

    def pick(self, x: Image) -> Image | None:
        """A Slice, with steps, of channels or pixels; or one part of a Split."""
        axis = self.some(1, len(x.shape) - 1)
        size = x.shape[axis]
        if size < 2:
            return None
        if self.maybe(0.3):
            first = self.some(1, size - 1)
            parts = self.b.ops("Split", [x.name, self.net.ints(first, size - first)], 2, axis=axis)
            k = self.some(0, 1)
            shape = list(x.shape)
            shape[axis] = (first, size - first)[k]
            return Image(parts[k], tuple(shape), x.q)
        start = self.some(0, size - 1)
        end, step = self.some(start + 1, size), self.some(1, 2)
        ends = (self.net.ints(v) for v in (start, end, axis, step))
        return self.net.layout("Slice", x, *ends)

    def residual(self, x: Image) -> Image | None:
        same = [y for y in self.pool if y.shape == x.shape]
        y = same[self.some(0, len(same) - 1)]
        return self.closed(self.net.add(x, y))

    def pad(self, x: Image) -> Image | None:
        dims = len(x.shape) - 2
        mode = ["constant", "constant", "reflect", "edge"][self.some(0, 3)]
        ends = [self.some(0, min(2, x.shape[2 + k % dims] - 1)) for k in range(2 * dims)]
        pads = self.net.ints(0, 0, *ends[:dims], 0, 0, *ends[dims:])
        return self.net.layout("Pad", x, pads, mode=mode)

    def blocks(self, x: Image) -> Image | None:
        if len(x.shape) != 4:
            return None
        if self.maybe(0.5):
            if x.shape[1] % 4:
                return None
            mode = ["DCR", "CRD"][self.some(0, 1)]
            return self.net.layout("DepthToSpace", x, blocksize=2, mode=mode)
        if x.shape[2] % 2 or x.shape[3] % 2:
            return None
        return self.net.layout("SpaceToDepth", x, blocksize=2)

    def turn(self, x: Image) -> Image | None:
        """Rows become columns, or channels become pixels."""
        if not self.maybe(0.3):
            return None
        perm = [0, *(1 + int(k) for k in self.rng.permutation(len(x.shape) - 1))]
        return self.net.layout("Transpose", x, perm=perm)

    def shuffle(self, x: Image) -> Image | None:
        """Channels of two groups take turns."""
        if x.shape[1] % 2 or x.shape[1] == 2:
            return None
        half, rest = x.shape[1] // 2, x.shape[2:]
        y = self.net.layout("Reshape", x, self.net.ints(1, 2, half, *rest))
        y = self.net.layout("Transpose", y, perm=[0, 2, 1, *range(3, 3 + len(rest))])
        return self.net.layout("Reshape", y, self.net.ints(*x.shape))

    def reduce(self, x: Image) -> Image | None:
        """A reduction along one axis, which stays."""
        op = ["ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean"][self.some(0, 3)]
        axis = self.some(1, len(x.shape) - 1)
        if not self.maybe(0.4):
            return None
        made = self.net.layout(op, x, self.net.ints(axis), keepdims=1)
        if op in ("ReduceMax", "ReduceMin"):
            return made
        return self.net.quant(made, self.net.quantiser())

    def per_channel(self, x: Image) -> Image | None:
        """A quantiser with a scale for each channel in front of a convolution."""
        if self.dialect != "qonnx" or x.q is None:
            return None
        fine, _ = self.net.quant_channels(x, x.q)
        return self.conv(fine)

    def head(self) -> tuple[str, tuple[int, ...]]:
        """The output: logits, a class, a map of classes, an average, or the image as it is."""
        x = self.pool[-1]
        match self.some(0, 4):
            case 0:
                made = self.net.linear(x, self.some(2, 5))
                return made.name, made.shape
            case 1:
                pooled = self.net.apply(["GlobalAveragePool", "GlobalMaxPool"][self.some(0, 1)], x)
                made = self.net.linear(self.net.quant(pooled, self.net.quantiser()), 3)
                return made.name, made.shape
            case 2 if x.shape[1] > 1:
                if self.maybe(0.4):
                    return self.greatest(x)
                best = self.b.op("ArgMax", x.name, axis=1, keepdims=0)
                self.b.output(best, (1, *x.shape[2:]), "label", TensorProto.INT64)
                return "", ()
            case 3:
                axes = self.net.ints(*range(2, len(x.shape)))
                made = self.net.apply("ReduceMean", x, axes, keepdims=0)
                return made.name, made.shape
        return x.name, x.shape

    def greatest(self, x: Image) -> tuple[str, tuple[int, ...]]:
        """Several of the greatest or least channels of each pixel: places, or values."""
        k, largest = self.some(1, x.shape[1]), self.some(0, 1)
        values, places = self.b.ops("TopK", [x.name, self.net.ints(k)], 2, axis=1, largest=largest)
        shape = (1, k, *x.shape[2:])
        if self.maybe(0.5):
            return values, shape
        self.b.output(places, shape, "label", TensorProto.INT64)
        return "", ()


def random_network(seed: int, layers: int = 12, dialect: str | None = None) -> ZooModel:
    """A network of 1 to `layers` layers behind a quantised input; same for equal arguments.

    :param dialect: one of `DIALECTS`, or None to leave it to the seed.
    """
    rng = np.random.default_rng([seed, 1])
    chosen = dialect or DIALECTS[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
    made = _Network(seed, chosen, bool(rng.random() < 0.3))
    made.grow(int(rng.integers(1, layers + 1)))
    name, shape = made.head()
    if name:
        made.b.output(name, shape, "y")
    shape, q = made.shape, made.q

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        return {"x": draw(rng, (n, *shape), q)}

    return ZooModel(f"random_{seed}", made.b.model(f"random_{seed}"), inputs)
