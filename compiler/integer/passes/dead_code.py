"""Remove what no output depends on.

1. A node none of whose outputs is read.
2. A loop's state whose final nobody wants and whose value nothing but its own update needs; a
   final and a scan output that nobody reads; a scan input that the body does not read.
3. An input port that is not read.
"""

from dataclasses import replace

from thresher.compiler.integer.ir import ArgMax, Block, IntegerGraph, Loop, Tensor

__all__ = ["dead_code"]


def dead_code(graph: IntegerGraph) -> IntegerGraph:
    """The graph without what its outputs do not need."""
    live = {o.tensor.name for o in graph.outputs}
    block = _block(graph.block, live)
    inputs = tuple(p for p in graph.inputs if p.tensor.name in live)
    return replace(graph, inputs=inputs, block=block)


def _block(block: Block, live: set[str]) -> Block:
    """The block's live nodes; `live` names the tensors read after it, then all that are read."""
    kept = []
    for node in reversed(block.nodes):
        if not live & {x.name for x in node.outputs}:
            continue
        if isinstance(node, Loop):
            node = _loop(node, live)
        elif isinstance(node, ArgMax) and node.value is not None and node.value.name not in live:
            node = replace(node, value=None)
        live.update(x.name for x in node.inputs)
        kept.append(node)
    return Block(tuple(reversed(kept)))


def _loop(node: Loop, live: set[str]) -> Loop:
    outputs = tuple(s for s in node.scan_outputs if s.outer.name in live)
    kept = [s for s in node.states if s.final is not None and s.final.name in live]
    while True:
        inside = {s.inner.name for s in outputs} | {s.update.name for s in kept}
        body = _block(node.body, inside)
        more = [s for s in node.states if s.inner.name in inside and s not in kept]
        if not more:
            break
        kept += more
    states = tuple(
        replace(s, final=_wanted(s.final, live)) for s in node.states if s in kept
    )  # fmt: skip
    scans = tuple(s for s in node.scans if s.inner.name in inside)
    return replace(node, scans=scans, states=states, body=body, scan_outputs=outputs)


def _wanted(x: Tensor | None, live: set[str]) -> Tensor | None:
    return x if x is not None and x.name in live else None
