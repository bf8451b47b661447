"""Symbolic dimensions: which is the sequence, and what number does each stand for.

A symbol that reaches the scanned axis of a Scan is a sequence axis and takes `seq_len`; every other
symbol is the batch axis and is 1, because an accelerator computes one sample at a time.
"""

from dataclasses import replace

from thresher.compiler.errors import ModelError
from thresher.compiler.expr import ELEMENTWISE
from thresher.compiler.graph import Dim, Graph, Node

__all__ = ["fix_shapes"]

Axes = tuple[Dim, ...] | None
_SPATIAL = {"AveragePool", "Conv", "ConvTranspose", "MaxPool", "Resize"}
_SAME = ELEMENTWISE | {"Quantize", "Dequantize", "Trunc", "Cast", "Identity"}


def fix_shapes(graph: Graph, seq_len: int | None) -> tuple[Graph, dict[str, int]]:
    """The graph with every input dimension a number, and the number of each symbol.

    :raises ModelError: a sequence axis without `seq_len`, or `seq_len` without a sequence axis.
    """
    unnamed = 0
    inputs = []
    for i in graph.inputs:
        shape: list[Dim] = []
        for d in i.shape:
            unnamed += d == ""
            shape.append(f"?{unnamed}" if d == "" else d)
        inputs.append(replace(i, shape=tuple(shape)))
    known: dict[str, Axes] = {i.name: i.shape for i in inputs}
    sequences = _walk(graph, known)
    owner = {d: i.name for i in reversed(inputs) for d in i.shape if isinstance(d, str)}
    symbols = set(owner)
    scans = any(n.op == "Scan" for n in graph.nodes)
    if not sequences and len(symbols) > 1:
        first = next((i.shape[0] for i in inputs if i.shape and isinstance(i.shape[0], str)), None)
        if scans or first is None:
            raise ModelError(
                inputs[0].name,
                "input",
                f"cannot tell the batch from the sequence among symbolic axes {sorted(symbols)}",
                "fix all but one of them in the model",
            )
        sequences = symbols - {first}
    _check(sorted(sequences), owner, seq_len)
    numbers = {s: (seq_len or 1) if s in sequences else 1 for s in symbols}
    fixed = tuple(
        replace(i, shape=tuple(numbers[d] if isinstance(d, str) else d for d in i.shape))
        for i in inputs
    )
    return replace(graph, inputs=fixed), numbers


def _check(sequences: list[str], owner: dict[str, str], seq_len: int | None) -> None:
    if sequences and seq_len is None:
        symbol = sequences[0]
        shown = "unnamed" if symbol.startswith("?") else f"'{symbol}'"
        raise ModelError(
            owner[symbol],
            "input",
            f"its sequence axis ({shown}) is symbolic and hardware needs its length",
            "give --seq-len T",
        )
    if seq_len is not None and not sequences:
        raise ModelError(
            "graph",
            "Graph",
            "--seq-len is given but no symbolic axis reaches a Scan",
            "leave --seq-len out: the model fixes its sequence length",
        )


def _walk(graph: Graph, known: dict[str, Axes]) -> set[str]:
    """Symbols that reach a scanned axis; `known` gains the axes of every tensor followed."""
    found: set[str] = set()
    for name, array in graph.constants.items():
        known[name] = array.shape
    for node in graph.nodes:
        if node.op == "Scan":
            found |= _scan(node, known)
            continue
        axes = _axes(node, graph, known)
        for output in node.outputs:
            known[output] = axes
    return found


def _scan(node: Node, known: dict[str, Axes]) -> set[str]:
    body = node.attrs["body"]
    count = node.attrs["num_scan_inputs"]
    scan_axes = node.attrs["scan_input_axes"]
    assert isinstance(body, Graph)
    assert isinstance(count, int)
    assert isinstance(scan_axes, tuple)
    states = len(node.inputs) - count
    found: set[str] = set()
    inner = dict(known)
    length: Dim = ""
    for k, (name, port) in enumerate(zip(node.inputs, body.inputs, strict=True)):
        axes = known.get(name)
        if k >= states and axes is not None:
            axis = scan_axes[k - states] % len(axes)
            length = axes[axis]
            if isinstance(length, str):
                found.add(length)
            axes = axes[:axis] + axes[axis + 1 :]
        inner[port.name] = axes
    found |= _walk(body, inner)
    out_axes = node.attrs["scan_output_axes"]
    assert isinstance(out_axes, tuple)
    for k, (name, output) in enumerate(zip(body.outputs, node.outputs, strict=False)):
        axes = inner.get(name)
        if k >= states and axes is not None:
            axis = out_axes[k - states] % (len(axes) + 1)
            axes = (*axes[:axis], length, *axes[axis:])
        known[output] = axes
    return found


def _axes(node: Node, graph: Graph, known: dict[str, Axes]) -> Axes:
    shapes = [known.get(n) for n in node.inputs if n]
    if not shapes or shapes[0] is None:
        return None
    first = shapes[0]
    if node.op == "Transpose":
        perm = node.attrs.get("perm")
        order = perm if isinstance(perm, tuple) else tuple(reversed(range(len(first))))
        return tuple(first[k] for k in order)
    if node.op in ("Squeeze", "Unsqueeze"):
        return _squeezed(node, graph, first)
    if node.op == "MatMul":
        second = shapes[1] if len(shapes) > 1 else None
        if second is None or min(len(first), len(second)) < 2:
            return None
        lead = first[:-2] if len(first) >= len(second) else second[:-2]
        return (*lead, first[-2], second[-1])
    if node.op in ("Reshape", "Concat", "Split"):
        return _kept(node, graph, first)
    if node.op == "MultiThreshold":
        return first
    if node.op in _SPATIAL:
        return (first[0], 0, *first[2:])
    if node.op not in _SAME or any(s is None for s in shapes):
        return None
    return _broadcast([s for s in shapes if s is not None])


def _broadcast(shapes: list[tuple[Dim, ...]]) -> Axes:
    rank = max(len(s) for s in shapes)
    out: list[Dim] = [1] * rank
    for shape in shapes:
        for k, d in enumerate(shape, rank - len(shape)):
            out[k] = out[k] if d == 1 else d
    return tuple(out)


def _squeezed(node: Node, graph: Graph, first: tuple[Dim, ...]) -> Axes:
    axes = graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if axes is None:
        return None
    at = [int(a) for a in axes.reshape(-1)]
    if node.op == "Squeeze":
        gone = {a % len(first) for a in at}
        return tuple(d for k, d in enumerate(first) if k not in gone)
    rank = len(first) + len(at)
    new = {a % rank for a in at}
    rest = iter(first)
    return tuple(1 if k in new else next(rest) for k in range(rank))


def _kept(node: Node, graph: Graph, first: tuple[Dim, ...]) -> Axes:
    """Axes that an operator with an axis leaves alone keep their symbols; Reshape's 0 does too."""
    if node.op == "Reshape":
        shape = graph.constants.get(node.inputs[1])
        if shape is None:
            return None
        return tuple(
            first[k] if d == 0 and k < len(first) else int(d)
            for k, d in enumerate(shape.reshape(-1))
        )
    if node.op in ("Concat", "Split"):
        axis = int(str(node.attrs.get("axis", 0))) % len(first)
        return (*first[:axis], 0, *first[axis + 1 :])
    return None
