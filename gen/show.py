"""What the command line prints about its results."""

from pathlib import Path
from typing import TYPE_CHECKING

from thresher.compiler.schedule.links import estimate
from thresher.gen.compiled import TOP_NAME, Compiled

if TYPE_CHECKING:
    from thresher.gen.synth import DesignSynthesis
    from thresher.sim.verify import Verification

__all__ = ["compiled", "synthesised", "table", "verified"]

_SHOWN_DIFFERENCES = 3


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def compiled(result: Compiled, out: Path) -> str:
    """After `thresher compile`."""
    design, mhz = result.design, result.options.mhz
    area = estimate(design)
    kernels = ", ".join(
        f"{name} {'x'.join(str(v) for v in folding.values())}"
        for name, folding in design.folding.items()
        if "pe" in folding
    )
    return table(
        [
            ("model", f"{design.name} ({len(design.kernels)} kernels)"),
            ("MVAU pe x simd", kernels or "none"),
            ("latency", _time(design.predicted.latency, mhz)),
            ("interval", _time(design.predicted.interval, mhz)),
            (
                "estimated (xc7)",
                f"{area.lut} LUT, {area.ff} FF, {area.dsp} DSP, {area.bram18 / 2:g} BRAM36",
            ),
            ("written", f"{out / 'rtl' / (TOP_NAME + '.v')}"),
        ]
    )


def _time(cycles: int, mhz: float) -> str:
    return f"{cycles} cycles = {cycles / mhz:.2f} us at {mhz:g} MHz (predicted)"


def verified(result: Compiled, outcome: "Verification") -> str:
    """After `thresher verify`."""
    equality, predicted = outcome.equality, result.design.predicted
    rows = [
        ("samples", str(outcome.samples)),
        (
            f"golden vs {equality.engine}",
            f"{equality.differing} differ, {equality.unexplained} unexplained",
        ),
    ]
    rows += [("", str(d)) for d in equality.differences[:_SHOWN_DIFFERENCES]]
    with_stalls = ", with and without stalls" if outcome.stalled else ""
    rtl = f"RTL ({outcome.engine}) vs golden"
    rows.append((rtl, f"{outcome.mismatches} mismatches{with_stalls}"))
    if outcome.first is not None:
        rows.append(("", str(outcome.first)))
    rows.append(("latency", f"{outcome.latency} cycles simulated, {predicted.latency} predicted"))
    if outcome.interval is not None:
        rows.append(
            ("interval", f"{outcome.interval} cycles simulated, {predicted.interval} predicted")
        )
    agree = "every frame as predicted" if outcome.cycles_agree else "NOT as predicted"
    rows.append(("cycles", agree))
    rows.append(("verdict", "PASSED" if outcome.passed else "FAILED"))
    return table(rows)


def synthesised(result: Compiled, areas: "DesignSynthesis") -> str:
    """After `thresher synth`."""
    raise NotImplementedError
