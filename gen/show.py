"""What the command line prints about its results."""

from pathlib import Path
from typing import TYPE_CHECKING

from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.utilisation import utilisation
from thresher.gen.compiled import TOP_NAME, Compiled
from thresher.rtl.binding import memory_style
from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.fanout import core
from thresher.rtl.mvau import MVAU

if TYPE_CHECKING:
    from thresher.gen.synth import DesignSynthesis

__all__ = ["compiled", "synthesised", "table"]


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def compiled(result: Compiled, out: Path) -> str:
    """After `thresher compile`."""
    design, mhz = result.design, result.options.mhz
    area = estimate(design)
    blocks = f"{area.bram18 / 2:g} BRAM36" + (f", {area.uram} URAM" if area.uram else "")
    kernels = ", ".join(
        f"{name} {folding['pe']}x{folding['simd']}"
        for name, folding in design.folding.items()
        if "pe" in folding
    )
    samples = f"{design.samples} samples that take turns"
    return table(
        [
            ("model", f"{design.name} ({len(design.kernels)} kernels)"),
            *([("frame", samples)] if design.samples > 1 else []),
            ("MVAU pe x simd", kernels or "none"),
            ("busy", _busy(design)),
            ("memories", _memories(design)),
            ("latency", _time(design.predicted.latency, mhz)),
            ("interval", _time(design.predicted.interval, mhz)),
            (
                "estimated (xc7)",
                f"{area.lut} LUT, {area.ff} FF, {area.dsp} DSP, {blocks}",
            ),
            ("written", f"{out / 'rtl' / (TOP_NAME + '.v')}"),
        ]
    )


def _busy(design: Design) -> str:
    """The kernels that multiply matrices, or else the busiest, with their utilisation."""
    shares = utilisation(design)
    found = [n for n, k in design.kernels.items() if isinstance(core(k), MVAU | BroadcastMVAU)]
    found = found or sorted(shares, key=lambda n: -shares[n])[:1]
    return ", ".join(f"{name} {shares[name]:.0%}" for name in found)


def _memories(design: Design) -> str:
    """Where the kernels' memories are, of every kernel that has a choice."""
    styles = {name: memory_style(kernel) for name, kernel in design.kernels.items()}
    found: dict[str, list[str]] = {}
    for name, style in styles.items():
        if style is not None:
            found.setdefault(style, []).append(name)
    return "; ".join(f"{style}: {', '.join(names)}" for style, names in found.items()) or "none"


def _time(cycles: int, mhz: float) -> str:
    return f"{cycles} cycles = {cycles / mhz:.2f} us at {mhz:g} MHz (predicted)"


def synthesised(result: Compiled, areas: "DesignSynthesis") -> str:
    """After `thresher synth`: sums over kernels and FIFOs, beside the board's capacity."""
    total, board = areas.total, result.options.board
    capacity = board.capacity if board else None
    rows = [("Yosys, xc7", "sum of all kernels and FIFOs")]
    for name, used, limit in (
        ("LUT", total.lut, capacity and capacity.lut),
        ("of them memory", total.lutram + total.srl, capacity and capacity.lutram),
        ("FF", total.ff, capacity and capacity.ff),
        ("DSP48E1", total.dsp, capacity and capacity.dsp),
        ("BRAM36", total.bram, capacity and capacity.bram36),
    ):
        share = f" of {limit} on {board.name} ({used / limit:.0%})" if board and limit else ""
        rows.append((name, f"{used:g}{share}"))
    if total.path_ns is not None:
        rows.append(("longest path", f"{total.path_ns:.2f} ns before routing, {total.depth} cells"))
    return table(rows)
