"""Recurrent cells as nodes of a Scan body, with quantisers where Brevitas puts them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.builder import Builder, Quantiser, scale_for

__all__ = ["CELLS", "Cell", "Style", "state_quantisers"]


@dataclass(frozen=True)
class Style:
    """How a recurrent model is written; see `zoo.recurrent.recurrent` for each field."""

    bits: int = 6
    weight_bits: int = 6
    hidden: int = 8
    features: int = 5
    pow2: bool = True
    weights: str = "int8"
    per_channel: bool = False
    bias: str = "float"
    matmul: str = "row"
    wide_state: bool = False
    x_ratio: int = 1
    narrow: bool = False

    def quantiser(self, limit: float, signed: bool = True, wider: int = 0) -> Quantiser:
        bits = self.bits + wider
        scale = scale_for(limit, bits, self.pow2, signed)
        return Quantiser(bits, scale, signed, self.narrow)

    @property
    def io(self) -> Quantiser:
        """Of inputs (without `x_ratio`) and hidden states: one quantiser, one scale."""
        return self.quantiser(1.0)

    @property
    def x(self) -> Quantiser:
        """Of inputs: the same, or coarser by `x_ratio`."""
        return Quantiser(self.bits, self.io.scale * self.x_ratio, narrow=self.narrow)

    @property
    def acc(self) -> Quantiser:
        return self.quantiser(4.0)

    @property
    def sigmoid(self) -> Quantiser:
        return self.quantiser(1.0, signed=False)

    @property
    def tanh(self) -> Quantiser:
        return self.quantiser(1.0)

    @property
    def cell(self) -> Quantiser:
        """Of c and its two terms; half the range where their sum is carried as it is."""
        return self.quantiser(1.0 if self.wide_state else 2.0)


@dataclass
class Cell:
    """One cell in one body: `b` takes its nodes, `weights` (`b` or the outer graph) its weights."""

    b: Builder
    weights: Builder
    style: Style
    features: int
    rng: np.random.Generator

    def scale(self, gain: float) -> float | np.ndarray:
        """A weight scale with which accumulators spread over about +-4 * gain."""
        s = self.style
        top = 2 ** (s.weight_bits - 1) - 1
        spread = 0.45 * np.sqrt((self.features + s.hidden) * top * (top + 1) / 3)
        scale = scale_for(1.7 * gain / spread, 1, True) if s.pow2 else 1.6 * gain / spread
        if not s.per_channel:
            return scale
        step = 0.5 if s.pow2 else 0.83
        return scale * np.where(np.arange(s.hidden) % 3 == 0, step, 1.0)

    def bias(self, gain: float = 1.0) -> str:
        """About +-0.6 in multiples of the accumulator's unit, or of its eighth for a float bias."""
        s = self.style
        unit = np.asarray(np.float32(self.scale(gain)) * np.float32(s.io.scale))
        codes = self.rng.uniform(-0.6, 0.6, s.hidden) / unit
        codes = np.round(codes) if s.bias == "int32" else np.round(codes * 8) / 8
        return self.weights.bias(codes[:, None] if s.matmul == "column" else codes, unit, s.bias)

    def product(self, x: str, features: int, gain: float = 1.0, bias: bool = False) -> str:
        """x times a fresh weight matrix, plus a bias, written in the style's way."""
        s, w = self.style, self.weights
        bias = bias and s.bias != "none"
        top = 2 ** (s.weight_bits - 1) - 1
        codes = self.rng.integers(-top, top, (features, s.hidden), endpoint=True)
        if s.matmul == "row":
            tensor = w.weight(codes, self.scale(gain), s.weight_bits, s.weights, -1)
            y = self.b.op("MatMul", x, tensor)
        else:
            tensor = w.weight(codes.T, self.scale(gain), s.weight_bits, s.weights, 0)
            if s.matmul == "gemm":
                extra = [self.bias(gain)] if bias else []
                return self.b.op("Gemm", x, tensor, *extra, transB=1)
            if s.matmul == "column":
                y = self.b.op("MatMul", tensor, x)
            else:
                y = self.b.op("MatMul", x, w.op("Transpose", tensor, perm=[1, 0]))
        return self.b.op("Add", y, self.bias(gain)) if bias else y

    def total(self, x: str, h: str, gain: float = 1.0) -> str:
        """x W + h U + b: one accumulator; the bias last, but in both products of a Gemm."""
        gemm = self.style.matmul == "gemm"
        y = self.b.op(
            "Add",
            self.product(x, self.features, gain, bias=gemm),
            self.product(h, self.style.hidden, gain, bias=gemm),
        )
        if gemm or self.style.bias == "none":
            return y
        return self.b.op("Add", y, self.bias(gain))

    def gate(self, x: str, h: str) -> str:
        """Q_acc of the total."""
        return self.b.quant(self.total(x, h), self.style.acc)

    def sigmoid(self, x: str) -> str:
        return self.b.quant(self.b.op("Sigmoid", x), self.style.sigmoid)

    def tanh(self, x: str) -> str:
        return self.b.quant(self.b.op("Tanh", x), self.style.tanh)

    def mul(self, x: str, y: str, q: Quantiser) -> str:
        return self.b.quant(self.b.op("Mul", x, y), q)


