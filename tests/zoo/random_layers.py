"""What every random network is made with: its choices, activations, products and recurrence."""

import numpy as np

from zoo.builder import Builder
from zoo.cells import Style
from zoo.images import Image, Images
from zoo.recurrent import Layout, Network

__all__ = ["Grower"]

_CELLS = ("lstm", "lstm", "gru", "gru_before", "cifg", "rnn_tanh")
_MOST_FEATURES = 16  # of a recurrent layer or a dense one


class Grower:
    """Makes layers at random; a tensor with a grid (`Image.q`) may go into any of them."""

    def __init__(self, seed: int, dialect: str) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.b = Builder("qcdq" if dialect == "qcdq" else "qonnx")
        forms = ["int8", "float", "graph"] if dialect == "qcdq" else ["float", "graph"]
        self.net = Images(
            self.b, rng, bits=int(rng.integers(3, 7)), weights=forms[int(rng.integers(len(forms)))],
            finn=dialect == "finn",
        )  # fmt: skip
        self.dialect = dialect

    # -- choices

    def some(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def maybe(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def kernel(self, x: Image, most: int = 3) -> list[int]:
        return [self.some(1, min(most, d)) for d in x.shape[2:]]

    def each(self, x: Image, low: int, high: int) -> list[int]:
        return [self.some(low, high) for _ in x.shape[2:]]

    # -- behind sums

    def closed(self, x: Image) -> Image:
        """An activation with its quantiser; batch norm before or behind it, pooling, or neither."""
        if self.maybe(0.4):
            x = self.net.batch_norm(x)
        if self.maybe(0.2) and min(x.shape[2:]) > 1:
            x = self.net.apply("MaxPool", x, kernel_shape=[2] * (len(x.shape) - 2))
        op = ["Relu", "Relu", "", "Sigmoid", "Tanh", "LeakyRelu"][self.some(0, 5)]
        if self.maybe(0.2):
            return self.normalised(x, op)
        if op:
            return self.net.activation(x, op)
        return self.net.quant(x, self.net.quantiser(2.0))

    def normalised(self, x: Image, op: str) -> Image:
        """Batch norm behind the activation, which is quantised first where float32 would round."""
        if op == "Relu" and self.maybe(0.5):
            x = Image(self.b.op(op, x.name), x.shape)
        elif op:
            x = self.net.activation(x, op)
        return self.net.quant(self.net.batch_norm(x), self.net.quantiser(2.0))

    # -- products of rows, and sequences

    def dense(self, x: Image) -> Image | None:
        """Flatten, a product, and what comes of it as the channels of a small image."""
        if not 1 < np.prod(x.shape) <= 4 * _MOST_FEATURES:
            return None
        channels, size = self.some(1, 3), self.some(2, 4)
        made = self.net.linear(x, channels * size)
        shape = self.net.ints(1, channels, size)
        return self.closed(self.net.layout("Reshape", made, shape))

    def pointwise(self, x: Image) -> Image | None:
        """A matrix product over the channels, which stand last for it."""
        last = len(x.shape) - 1
        rows = self.net.layout("Transpose", x, perm=[0, *range(2, last + 1), 1])
        made = self.net.matmul(rows, self.some(1, 4))
        return self.closed(self.net.layout("Transpose", made, perm=[0, last, *range(1, last)]))

    def recur(self, x: Image) -> Image | None:
        """A recurrent layer over the rows; its hidden states are the channels of what it gives."""
        steps, features = x.shape[2], x.shape[1] * int(np.prod(x.shape[3:]))
        if steps < 2 or features > _MOST_FEATURES or x.q is None:
            return None
        rows = self.net.layout("Transpose", x, perm=[2, 0, 1, *range(3, len(x.shape))])
        rows = self.net.layout("Reshape", rows, self.net.ints(steps, 1, features))
        hidden, bits = self.some(1, 4), self.net.bits
        style = Style(
            bits=bits, weight_bits=bits, hidden=hidden, features=features,
            weights=self.net.weights, per_channel=self.maybe(0.3),
            bias=["none", "float", "int32"][self.some(0, 2)],
            matmul=["row", "transpose", "gemm"][self.some(0, 2)],
        )  # fmt: skip
        cell = _CELLS[self.some(0, len(_CELLS) - 1)]
        layout = Layout(steps, False, False, "", False)
        network = Network(self.b, style, layout, (cell,), self.rng)
        network.init = ["zero", "const"][self.some(0, 1)]
        ways = [[0], [0], [1], [0, 1]][self.some(0, 3)]
        found = [network.scan(rows.name, way, f"{self.b.fresh('scan')}_")["y"] for way in ways]
        name = found[0] if len(found) == 1 else self.b.op("Concat", *found, axis=2)
        y = Image(name, (steps, 1, hidden * len(ways)), style.io)
        return self.net.layout("Transpose", y, perm=[1, 2, 0])
