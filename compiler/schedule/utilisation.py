"""How busy every kernel is: the cycles in which it works, of those between two frames."""

from collections import deque
from collections.abc import Mapping
from fractions import Fraction

from thresher.compiler.schedule.cycles import End
from thresher.compiler.schedule.design import Design

__all__ = ["busy_cycles", "utilisation"]


def busy_cycles(design: Design) -> dict[str, int]:
    """By kernel: the cycles a frame in which it works (see `Kernel.work`)."""
    periods = _periods(design)
    return {name: -(-kernel.work * periods[name] // 1) for name, kernel in design.kernels.items()}


def utilisation(design: Design) -> dict[str, float]:
    """By kernel: its busy cycles by the design's interval, from 0 to 1."""
    return {name: n / design.predicted.interval for name, n in busy_cycles(design).items()}


def _periods(design: Design) -> Mapping[str, Fraction]:
    """By kernel: its periods in a frame, from the top's ports along the streams."""
    near: dict[End, list[End]] = {}
    for edge in design.edges:
        near.setdefault(edge.src, []).append(edge.dst)
        near.setdefault(edge.dst, []).append(edge.src)
    ends = deque((p.end, Fraction(p.port.beats)) for p in (*design.inputs, *design.outputs))
    found: dict[str, Fraction] = {}
    while ends:
        (name, port), beats = ends.popleft()
        if name in found:
            continue
        kernel = design.kernels[name]
        ports = {**kernel.inputs, **kernel.outputs}
        found[name] = beats / ports[port].beats
        for other, told in ports.items():
            ends += [(end, found[name] * told.beats) for end in near.get((name, other), ())]
    return found
