"""All passes, to a fixed point."""

from collections.abc import Callable

from thresher.compiler.integer.check import IllegalGraphError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.passes.absorb_orders import absorb_orders
from thresher.compiler.integer.passes.compose_steps import compose_steps
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.divide_products import divide_products
from thresher.compiler.integer.passes.hoist import hoist
from thresher.compiler.integer.passes.interleave import interleave
from thresher.compiler.integer.passes.join_sums import join_sums
from thresher.compiler.integer.passes.known_values import known_values
from thresher.compiler.integer.passes.merge_matmuls import merge_matmuls
from thresher.compiler.integer.passes.push_bias import push_bias
from thresher.compiler.integer.passes.rewrite import walk
from thresher.compiler.integer.passes.shrink_rows import shrink_rows
from thresher.compiler.integer.passes.sink_orders import sink_orders
from thresher.compiler.integer.passes.sink_reshapes import sink_reshapes

__all__ = ["PASSES", "Pass", "optimise"]

Pass = Callable[[IntegerGraph], IntegerGraph]

# Turned axes go where they cost nothing, before anything looks for what stands behind a product.
# Steps that divided products leave alike make equal rows. Rows leave before products merge, for
# slices fix a product's size. MatMuls merge before they leave the loop, so that they leave it as
# one scan input.
PASSES: tuple[Pass, ...] = (
    known_values, sink_reshapes, sink_orders, absorb_orders, compose_steps, push_bias,
    divide_products, shrink_rows, merge_matmuls, hoist,
)  # fmt: skip

_MOST_ROUNDS = 20


def optimise(graph: IntegerGraph, *, join: bool = False, shrink: bool = True) -> IntegerGraph:
    """The same function with less work, above all inside loops.

    :param join: sums of products in loops become one product, instead of leaving the loop in part.
    :param shrink: tensors may lose elements, and with them the divisors of their sizes.
    :raises IllegalGraphError: the passes do not come to rest: a defect of theirs.
    """
    graph = dead_code(graph)
    run: Pass
    passes = [run for run in PASSES if shrink or run is not shrink_rows]
    if join:
        graph = dead_code(join_sums(dead_code(push_bias(dead_code(sink_reshapes(graph))))))
    for _ in range(_MOST_ROUNDS):
        before = _signature(graph)
        for run in passes:
            graph = dead_code(run(graph))
        if _signature(graph) == before:
            return dead_code(interleave(graph))
    raise IllegalGraphError(f"graph {graph.name!r}: passes do not come to rest")


def _signature(graph: IntegerGraph) -> list[tuple[object, ...]]:
    return [
        (type(n).__name__, tuple(x.shape for x in n.inputs), tuple(x.shape for x in n.outputs))
        for n in walk(graph.block)
    ]
