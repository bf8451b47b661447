"""Scan, in the form that opset 9 gave it: states, scan inputs, and every attribute written out.

The body becomes a `Graph`. With N = inputs - num_scan_inputs states:

- body inputs: N states, then one slice of each scan input;
- body outputs: N next states, then one slice of each scan output;
- node outputs: N last states, then the scan outputs; "" where nobody uses one.
"""

import onnx

from thresher.compiler.importer.rules import standard
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["lower_scan"]


@standard("Scan")
def lower_scan(call: Call, scope: Scope) -> None:
    """Lower a Scan and its body."""
    if call.opset < 9:
        rule = "the batched Scan of opset 8 is unsupported"
        raise call.error(rule, "export with opset 9 or later")
    body, count = call.attrs["body"], call.attrs["num_scan_inputs"]
    assert isinstance(body, onnx.GraphProto)
    assert isinstance(count, int)
    states = len(call.inputs) - count
    scans = len(body.output) - states
    _check_counts(call, body, count, states)
    attrs = {
        "num_scan_inputs": count,
        "scan_input_axes": _full(call, "scan_input_axes", count),
        "scan_input_directions": _directions(call, "scan_input_directions", count),
        "scan_output_axes": _full(call, "scan_output_axes", scans),
        "scan_output_directions": _directions(call, "scan_output_directions", scans),
    }
    ranks = [scope.rank(name) for name in call.inputs]
    sliced = [None if rank is None else rank - 1 for rank in ranks[states:]]
    graph, body_ranks = scope.subgraph(body, call, scope, [*ranks[:states], *sliced])
    outputs = scope.outputs(call) + ("",) * (len(body.output) - len(call.outputs))
    for position, rank in enumerate(body_ranks):
        if outputs[position] and rank is not None:
            scope.ranks[outputs[position]] = rank + (position >= states)
    scope.emit("Scan", call.name, call.inputs, outputs, {"body": graph, **attrs})


def _check_counts(call: Call, body: onnx.GraphProto, count: int, states: int) -> None:
    remedy = "export the model again"
    if not 1 <= count <= len(call.inputs):
        rule = f"num_scan_inputs must be 1 to {len(call.inputs)}, not {count}"
        raise call.error(rule, remedy)
    if len(body.input) != len(call.inputs):
        rule = f"body must have {len(call.inputs)} inputs, not {len(body.input)}"
        raise call.error(rule, remedy)
    if len(body.output) < max(states, len(call.outputs)):
        wanted = max(states, len(call.outputs))
        rule = f"body must have at least {wanted} outputs, not {len(body.output)}"
        raise call.error(rule, remedy)


def _full(call: Call, name: str, length: int) -> tuple[int, ...]:
    values = call.attrs.get(name, ()) or (0,) * length
    assert isinstance(values, tuple)
    if len(values) != length:
        rule = f"{name} must have {length} entries, not {len(values)}"
        raise call.error(rule, "export the model again")
    return values


def _directions(call: Call, name: str, length: int) -> tuple[int, ...]:
    values = _full(call, name, length)
    if set(values) - {0, 1}:
        raise call.error(f"{name} must be 0 or 1, not {values}", "export the model again")
    return values
