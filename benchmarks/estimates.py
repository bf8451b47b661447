"""Area estimates beside Yosys: kernels of every kind, drawn over their parameters.

    python benchmarks/estimates.py [--seed N] [NAME ...]

The kernels are those of `tests/rtl/areacases.py`. DSP blocks and block RAMs must be Yosys's
exactly; the relative errors of LUTs and FFs are given, and their medians over all kernels. LUTs
include those used as memory or shift register.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "rtl"))

from areacases import area_cases  # noqa: E402
from figures import Figure  # noqa: E402

from thresher.gen.synth import SynthResult, synthesise_all  # noqa: E402
from thresher.rtl.kernel import Kernel, Resources  # noqa: E402

__all__ = ["Comparison", "compare", "figures", "main"]


@dataclass(frozen=True)
class Comparison:
    """An estimate and what Yosys makes of the kernel."""

    estimate: Resources
    found: SynthResult

    @property
    def bram18(self) -> int:
        """Yosys's block RAMs, in halves of a RAMB36."""
        return self.found.bram18 + 2 * self.found.bram36

    @property
    def dsp_exact(self) -> bool:
        """The DSP blocks are Yosys's."""
        return self.estimate.dsp == self.found.dsp

    @property
    def bram_exact(self) -> bool:
        """The block RAMs are Yosys's."""
        return self.estimate.bram18 == self.bram18

    @property
    def lut_error(self) -> float:
        """Relative, with its sign."""
        return (self.estimate.lut - self.found.lut) / max(1, self.found.lut)

    @property
    def ff_error(self) -> float:
        """Relative, with its sign."""
        return (self.estimate.ff - self.found.ff) / max(1, self.found.ff)


def compare(kernels: Mapping[str, Kernel]) -> dict[str, Comparison]:
    """Every kernel's comparison."""
    found = synthesise_all(kernels)
    return {name: Comparison(kernel.resources(), found[name]) for name, kernel in kernels.items()}


def figures() -> list[Figure]:
    """The whole list: exact counts and median errors."""
    found = list(compare(area_cases()).values())
    count = len(found)
    rows: list[tuple[str, str, str, float, str, bool]] = []
    for key, what, exact in (
        ("E-dsp", "DSP", sum(c.dsp_exact for c in found)),
        ("E-bram", "BRAM", sum(c.bram_exact for c in found)),
    ):
        rows.append((key, f"kernels whose estimated {what} is Yosys's", f"all {count}", exact,
                     f"of {count}", exact == count))  # fmt: skip
    for key, what, error in (
        ("E-lut", "LUT", median(abs(c.lut_error) for c in found)),
        ("E-ff", "FF", median(abs(c.ff_error) for c in found)),
    ):
        rows.append((key, f"median error of estimated {what} over {count} kernels", "<= 10",
                     round(100 * error, 1), "%", error <= 0.1))  # fmt: skip
    return [
        Figure(key, what, target, measured, unit, "", "", met)
        for key, what, target, measured, unit, met in rows
    ]


def main() -> None:
    """Print the kernels one by one, then the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="kernels whose name begins so; default all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cases = {
        name: kernel
        for name, kernel in area_cases(options.seed).items()
        if not options.names or name.startswith(tuple(options.names))
    }
    found = compare(cases)
    print(f"{'estimated / by Yosys':24}{'LUT':>16}{'':7}{'FF':>12}{'':7}{'DSP':>8}{'RAMB18':>8}")
    for name, c in found.items():
        e, y = c.estimate, c.found
        wrong = "" if c.dsp_exact and c.bram_exact else "  wrong"
        print(
            f"{name:24}{e.lut:8} /{y.lut:6}{c.lut_error:+7.0%}{e.ff:6} /{y.ff:5}{c.ff_error:+7.0%}"
            f"{e.dsp:5} /{y.dsp:3}{e.bram18:4} /{c.bram18:3}{wrong}"
        )
    luts, ffs = ([abs(getattr(c, k)) for c in found.values()] for k in ("lut_error", "ff_error"))
    print(f"{len(found)} kernels, median error: LUT {median(luts):.1%}, FF {median(ffs):.1%}")


if __name__ == "__main__":
    main()
