"""`model.json`: what `boards.host` must know of a compiled model, exact to the bit."""

from collections.abc import Mapping

import numpy as np

from thresher.boards.framing import axi_frames, serial_frames
from thresher.boards.host.frames import Frame
from thresher.boards.host.model import FORMAT
from thresher.boards.host.values import LEAF, OPERATORS, save_array
from thresher.compiler.expr import Apply, Constant, Expr, Leaf, constants, evaluate
from thresher.compiler.integer.ir import InputPort, OutputPort, Tensor
from thresher.compiler.schedule.design import TopPort
from thresher.gen.compiled import Compiled

__all__ = ["manifest"]

_TABLE_CODES = 1 << 16
_TABLE_VALUES = 1 << 20


def manifest(compiled: Compiled) -> dict[str, object]:
    """The manifest of a compiled model, for JSON.

    Functions at the edges are written as `boards.host.values` reads them: as an expression where
    NumPy computes all of it to the last bit; else, for outputs of at most 65,536 codes, as a table;
    else as the names of the operators that stand in the way.
    """
    design, graph = compiled.design, compiled.streamlined.graph
    tops = {p.io.tensor.name: p for p in design.inputs}
    results = {p.io.name: p for p in design.outputs if isinstance(p.io, OutputPort)}
    return {
        "format": FORMAT,
        "name": design.name,
        "model_sha256": compiled.model_sha256,
        "verilog_sha256": compiled.verilog_sha256,
        "clock_hz": round(compiled.options.mhz * 1e6),
        "samples_per_frame": design.samples,
        "cycles": {
            "latency": design.predicted.latency,
            "interval": design.predicted.interval,
        },
        "frames": {
            "serial": _frames(*serial_frames(design)),
            "axi": _frames(*axi_frames(design)),
        },
        "inputs": [_input(p, tops.get(p.tensor.name)) for p in graph.inputs],
        "outputs": [_output(o, results[o.name]) for o in graph.outputs],
    }


def _frames(taken: Frame, given: Frame) -> dict[str, object]:
    return {"input": _ports(taken), "result": _ports(given)}


def _ports(frame: Frame) -> list[dict[str, object]]:
    return [dict(vars(port)) for port in frame.ports]


def _input(port: InputPort, top: TopPort | None) -> dict[str, object]:
    return {
        "stream": top.name if top else None,
        "source": port.source,
        "dtype": port.dtype,
        "shape": list(port.shape),
        "order": None if port.order is None else list(port.order),
        "samples_axis": top.place if top else 0,
        "lo": port.tensor.lo,
        "hi": port.tensor.hi,
        "quantise": None if port.quantise is None else _expression(port.quantise),
        "exact": port.exact,
        "scale": None if port.scale is None else save_array(np.asarray(port.scale, np.float64)),
    }


def _output(port: OutputPort, top: TopPort) -> dict[str, object]:
    function = None
    if port.dequantise is not None:
        function = _expression(port.dequantise)
        if "unavailable" in function:
            function = _table(port.dequantise, port.tensor) or function
    return {
        "stream": top.name,
        "name": port.name,
        "dtype": port.dtype,
        "shape": list(port.shape),
        "order": None if port.order is None else list(port.order),
        "samples_axis": top.place,
        "lo": port.tensor.lo,
        "hi": port.tensor.hi,
        "dequantise": function,
    }


def _expression(expr: Expr) -> dict[str, object]:
    """The expression's nodes, arguments before what they are arguments of, shared ones once."""
    nodes: list[dict[str, object]] = []
    places: dict[int, int] = {}
    foreign: set[str] = set()

    def place(e: Expr) -> int:
        if id(e) not in places:
            node = written(e)
            places[id(e)] = len(nodes)
            nodes.append(node)
        return places[id(e)]

    def written(e: Expr) -> dict[str, object]:
        if isinstance(e, Leaf):
            return {LEAF: True}
        if isinstance(e, Constant):
            return {"constant": save_array(np.asarray(e.array))}
        if e.op not in OPERATORS:
            foreign.add(e.op)
        node: dict[str, object] = {"op": e.op, "args": [place(a) for a in e.args]}
        return node | ({"attrs": _attributes(e)} if e.attrs else {})

    place(expr)
    return {"unavailable": sorted(foreign)} if foreign else {"nodes": nodes}


def _attributes(e: Apply) -> Mapping[str, object]:
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in e.attrs.items()}


def _table(expr: Expr, tensor: Tensor) -> dict[str, object] | None:
    """The expression at every code, for each of the constants' channels; None where too large."""
    count, rank = tensor.hi - tensor.lo + 1, len(tensor.shape)
    channels = np.broadcast_shapes((1,) * rank, *(c.shape for c in constants(expr)))
    if count > _TABLE_CODES or count * int(np.prod(channels)) > _TABLE_VALUES:
        return None
    codes = np.arange(tensor.lo, tensor.hi + 1).reshape(-1, *(1,) * rank)
    values = evaluate(expr, np.broadcast_to(codes, (count, *channels)))
    return {"table": {"lo": tensor.lo, "values": save_array(values)}}
