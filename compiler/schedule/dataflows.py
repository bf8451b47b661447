"""The two ways to build a product: reduce and broadcast."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from thresher.compiler.integer import ir
from thresher.compiler.schedule.patterns import divisors
from thresher.compiler.schedule.requests import Request
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU

__all__ = ["products", "reduce_mvau", "with_broadcast"]


def reduce_mvau(node: ir.MatMul, pe: int, simd: int) -> Kernel:
    """`simd` inputs a cycle into `pe` adder trees."""
    return MVAU(
        weights=node.weights, bias=node.bias, pe=pe, simd=simd,
        i_lo=node.x.lo, i_hi=node.x.hi,
    )  # fmt: skip


def broadcast_mvau(node: ir.MatMul, rows: int, lanes: int) -> Kernel:
    """One input a cycle into `rows` accumulators."""
    return BroadcastMVAU(
        weights=node.weights, bias=node.bias, rows=rows, lanes=lanes,
        i_lo=node.x.lo, i_hi=node.x.hi,
    )  # fmt: skip


def with_broadcast(request: Request, node: ir.MatMul) -> Request:
    """The request, with the broadcast dataflow where weights and sums fit a multiplier."""
    k, n = node.weights.shape

    def make(**folding: int) -> Kernel:
        build = partial(broadcast_mvau if "rows" in folding else reduce_mvau, node)
        return build(**folding)

    def cycles(folding: Mapping[str, int]) -> int:
        if "rows" in folding:
            rows, lanes = folding["rows"], folding["lanes"]
            return n // rows * max(k, rows // lanes)
        return (n // folding["pe"]) * (k // folding["simd"])

    try:
        make(rows=1, lanes=1)
    except ValueError:
        return replace(request, make=make, cycles=cycles)
    broadcast = {"rows": divisors(n), "lanes": divisors(n)}
    return replace(
        request, dataflows=(*request.dataflows, broadcast), make=make, cycles=cycles,
        fits=lambda folding: "rows" not in folding or folding["rows"] % folding["lanes"] == 0,
    )  # fmt: skip


def products(folding: Mapping[str, int]) -> int:
    """Products a cycle of a kernel with this folding; 0 where it is not an MVAU."""
    return folding.get("rows", folding.get("pe", 0) * folding.get("simd", 0))
