"""Graphs to run a pass on, and the proof that it keeps the function."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.check import check
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph, MatMul, Tensor
from thresher.compiler.integer.passes.dead_code import dead_code
from thresher.compiler.integer.passes.driver import Pass
from thresher.compiler.integer.passes.rewrite import walk
from thresher.rtl.stepfunction import StepFunction
from zoo.integer_graphs import finish, random_codes

__all__ = [
    "EQUAL", "RISING", "applied", "by_channel", "cap", "capped", "kinds", "products",
    "same", "sizes", "two_layers",
]  # fmt: skip


Elementwise = Callable[[Builder, Tensor], Tensor]


def same(before: IntegerGraph, after: IntegerGraph, seed: int = 0, samples: int = 5) -> None:
    """Both are the same function, as far as these samples show."""
    check(after)
    codes = random_codes(before, np.random.default_rng(seed), samples)
    wanted = Golden(before).run(codes)
    left = {p.tensor.name for p in after.inputs}
    found = Golden(after).run({name: a for name, a in codes.items() if name in left})
    for name, value in wanted.items():
        shown = np.broadcast_to(found[name], value.shape)  # a graph without inputs left has N = 1
        np.testing.assert_array_equal(shown, value, name)


def applied(run: Pass, graph: IntegerGraph, samples: int = 5) -> IntegerGraph:
    """The pass's result without dead nodes, proven to be the same function."""
    check(graph)
    after = dead_code(run(graph))
    same(graph, after, samples=samples)
    return after


def kinds(graph: IntegerGraph) -> Counter[str]:
    return Counter(type(n).__name__ for n in walk(graph.block))


def products(run: Pass, graph: IntegerGraph) -> list[MatMul]:
    """The MatMuls of the pass's result, which is proven to be the same function."""
    after = applied(run, graph, 40)
    return [n for n in walk(after.block) if isinstance(n, MatMul)]


def sizes(run: Pass, graph: IntegerGraph) -> list[tuple[int, ...]]:
    return [m.weights.shape for m in products(run, graph)]


RISING = np.array([[1, 2, -1, 3], [2, -3, 1, 1], [-1, 1, 3, 2]])
"""Weights (3, 4) with neither equal nor zero columns."""


EQUAL = RISING[:, [0, 1, 0, 2]]

TABLE = np.array([[1, 2, 3], [2, 3, 4], [1, 2, 3]])


def cap(lo: int, hi: int) -> StepFunction:
    """0 to 5 from 0 on."""
    return StepFunction(lo, hi, np.arange(1, 6)[None], np.arange(6)[None])


def capped(b: Builder, x: Tensor) -> Tensor:
    return b.step(x, cap(x.lo, x.hi))


def two_layers(
    first: np.ndarray, second: np.ndarray, bias: np.ndarray | None = None,
    between: Elementwise = capped, outer: tuple[int, ...] = (1,),
) -> IntegerGraph:  # fmt: skip
    """x (*outer, K) -> MatMul -> what stands between -> MatMul -> output."""
    b = Builder()
    x = b.input((*outer, len(first)), -4, 4, name="x")
    y = between(b, b.matmul(x, first, bias, name="y"))
    return finish(b, [x], [b.matmul(y, second, np.arange(second.shape[1]))])


def by_channel(*channel: int) -> Elementwise:
    def between(b: Builder, x: Tensor) -> Tensor:
        function = StepFunction(x.lo, x.hi, TABLE, np.arange(4)[None])
        return b.step(x, function, np.array(channel))

    return between
