"""Where the FIFOs between kernels have their memories, once their depths are known.

It changes no cycle, and leaves alone the FIFOs of which the folding tells it. The others start in
LUTRAM; then, those first for which a block saves most LUTs,

1. FIFOs whose LUTs cost more than their blocks (`prefer_lutram`) go to block RAM,
2. and where LUTs are still too many, others too,

as long as block RAMs are left; where none are, to UltraRAM, if there is some.
"""

from collections.abc import Mapping
from dataclasses import replace

from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import estimate, links
from thresher.rtl.binding import memory_styles, with_memory
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Resources

__all__ = ["bound_fifos"]


def bound_fifos(design: Design, limits: Mapping[str, int]) -> Design:
    """The design with its FIFOs' memories where the limits (keys as `Resources`) allow."""
    fifos = {
        n.name: n.fifo for n in links(design) if isinstance(n.fifo, Fifo) and memory_styles(n.fifo)
    }
    if not fifos:
        return design
    used, chosen = estimate(design), dict(design.fifo_memory)
    by_saving = sorted(fifos, key=lambda n: (-_saved(fifos[n]), n))
    for case in (1, 2):
        for name in by_saving:
            wanted = _costly(fifos[name]) if case == 1 else _over(used, limits)
            if name in chosen or not wanted:
                continue
            for style in ("block", "ultra"):
                trial = _moved(used, fifos[name], style)
                if _room(trial, limits, style):
                    chosen[name], used = style, trial
                    break
    return replace(design, fifo_memory=chosen)


def _costly(fifo: Fifo) -> bool:
    """Case 1."""
    return replace(fifo, memory="auto").bound == "block"


def _over(used: Resources, limits: Mapping[str, int]) -> bool:
    """Case 2."""
    return any(getattr(used, n) > limits[n] for n in ("lut", "lutram") if n in limits)


def _saved(fifo: Fifo) -> int:
    """LUTs that block RAM saves for each of its RAMB18."""
    there = with_memory(fifo, "block").resources()
    return (fifo.resources().lut - there.lut) // max(1, there.bram18)


def _moved(used: Resources, fifo: Fifo, style: str) -> Resources:
    """What is used with this FIFO elsewhere."""
    before, after = fifo.resources(), with_memory(fifo, style).resources()
    change = {
        name: getattr(used, name) - getattr(before, name) + getattr(after, name)
        for name in vars(used)
    }
    return Resources(**change)


def _room(used: Resources, limits: Mapping[str, int], style: str) -> bool:
    """Whether these many are there; nobody without a board has UltraRAM."""
    if style == "ultra":
        return used.uram <= limits.get("uram", 0)
    return used.bram18 <= limits.get("bram18", used.bram18)