def lstm(cell: Cell, x: str, states: Sequence[str], coupled: bool = False) -> list[str]:
    """States h, c; with `coupled` gates f = 1 - i (1 as the sigmoid's quantiser says it)."""
    h, c = states
    b, style = cell.b, cell.style
    i = cell.sigmoid(cell.gate(x, h))
    if coupled:
        one = b.quant(b.const(np.ones((1, 1)), hint="one"), style.sigmoid)
        f = b.op("Sub", one, i)
    else:
        f = cell.sigmoid(cell.gate(x, h))
    g = cell.tanh(cell.gate(x, h))
    o = cell.sigmoid(cell.gate(x, h))
    c = b.op("Add", cell.mul(f, c, style.cell), cell.mul(i, g, style.cell))
    if not style.wide_state:
        c = b.quant(c, style.cell)
    return [cell.mul(o, cell.tanh(c), style.io), c]


def cifg(cell: Cell, x: str, states: Sequence[str]) -> list[str]:
    """An LSTM with coupled input and forget gates."""
    return lstm(cell, x, states, coupled=True)


def gru(cell: Cell, x: str, states: Sequence[str], reset: str = "after") -> list[str]:
    """h = (1 - z) n + z h; `reset` after the hidden product (PyTorch) or before it (Cho et al.)."""
    (h,) = states
    b, style, features = cell.b, cell.style, cell.features
    r, z = cell.sigmoid(cell.gate(x, h)), cell.sigmoid(cell.gate(x, h))
    if reset == "before":
        n = cell.gate(x, cell.mul(r, h, style.io))
    else:
        hidden = b.quant(cell.product(h, style.hidden, bias=True), style.acc)
        given = b.quant(cell.product(x, features, bias=True), style.acc)
        n = b.quant(b.op("Add", given, cell.mul(r, hidden, style.acc)), style.acc)
    n = cell.tanh(n)
    rest = b.op("Sub", b.const(np.ones((1, 1)), hint="one"), z)
    if not style.pow2:  # 1 is on the grid of z only where the scale is 2^-k
        rest = b.quant(rest, style.sigmoid)
    total = b.op("Add", cell.mul(rest, n, style.io), cell.mul(z, h, style.io))
    return [b.quant(total, style.io)]


def gru_before(cell: Cell, x: str, states: Sequence[str]) -> list[str]:
    """A GRU that resets h before the hidden product."""
    return gru(cell, x, states, reset="before")


def rnn_tanh(cell: Cell, x: str, states: Sequence[str]) -> list[str]:
    """h = tanh(x W + h U + b), with no quantiser between accumulator and tanh."""
    total = cell.total(x, states[0], gain=0.6)
    return [cell.b.quant(cell.b.op("Tanh", total), cell.style.io)]


def rnn_relu(cell: Cell, x: str, states: Sequence[str]) -> list[str]:
    """h = relu(x W + h U + b), with weights small enough to stay in range."""
    total = cell.total(x, states[0], gain=0.35)
    return [cell.b.quant(cell.b.op("Relu", total), cell.style.io)]


Step = Callable[[Cell, str, Sequence[str]], list[str]]

CELLS: dict[str, Step] = {
    "lstm": lstm,
    "cifg": cifg,
    "gru": gru,
    "gru_before": gru_before,
    "rnn_tanh": rnn_tanh,
    "rnn_relu": rnn_relu,
}


def state_quantisers(kind: str, style: Style) -> dict[str, Quantiser]:
    """The states of a cell and the grid each lives on; the first is the cell's output."""
    return {"h": style.io, "c": style.cell} if kind in ("lstm", "cifg") else {"h": style.io}
