"""The two ways to build a product: reduce and broadcast."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from thresher.compiler.integer import ir
from thresher.compiler.schedule.patterns import divisors
from thresher.compiler.schedule.requests import Dataflow, Request
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.kernel import Kernel
from thresher.rtl.mvau import MVAU
from thresher.rtl.packedproducts import most_packed

__all__ = ["products", "reduce_mvau", "with_broadcast", "with_luts"]


def reduce_mvau(
    node: ir.MatMul | ir.GroupedMatMul, pe: int, simd: int, lut: int = 0, pack: int = 1
) -> Kernel:
    """`simd` inputs a cycle into `pe` adder trees.

    :param lut: no product is in a DSP.
    :param pack: trees that share DSPs at most.
    """
    weights, groups = node.weights, 1
    if isinstance(node, ir.GroupedMatMul):
        groups, k, _ = weights.shape
        weights = weights.swapaxes(0, 1).reshape(k, -1)
    return MVAU(
        weights=weights, bias=node.bias, pe=pe, simd=simd, groups=groups,
        i_lo=node.x.lo, i_hi=node.x.hi, multiplier="lut" if lut else "dsp", pack=pack,
    )  # fmt: skip


def broadcast_mvau(node: ir.MatMul, rows: int, lanes: int, lut: int = 0) -> Kernel:
    """One input a cycle into `rows` accumulators, `lut` beats of them without a DSP."""
    return BroadcastMVAU(
        weights=node.weights, bias=node.bias, rows=rows, lanes=lanes,
        i_lo=node.x.lo, i_hi=node.x.hi, lut_groups=lut,
    )  # fmt: skip


def _reduce_flows(allowed: Dataflow, node: ir.MatMul | ir.GroupedMatMul) -> tuple[Dataflow, ...]:
    """With products in DSPs, in LUTs, and as many in a DSP as any weights of the node may be."""
    flows = (allowed, {**allowed, "lut": (1,)})
    most = most_packed(node.weights, node.x.lo, node.x.hi)
    return (*flows, {**allowed, "pack": (most,)}) if most > 1 else flows


def _unpacked(node: ir.MatMul | ir.GroupedMatMul, folding: Mapping[str, int]) -> str:
    """Why a folding cannot have several products in a DSP; "" where it can, or need not."""
    if "pack" not in folding:
        return ""
    try:
        reduce_mvau(node, **folding)
    except ValueError as e:
        return f"pack must be left out, for {str(e).partition(': ')[2]}"
    return ""


def with_luts(request: Request, node: ir.GroupedMatMul) -> Request:
    """The request of a grouped product, whose products may share DSPs or be built from LUTs."""
    groups, k, n = node.weights.shape

    def cycles(folding: Mapping[str, int]) -> int:
        return groups * (n // folding["pe"]) * (k // folding["simd"])

    flows, broken = _reduce_flows(request.allowed, node), partial(_unpacked, node)
    return replace(request, dataflows=flows, cycles=cycles, broken=broken)


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

    def broken(folding: Mapping[str, int]) -> str:
        return _broken(folding) or _unpacked(node, folding)

    flows = _reduce_flows(request.allowed, node)
    request = replace(request, make=make, cycles=cycles, broken=broken)
    try:
        make(rows=1, lanes=1)
    except ValueError:
        return replace(request, dataflows=flows)
    broadcast = {"rows": divisors(n), "lanes": divisors(n)}
    powers = {1 << bit for bit in range(n.bit_length())}
    flows += (broadcast, {**broadcast, "lut": tuple(sorted(powers | {*divisors(n)}))})
    made = replace(request, dataflows=flows)
    pairs = {
        (rows, lanes) for rows in divisors(n) for lanes in _lanes(made, rows, divisors(rows), k, n)
    }

    def searched(folding: Mapping[str, int]) -> bool:
        return "rows" not in folding or (folding["rows"], folding["lanes"]) in pairs

    return replace(made, searched=searched)


def _lanes(request: Request, rows: int, allowed: Collection[int], k: int, n: int) -> set[int]:
    """Output lanes that a broadcast of so many rows is searched with.

    More lanes than needed make wide streams, FIFOs and converters behind, which the kernel's own
    area does not show. So of lanes that take as few DSPs and cycles as others the fewest are
    searched; inside a loop only of those that give at most a beat for each of the K inputs, where
    there are any, for a step waits for all of them.
    """
    prompt = {lanes for lanes in allowed if not request.inner or n // lanes <= k}
    found: dict[int, tuple[int, int]] = {}
    for lanes in sorted(prompt or allowed):
        assert request.cycles is not None
        folding = {"rows": rows, "lanes": lanes}
        here = request.cycles(folding), request.kernel(folding).resources().dsp
        if not any(a <= here[0] and b <= here[1] for a, b in found.values()):
            found[lanes] = here
    return set(found)


def _broken(folding: Mapping[str, int]) -> str:
    """The rule that a folding breaks; "" where none."""
    if "rows" not in folding:
        return ""
    groups, rest = divmod(folding["rows"], folding["lanes"])
    if rest:
        return "lanes must divide rows"
    lut = folding.get("lut", groups)
    if lut > groups or (lut < groups and lut & (lut - 1)):
        return f"lut must be rows / lanes = {groups} or a power of two below"
    return ""


def products(folding: Mapping[str, int]) -> int:
    """Products a cycle of a kernel with this folding; 0 where it is not an MVAU."""
    return folding.get("rows", folding.get("pe", 0) * folding.get("simd", 0))
