"""The imported model: ONNX brought to one small vocabulary, dialects gone, floats still there.

`Graph` is what `thresher.compiler.importer` makes and `thresher.compiler.streamline` eats.
Operators keep their ONNX names and meaning where ONNX has them; these are our own:

| op | inputs | attributes | meaning |
|---|---|---|---|
| Quantize | x, scale | lo, hi, clip_first, rounding | codes clip(round(x / scale), lo, hi) |
| Dequantize | codes, scale | | codes * scale |
| MultiThreshold | x, thresholds (C or 1, K) | data_layout | #{k : thresholds[c, k] <= x} |
| Trunc | x, scale, divisor | lo, hi, rounding | codes round(round(x / scale) / divisor), clipped |
| Sign | x | | BipolarQuant's codes: +1 where x >= 0, else -1 |
| Signum | x | | ONNX's Sign: -1, 0 or +1 |

Codes are held as floats. `clip_first` is QONNX's order (clip, then round); rounding is a name of
`thresher.compiler.importer.ROUNDING`: "ROUND" (half to even), "FLOOR", "CEIL", "DOWN" (towards
zero), ... Trunc's lo and hi are None where it does not clip. Identity is left only where an output
of the outermost graph renames a tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Dim", "Graph", "GraphInput", "Node"]

Dim = int | str


@dataclass(frozen=True)
class GraphInput:
    """One input of the model (or of a Scan body).

    :param shape: one entry a dimension: an int, or the symbol of a symbolic dimension
        ("" where it has no name); empty for Scan bodies, whose shapes come from outside.
    :param dtype: NumPy's name of the element type ("float32", "int8", "uint8", ...).
    :param integer: the (lo, hi) interval where the model itself says the input is integer: by
        an integer element type, or by a FINN datatype annotation on a float tensor.
    """

    name: str
    shape: tuple[Dim, ...] = ()
    dtype: str = "float32"
    integer: tuple[int, int] | None = None


@dataclass(frozen=True)
class Node:
    """One operator; `inputs` holds "" where an optional input is absent."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; `constants` holds initializers as NumPy arrays.

    A Scan body is a `Graph` in the node's attribute `body`; names that it does not define are
    captured from the enclosing graph.

    :param output_dtypes: NumPy's name of each output's element type, "" where the model does not
        say.
    """

    name: str
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    output_dtypes: tuple[str, ...] = ()
