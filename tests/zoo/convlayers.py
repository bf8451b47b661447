"""The layers of the models in `zoo.convnets`: each takes an image and gives one."""

from typing import Any

import numpy as np

from zoo.builder import Quantiser
from zoo.images import Image, Images

__all__ = [
    "average_pool", "bipolar", "blocks", "channels_last", "conv_lstm", "dilated", "finn",
    "finn_pool", "global_average", "global_max", "grouped", "inception", "many_steps", "max_pool",
    "pad_floats", "padded", "per_channel", "pool_floats", "plain", "reduced", "residual", "resized",
    "resized_down", "rows_to_lstm", "same", "saturated", "separable", "signal", "skip_input",
    "top_k", "trunc_pool", "turned", "turned_shape", "unet",
]  # fmt: skip


def plain(n: Images, x: Image, **how: Any) -> Image:
    """Conv, batch norm, ReLU; Conv; Flatten, MatMul."""
    x = n.activation(n.batch_norm(n.conv(x, 4, (3, 3), strides=[2, 1], pads=[1, 0, 1, 2], **how)))
    x = n.activation(n.conv(x, 3, (2, 3), bias="float", **how), "Tanh")
    return n.linear(x, 5)


def dilated(n: Images, x: Image) -> Image:
    x = n.activation(n.conv(x, 3, (3, 2), dilations=[2, 3], pads=[2, 1, 2, 2], bias="int32"))
    return n.conv(x, 2, (2, 2), dilations=[1, 2])


def grouped(n: Images, x: Image, **how: Any) -> Image:
    x = n.activation(n.conv(x, 6, (1, 1)))
    x = n.activation(n.conv(x, 4, (3, 3), group=2, per_channel=True, bias="int32", **how))
    return n.conv(x, 6, (1, 1), group=2, per_channel=True)


def separable(n: Images, x: Image, op: str = "Relu") -> Image:
    """Depthwise and pointwise, twice; the second depthwise makes two channels of each."""
    x = n.activation(n.conv(x, 2, (3, 3), group=2, pads=[1] * 4, bias="float"), op)
    x = n.activation(n.batch_norm(n.conv(x, 5, (1, 1))), op)
    x = n.activation(n.conv(x, 10, (3, 3), group=5, strides=[2, 2], per_channel=True), op)
    return n.conv(x, 3, (1, 1))


def same(n: Images, x: Image) -> Image:
    x = n.activation(n.conv(x, 3, (3, 2), strides=[2, 2], auto_pad="SAME_UPPER"))
    x = n.activation(n.conv(x, 3, (2, 3), auto_pad="SAME_LOWER"))
    return n.conv(x, 2, (2, 2), auto_pad="VALID")


def signal(n: Images, x: Image, **how: Any) -> Image:
    """One dimension: stride, dilation, groups, pooling, a transposed convolution."""
    x = n.activation(n.batch_norm(n.conv(x, 4, (3,), strides=[2], pads=[1, 1], **how)))
    x = n.activation(n.conv(x, 4, (3,), dilations=[2], group=2, pads=[2, 1]))
    x = n.layout("MaxPool", x, kernel_shape=[2], strides=[1])
    return n.conv(x, 2, (3,), transpose=True, strides=[2], output_padding=[1])


def turned(n: Images, x: Image, **how: Any) -> Image:
    """Transposed convolutions: strides, output_padding, pads that crop, groups, dilation."""
    x = n.activation(n.conv(x, 4, (3, 2), transpose=True, strides=[2, 2], pads=[1, 0, 1, 1],
                            output_padding=[1, 0], bias="float", **how))  # fmt: skip
    x = n.activation(n.conv(x, 4, (2, 2), transpose=True, group=2, dilations=[2, 1],
                            pads=[3, 2, 1, 3], per_channel=True))  # fmt: skip
    return n.conv(x, 2, (3, 3), transpose=True, auto_pad="SAME_UPPER", strides=[1, 2])


def turned_shape(n: Images, x: Image) -> Image:
    x = n.activation(n.conv(x, 3, (3, 3), transpose=True, strides=[2, 3], output_shape=[14, 20]))
    return n.conv(x, 2, (2, 2), transpose=True, auto_pad="SAME_LOWER", strides=[2, 2])


