"""Recurrent models: one or more Scans around the cells of `zoo.cells`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from zoo.builder import QONNX, Arrays, Builder, Quantiser, ZooModel
from zoo.cells import CELLS, Cell, Style, state_quantisers

__all__ = ["draw", "recurrent"]

SYMBOLS = {"seq": "T", "batch": "B"}


@dataclass(frozen=True)
class Layout:
    """Where steps, batch and channels stand, and which of them are symbolic."""

    steps: int
    symbolic_seq: bool
    symbolic_batch: bool
    batch_first: str
    column: bool

    def sequence(self, channels: int) -> list[int | str]:
        """Shape of the graph's sequences."""
        t: int | str = SYMBOLS["seq"] if self.symbolic_seq else self.steps
        if self.column:
            return [t, channels, 1]
        return [self.batch, t, channels] if self.batch_first else [t, self.batch, channels]

    @property
    def batch(self) -> int | str:
        return SYMBOLS["batch"] if self.symbolic_batch else 1

    def state(self, channels: int) -> list[int | str]:
        return [channels, 1] if self.column else [self.batch, channels]

    def fixed(self, shape: Sequence[int | str]) -> tuple[int, ...]:
        """The shape with one sample's values for the symbols."""
        values = {SYMBOLS["seq"]: self.steps, SYMBOLS["batch"]: 1}
        return tuple(values[d] if isinstance(d, str) else d for d in shape)


def draw(rng: np.random.Generator, shape: tuple[int, ...], q: Quantiser) -> np.ndarray:
    """Values over a little more than the quantiser's range, a quarter of them on its ties."""
    span = rng.uniform(1.1 * (q.lo - 0.5), 1.1 * (q.hi + 0.5), shape)
    ties = np.floor(span) + 0.5
    return (np.where(rng.random(shape) < 0.25, ties, span) * np.float32(q.scale)).astype(np.float32)


def on_grid(rng: np.random.Generator, shape: tuple[int, ...], q: Quantiser) -> np.ndarray:
    codes = rng.integers(q.lo, q.hi, shape, endpoint=True).astype(np.float32)
    return codes * np.float32(q.scale)


def recurrent(
    name: str,
    cells: Sequence[str] = ("lstm",),
    *,
    bits: int = 6,
    weight_bits: int | None = None,
    hidden: int = 8,
    features: int = 5,
    steps: int = 6,
    pow2: bool = True,
    seed: int = 0,
    dialect: str = "qcdq",
    domain: str = QONNX,
    weights: str = "int8",
    per_channel: bool = False,
    capture: bool = False,
    bias: str = "float",
    matmul: str = "row",
    init: str = "zero",
    symbolic_seq: bool = False,
    symbolic_batch: bool = False,
    batch_first: str = "",
    direction: str = "forward",
    outputs: Sequence[str] = ("y", "h"),
    wide_state: bool = False,
    quantise_inside: bool = False,
    x_ratio: int = 1,
    narrow: bool = False,
    clip: bool = True,
    head: str = "",
) -> ZooModel:
    """A recurrent model.

    :param cells: keys of `CELLS`, stacked inside one Scan body.
    :param weights: "float", "int8" or "graph" (see `Builder.weight`).
    :param capture: weights and biases stand in the outer graph, not in the body.
    :param bias: "float" (off the accumulator's grid), "int32", or "none".
    :param matmul: "row" (x @ W), "transpose" (x @ W.T by a node), "gemm" or "column" (W @ x).
    :param init: the initial state: "zero", "const" (on its grid), "shape" (zeros by Shape and
        ConstantOfShape), "input" (a graph input and its quantiser) or "raw" (a graph input alone,
        given on the grid).
    :param batch_first: "", "transpose" (nodes) or "axis" (the Scan's axes are 1).
    :param direction: "forward", "reverse" or "both" (two Scans and a Concat).
    :param outputs: of "y" (all steps), and the final states "h", "c"; what is not asked for
        stays an unused output of the Scan.
    :param wide_state: c is carried as a sum of two quantised terms.
    :param quantise_inside: the input quantiser stands in the body.
    :param x_ratio: the input's scale in units of the hidden state's.
    :param narrow: activations, too, have a narrow range.
    :param clip: see `Builder`; without it `bits` must be 8.
    :param head: "" or a linear layer on the final h, and what follows: "linear" or "argmax".
    """
    style = Style(
        bits=bits,
        weight_bits=weight_bits or bits,
        hidden=hidden,
        features=features,
        pow2=pow2,
        weights=weights,
        per_channel=per_channel,
        bias=bias,
        matmul=matmul,
        wide_state=wide_state,
        x_ratio=x_ratio,
        narrow=narrow,
    )
    layout = Layout(steps, symbolic_seq, symbolic_batch, batch_first, matmul == "column")
    outer = Builder(dialect, domain=domain, clip=clip)
    net = Network(outer, style, layout, tuple(cells), np.random.default_rng(seed))
    net.capture, net.quantise_inside, net.init = capture, quantise_inside, init

    x = outer.input("x", layout.sequence(features))
    if not quantise_inside:
        x = outer.quant(x, style.x)
    if batch_first == "transpose":
        x = outer.op("Transpose", x, perm=[1, 0, 2])
    ways = {"forward": [0], "reverse": [1], "both": [0, 1]}[direction]
    scans = [net.scan(x, way, f"{name}_{'fr'[way]}_") for way in ways]
    net.finish(scans, outputs, head)

    quantisers = dict(net.drawn)

    def inputs(rng: np.random.Generator, n: int) -> Arrays:
        arrays = {"x": draw(rng, (n, *layout.fixed(layout.sequence(features))), style.x)}
        for key, q in quantisers.items():
            shape = (n, *layout.fixed(layout.state(hidden)))
            arrays[key] = (on_grid if init == "raw" else draw)(rng, shape, q)
        return arrays

    first_is_code = "y" in outputs or "h" in outputs
    return ZooModel(
        name,
        outer.model(name),
        inputs,
        steps if symbolic_seq else None,
        pow2,
        bits if first_is_code else None,
    )


