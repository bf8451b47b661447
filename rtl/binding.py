"""Where a kernel's memory is, where it may be, and the kernel with its memory elsewhere.

| style | what it is | for |
|---|---|---|
| "logic" | LUTs as a table of constants | weights, thresholds, tables, constants |
| "lutram" | LUTs as memory | reorder and line buffers, FIFOs, repeated rows |
| "block" | block RAM | both |
| "ultra" | UltraRAM, which cannot hold anything from the start | as above |

"auto" comes to LUTs where these, a RAMB18 counted as 128 of them, are no more than the blocks.
"""

from dataclasses import replace

from thresher.rtl.broadcast import BroadcastMVAU
from thresher.rtl.elementwise import Elementwise
from thresher.rtl.fanout import core
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel
from thresher.rtl.lutram import RAMS
from thresher.rtl.mvau import MVAU
from thresher.rtl.reorder import Reorder
from thresher.rtl.repeat import Repeat
from thresher.rtl.rom import MEMORIES
from thresher.rtl.step import Step
from thresher.rtl.window import Window

__all__ = ["memory_style", "memory_styles", "with_memory"]

_BOUND = Reorder | Window | Repeat | Fifo | MVAU | BroadcastMVAU | Step | Elementwise
_CONSTANT, _WRITTEN = MEMORIES[1:], RAMS[1:]  # what "auto" may come to


def memory_styles(kernel: Kernel) -> tuple[str, ...]:
    """The styles that the kernel's memory may have; none where it has no memory, or no choice."""
    kernel = core(kernel)
    held = isinstance(kernel, Repeat | Fifo) and kernel.in_memory
    if held or isinstance(kernel, Reorder | Window):
        return _WRITTEN
    if isinstance(kernel, MVAU):
        return _CONSTANT if kernel.folds > 1 else ()
    if isinstance(kernel, BroadcastMVAU):
        return _CONSTANT if kernel.plan.depth > 1 else ()
    if not isinstance(kernel, Step | Elementwise):
        return ()
    return _CONSTANT if replace(kernel, memory="block").resources().bram18 else ()


def memory_style(kernel: Kernel) -> str | None:
    """Where the kernel's memory is; None where it has none, or no choice."""
    kernel = core(kernel)
    if not memory_styles(kernel):
        return None
    if isinstance(kernel, Reorder | Window | Repeat | Fifo):
        return kernel.bound
    if isinstance(kernel, MVAU):
        return kernel.multipliers.memory_bound
    if isinstance(kernel, BroadcastMVAU):
        return kernel.plan.memory_bound
    return "block" if kernel.resources().bram18 else "logic"


def with_memory(kernel: Kernel, style: str) -> Kernel:
    """The kernel with its memory there.

    :raises ValueError: its memory cannot be of this style.
    """
    styles = memory_styles(kernel)
    if style not in styles:
        raise ValueError(f"memory must be one of {', '.join(styles) or 'none'}, not {style!r}")
    assert isinstance(kernel, _BOUND)
    return replace(kernel, memory=style)