def max_pool(n: Images, x: Image) -> Image:
    """Pooling of codes with pads, and of sums that fall in some channels, before the quantiser."""
    x = n.layout("MaxPool", x, kernel_shape=[2, 3], pads=[1, 1, 0, 1], ceil_mode=1, strides=[1, 2])
    x = n.batch_norm(n.conv(x, 4, (2, 2)))
    x = n.activation(n.apply("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 1]))
    return n.conv(x, 3, (2, 2))


def average_pool(n: Images, x: Image, include: int = 0) -> Image:
    attrs: dict[str, Any] = {
        "kernel_shape": [3, 2],
        "pads": [1, 1, 1, 0],
        "strides": [2, 1],
        "ceil_mode": 1,
    }
    x = n.apply("AveragePool", x, count_include_pad=include, **attrs)
    x = n.activation(n.conv(n.quant(x, n.quantiser(1.0)), 3, (2, 2)))
    x = n.apply("AveragePool", x, kernel_shape=[2, 2])
    return n.conv(replace_grid(x, n.quantiser(2.0, signed=False)), 2, (2, 2))


def replace_grid(x: Image, q: Quantiser) -> Image:
    """An image that is about as great as codes of q, for the scale of the weights behind it."""
    return Image(x.name, x.shape, q)


def global_average(n: Images, x: Image) -> Image:
    x = n.activation(n.conv(x, 6, (3, 3)))
    x = n.quant(n.apply("GlobalAveragePool", x), n.quantiser(2.0, signed=False))
    return n.linear(x, 4)


def global_max(n: Images, x: Image) -> Image:
    x = n.apply("GlobalMaxPool", n.batch_norm(n.conv(x, 6, (3, 3))))
    return n.linear(n.activation(x, "Tanh"), 4)


def reduced(n: Images, x: Image) -> Image:
    """Reductions over pixels, over rows, over channels."""
    x = n.activation(n.conv(x, 4, (3, 3)))
    y = n.quant(n.apply("ReduceSum", x, n.ints(2), keepdims=1), n.quantiser(8.0, signed=False))
    y = n.layout("ReduceMin", n.activation(n.conv(y, 3, (1, 2))), n.ints(1), keepdims=1)
    z = n.quant(n.apply("ReduceMean", x, n.ints(2, 3), keepdims=1), n.quantiser(2.0, signed=False))
    both = n.add(n.conv(y, 3, (1, 1)), n.conv(z, 3, (1, 1)))
    return n.quant(both, n.quantiser(4.0))


def resized(n: Images, x: Image, **attrs: Any) -> Image:
    x = n.activation(n.conv(x, 3, (3, 3)))
    x = n.layout("Resize", x, "", n.b.const([1.0, 1.0, 2.0, 3.0]), mode="nearest", **attrs)
    return n.conv(x, 2, (3, 3), pads=[1] * 4)


def resized_down(n: Images, x: Image) -> Image:
    """Fewer rows, and columns one and a half times: no whole factor."""
    x = n.activation(n.conv(x, 3, (3, 2)))
    x = n.layout("Resize", x, "", "", n.ints(1, 3, 3, 9), mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    return n.conv(x, 2, (2, 2))


def residual(n: Images, x: Image) -> Image:
    """A block with a skip, and one whose skip has a convolution of stride 2."""
    q = n.quantiser(2.0)
    y = n.quant(n.conv(x, 4, (3, 3), pads=[1] * 4), q)
    z = n.quant(n.conv(y, 4, (3, 3), pads=[1] * 4), q)
    x = n.activation(n.add(y, z))
    y = n.quant(n.conv(x, 5, (3, 3), strides=[2, 2], pads=[1] * 4), q)
    z = n.quant(n.conv(x, 5, (1, 1), strides=[2, 2]), q)
    return n.activation(n.add(y, z))


def skip_input(n: Images, x: Image) -> Image:
    """The input itself is added to what is made of it."""
    q = x.q
    assert q is not None
    y = n.quant(n.conv(x, 2, (3, 3), pads=[1] * 4), q)
    return n.activation(n.add(x, y))


def inception(n: Images, x: Image) -> Image:
    """Branches of kernels 1, 3 and a pool, side by side; then split again."""
    q = n.quantiser(2.0)
    a = n.quant(n.conv(x, 3, (1, 1)), q)
    b = n.quant(n.conv(x, 2, (3, 3), pads=[1] * 4), q)
    c = n.quant(n.apply("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4), q)
    whole = n.concat([a, b, c], 1)
    first, second = n.b.ops("Split", [whole.name, n.ints(3, 4)], 2, axis=1)
    left = n.conv(Image(first, (1, 3, *whole.shape[2:]), q), 3, (2, 2))
    right = n.conv(Image(second, (1, 4, *whole.shape[2:]), q), 3, (2, 2))
    return n.activation(n.add(n.quant(left, q), n.quant(right, q)))


def unet(n: Images, x: Image) -> Image:
    """Down by pooling, up by a transposed convolution, concatenated with what was there."""
    q = n.quantiser(2.0, signed=False)
    top = n.activation(n.conv(x, 3, (3, 3), pads=[1] * 4))
    low = n.layout("MaxPool", top, kernel_shape=[2, 2], strides=[2, 2])
    low = n.activation(n.conv(low, 4, (3, 3), pads=[1] * 4))
    up = n.quant(n.conv(low, 3, (2, 2), transpose=True, strides=[2, 2]), q)
    whole = n.concat([top, up], 1)
    made = n.conv(whole, 3, (1, 1))
    return Image(n.b.op("ArgMax", made.name, axis=1), (1, 1, *made.shape[2:]))


def top_k(n: Images, x: Image) -> Image:
    """The three greatest channels of each pixel go on; then the places of the least sums."""
    x = n.activation(n.conv(x, 5, (3, 3), strides=[2, 2]))
    found = n.b.ops("TopK", [x.name, n.ints(3)], 2, axis=1)[0]
    y = n.linear(Image(found, (1, 3, *x.shape[2:]), x.q), 9)
    least = n.b.ops("TopK", [y.name, n.ints(4)], 2, axis=-1, largest=0)[1]
    return Image(least, (1, 4))


def saturated(n: Images, x: Image) -> Image:
    """Beside a convolution one whose sums are negative, and the grouped products of its zeros."""
    q = n.quantiser(2.0)
    live = n.quant(n.conv(x, 6, (4, 4)), q)
    least = n.b.op("Clip", n.conv(x, 4, (3, 3)).name, "", n.b.const(1.0))
    less = n.b.op("Sub", least, n.b.const(1.5))
    y = n.activation(Image(less, (1, 4, *(d - 2 for d in x.shape[2:]))))
    y = n.quant(n.conv(y, 4, (2, 2), group=4, bias="float"), q)
    y = n.quant(n.conv(y, 6, (1, 1), group=2, bias="float"), q)
    return n.quant(n.add(live, y), q)


def pad_floats(n: Images, x: Image) -> Image:
    """Pads of an input that is not quantised yet, by 0 and by what is no code."""
    x = n.apply("Pad", x, n.ints(0, 0, 1, 0, 0, 0, 0, 2), mode="constant")
    return n.apply("Pad", x, n.ints(0, 0, 0, 1, 0, 0, 1, 0), n.b.const(0.3), mode="constant")


def pool_floats(n: Images, x: Image) -> Image:
    """Maxima of such an input, in one channel of what then falls; normalised, turned, reduced."""
    x = n.apply("MaxPool", x, kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1])
    gain = n.b.const(np.array([1.0, -0.5]).reshape(1, 2, 1, 1))
    x = n.apply("MaxPool", n.apply("Mul", x, gain), kernel_shape=[2, 1])
    x = n.apply("Transpose", x, perm=[0, 1, 3, 2])
    return n.apply("ReduceMin", n.apply("Transpose", x, perm=[0, 1, 3, 2]), n.ints(1), keepdims=1)


def padded(n: Images, x: Image) -> Image:
    """Pads of zeros before a convolution, of a code, of the border, and of negative size."""
    x = n.layout("Pad", x, n.ints(0, 0, 1, 2, 0, 0, 0, 1), mode="constant")
    x = n.activation(n.conv(x, 3, (3, 3), pads=[1, 0, 0, 1]))
    assert x.q is not None
    value = n.b.const(np.float32(x.q.scale * 3))
    x = n.layout("Pad", x, n.ints(0, 0, 0, 1, 0, 0, 1, -1), value, mode="constant")
    x = n.layout("Pad", x, n.ints(0, 0, 2, 1, 0, 0, 1, 0), mode="reflect")
    return n.conv(x, 2, (2, 3))


def blocks(n: Images, x: Image) -> Image:
    """Pixel shuffle and its opposite, channel shuffle between."""
    x = n.activation(n.conv(x, 8, (3, 3), pads=[1, 1, 1, 2]))
    x = n.layout("DepthToSpace", x, blocksize=2, mode="CRD")
    x = n.activation(n.conv(x, 6, (3, 3), pads=[1] * 4))
    size = x.shape[2:]
    x = n.layout("Reshape", x, n.ints(1, 2, 3, *size))
    x = n.layout("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = n.layout("Reshape", x, n.ints(1, 6, *size))
    x = n.layout("SpaceToDepth", n.activation(n.conv(x, 2, (3, 3), group=2)), blocksize=2)
    return n.conv(x, 3, (2, 2))


def channels_last(n: Images, x: Image) -> Image:
    """The model's own input and output are channels last."""
    x = n.layout("Transpose", x, perm=[0, 3, 1, 2])
    x = n.activation(n.conv(x, 4, (3, 3)))
    return n.layout("Transpose", n.conv(x, 3, (2, 2)), perm=[0, 2, 3, 1])


def many_steps(n: Images, x: Image) -> Image:
    """Images of several steps at once: the convolution sees each alone, an LSTM all in turn."""
    x = n.activation(n.conv(x, 3, (3, 3), strides=[2, 2]))
    steps, *rest = x.shape
    flat = n.layout("Reshape", x, n.ints(steps, 1, int(np.prod(rest))))
    return n.lstm(flat, 5)


def rows_to_lstm(n: Images, x: Image) -> Image:
    """Rows of the feature map are the steps of an LSTM, whose last state is classified."""
    x = n.activation(n.batch_norm(n.conv(x, 4, (3, 3), strides=[1, 2], pads=[1] * 4)))
    x = n.activation(n.conv(x, 3, (3, 3), pads=[1] * 4))
    rows = n.layout("Transpose", x, perm=[2, 0, 1, 3])
    rows = n.layout("Reshape", rows, n.ints(x.shape[2], 1, x.shape[1] * x.shape[3]))
    return n.linear(n.lstm(rows, 6, last=True), 4)


def conv_lstm(n: Images, x: Image) -> Image:
    """A ConvLSTM: its gates are convolutions of the step's image and of the hidden image."""
    images = n.layout("Unsqueeze", x, n.ints(1))
    last = n.lstm(images, 3, kernel=3, last=True)
    return n.linear(last, 4)


def finn(n: Images, x: Image, layout: str = "NCHW") -> Image:
    """Thresholds of each channel on integer sums, twice."""
    for channels in (4, 3):
        x = n.conv(x, channels, (3, 3), pads=[1, 0, 0, 1])
        x = n.threshold_channels(x, layout)
    return x


def finn_pool(n: Images, x: Image) -> Image:
    x = n.threshold_channels(n.conv(x, 4, (3, 3)))
    x = n.layout("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = n.threshold_channels(n.conv(x, 4, (2, 2), group=2))
    return n.linear(x, 4)


def per_channel(n: Images, x: Image) -> Image:
    """Activations with a scale for each channel, into a grouped and into a whole convolution."""
    x = n.activation(n.conv(x, 4, (3, 3)))
    assert x.q is not None
    x = n.quant_channels(x, x.q)[0]
    y = n.activation(n.conv(x, 4, (2, 2), group=4))
    assert y.q is not None
    return n.conv(n.quant_channels(y, y.q)[0], 3, (2, 2))


def trunc_pool(n: Images, x: Image) -> Image:
    """Brevitas' TruncAvgPool: the average, back as a sum, of which bits are dropped."""
    x = n.activation(n.conv(x, 3, (3, 3)))
    q = x.q
    assert q is not None
    y = n.apply("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    if n.b.dialect == "qcdq":
        sums = n.b.op("Round", n.b.op("Div", y.name, n.b.const(q.scale / 4)))
        codes = n.b.op("Floor", n.b.op("Div", sums, n.b.const(4.0)))
        codes = n.b.op("Clip", codes, n.b.const(float(q.lo)), n.b.const(float(q.hi)))
        return n.conv(Image(n.b.op("Mul", codes, n.b.const(q.scale)), y.shape, q), 3, (2, 2))
    y = Image(n.b.op("Mul", y.name, n.b.const(4.0)), y.shape)
    tail = [n.b.const(v) for v in (q.scale, 0, q.bits + 2, q.bits)]
    name = n.b.op("Trunc", y.name, *tail, domain=n.b.domain, rounding_mode="FLOOR")
    return n.conv(Image(name, y.shape, q), 3, (2, 2))


def bipolar(n: Images, x: Image) -> Image:
    """Weights of +-1, activations of +-0.5; pads are 0, which is no code of theirs."""
    values = n.b.const(n.rng.uniform(-1, 1, (6, 2, 3, 3)), hint="w")
    weight = n.b.op("BipolarQuant", values, n.b.const(0.25), domain=n.b.domain)
    name = n.b.op("Conv", x.name, weight, kernel_shape=[3, 3], pads=[1] * 4)
    name = n.b.op("BipolarQuant", name, n.b.const(0.5), domain=n.b.domain)
    x = Image(name, (1, 6, *x.shape[2:]), Quantiser(2, 0.5))
    return n.conv(x, 3, (3, 3), pads=[1] * 4)
