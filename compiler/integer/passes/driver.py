"""All passes, to a fixed point."""

from collections.abc import Callable

from thresher.compiler.integer.check import IllegalGraphError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.passes.compose_steps import compose_steps
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.hoist import hoist
from thresher.compiler.integer.passes.interleave import interleave
from thresher.compiler.integer.passes.join_sums import join_sums
from thresher.compiler.integer.passes.merge_matmuls import merge_matmuls
from thresher.compiler.integer.passes.push_bias import push_bias
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.passes.sink_reshapes import sink_reshapes

__all__ = ["PASSES", "Pass", "optimise"]

Pass = Callable[[IntegerGraph], IntegerGraph]

# MatMuls merge before they leave the loop, so that they leave it as one scan input.
PASSES: tuple[Pass, ...] = (sink_reshapes, compose_steps, push_bias, merge_matmuls, hoist)

_MOST_ROUNDS = 20


def optimise(graph: IntegerGraph, *, join: bool = False) -> IntegerGraph:
    """The same function with less work, above all inside loops.

    :param join: sums of products in loops become one product, instead of leaving the loop in part.
    :raises IllegalGraphError: the passes do not come to rest: a defect of theirs.
    """
    graph = dead_code(graph)
    run: Pass
    if join:
        graph = dead_code(join_sums(dead_code(push_bias(dead_code(sink_reshapes(graph))))))
    for _ in range(_MOST_ROUNDS):
        before = _signature(graph)
        for run in PASSES:
            graph = dead_code(run(graph))
        if _signature(graph) == before:
            return dead_code(interleave(graph))
    raise IllegalGraphError(f"graph {graph.name!r}: passes do not come to rest")


def _signature(graph: IntegerGraph) -> list[tuple[object, ...]]:
    return [
        (type(n).__name__, tuple(x.shape for x in n.inputs), tuple(x.shape for x in n.outputs))
        for n in walk(graph.block)
    ]