@dataclass
class Network:
    """What `recurrent` builds up."""

    outer: Builder
    style: Style
    layout: Layout
    cells: tuple[str, ...]
    rng: np.random.Generator
    capture: bool = False
    quantise_inside: bool = False
    init: str = "zero"

    def __post_init__(self) -> None:
        self.drawn: dict[str, Quantiser] = {}  # graph inputs that are initial states

    def initial(self, x: str, name: str, q: Quantiser) -> str:
        """The tensor that a state starts from."""
        outer, shape = self.outer, self.layout.state(self.style.hidden)
        if self.init == "zero":
            return outer.const(np.zeros(self.layout.fixed(shape)), hint=name)
        if self.init == "const":
            return outer.const(on_grid(self.rng, self.layout.fixed(shape), q), hint=name)
        if self.init == "shape":
            axis = outer.const(1, np.int64, "axis")
            batch = outer.op(
                "Unsqueeze",
                outer.op("Gather", outer.op("Shape", x), axis),
                outer.const([0], np.int64, "axes"),
            )
            tail = outer.const([self.style.hidden], np.int64, "hidden")
            return outer.op("ConstantOfShape", outer.op("Concat", batch, tail, axis=0))
        self.drawn[name] = q
        outer.input(name, shape)
        return outer.quant(name, q) if self.init == "input" else name

    def scan(self, x: str, way: int, prefix: str) -> dict[str, str]:
        """One Scan over x; its outputs by name: y, and the last cell's final states."""
        body, style, layout = self.outer.child(prefix), self.style, self.layout
        states: list[tuple[str, str]] = []  # the initial tensor and the name in the body
        results: list[str] = []
        for number, kind in enumerate(self.cells):
            for state, q in state_quantisers(kind, style).items():
                label = f"{state}{number}" + ("_r" if way else "")
                inner = body.input(f"{prefix}{state}{number}", layout.state(style.hidden))
                states.append((self.initial(x, label, q), inner))
        value = body.input(f"{prefix}x", layout.state(style.features))
        if self.quantise_inside:
            value = body.quant(value, style.x)
        features, position = style.features, 0
        for kind in self.cells:
            count = len(state_quantisers(kind, style))
            weights = self.outer if self.capture else body
            cell = Cell(body, weights, style, features, self.rng)
            mine = [inner for _, inner in states[position : position + count]]
            results += CELLS[kind](cell, value, mine)
            value, features, position = results[position], style.hidden, position + count
        for result in results:
            body.output(result, layout.state(style.hidden))
        body.output(value, layout.state(style.hidden), f"{prefix}y")
        axis = int(layout.batch_first == "axis")
        names = self.outer.ops(
            "Scan",
            [start for start, _ in states] + [x],
            len(results) + 1,
            body=body.graph(f"{prefix}body"),
            num_scan_inputs=1,
            scan_input_directions=[way],
            scan_output_directions=[way],
            scan_input_axes=[axis],
            scan_output_axes=[axis],
        )
        last = state_quantisers(self.cells[-1], style)
        finals = dict(zip(last, names[-1 - len(last) : -1], strict=True))
        return {**finals, "y": names[-1]}

    def finish(self, scans: list[dict[str, str]], outputs: Sequence[str], head: str) -> None:
        """Graph outputs: the directions joined along channels, and the head."""
        outer, layout = self.outer, self.layout
        channels = self.style.hidden * len(scans)

        def joined(key: str) -> str:
            if len(scans) == 1:
                return scans[0][key]
            return outer.op("Concat", *[s[key] for s in scans], axis=-2 if layout.column else -1)

        for key in outputs:
            tensor = joined(key)
            if key == "y" and layout.batch_first == "transpose":
                tensor = outer.op("Transpose", tensor, perm=[1, 0, 2])
            shape = layout.sequence(channels) if key == "y" else layout.state(channels)
            outer.output(tensor, shape, key)
        if head:
            top = 2 ** (self.style.weight_bits - 1) - 1
            codes = self.rng.integers(-top, top, (channels, 4), endpoint=True)
            weight = outer.weight(codes, 0.125, self.style.weight_bits, "int8")
            logits = outer.op("MatMul", joined("h"), weight)
            if head == "linear":
                outer.output(logits, [layout.batch, 4], "logits")
            else:
                best = outer.op("ArgMax", logits, axis=-1, keepdims=0)
                outer.output(best, [layout.batch], "label", TensorProto.INT64)
