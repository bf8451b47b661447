"""The connections of a design, those of the top's ports included, and the area of it all."""

from collections.abc import Iterator
from dataclasses import dataclass

from thresher.compiler.schedule.cycles import End
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.requests import Names
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Port, Resources
from thresher.rtl.skid import Skid

__all__ = ["Link", "estimate", "links"]


@dataclass(frozen=True)
class Link:
    """A stream between two ports; ("", name) is a port of the top.

    :param fifo: the FIFO or skid on the way, or None: a plain connection.
    :param name: the FIFO's name among the kernels' names.
    """

    name: str
    source: End
    target: End
    source_port: Port
    target_port: Port
    fifo: Fifo | Skid | None

    @property
    def edge(self) -> str:
        """The stream's name in `folding.json`."""
        return " -> ".join(".".join(end) for end in (self.source, self.target))

    @property
    def depth(self) -> int:
        """Beats that it holds on the way."""
        return 0 if self.fifo is None else self.fifo.depth


def links(design: Design) -> tuple[Link, ...]:
    """All connections: inputs of the top, edges, outputs of the top.

    A FIFO holds the narrower element of the two ports: both intervals are proven for the same
    elements, so each element lies in both.
    """
    names = Names(tuple(design.kernels))
    made = []
    for source, target, a, b, depth in _pairs(design):
        held = a if a.width <= b.width else b
        name = names.of("fifo", *target)
        fifo: Fifo | Skid | None = None
        if depth == 1:
            fifo = Skid(lanes=held.lanes, lo=held.lo, hi=held.hi)
        elif depth:
            memory = design.fifo_memory.get(name, "lutram")
            fifo = Fifo(depth=depth, lanes=held.lanes, lo=held.lo, hi=held.hi, memory=memory)
        made.append(Link(name, source, target, a, b, fifo))
    return tuple(made)


def _pairs(design: Design) -> Iterator[tuple[End, End, Port, Port, int]]:
    kernels = design.kernels
    for p in design.inputs:
        yield ("", p.name), p.end, p.port, kernels[p.end[0]].inputs[p.end[1]], p.depth
    for edge in design.edges:
        source = kernels[edge.src[0]].outputs[edge.src[1]]
        target = kernels[edge.dst[0]].inputs[edge.dst[1]]
        yield edge.src, edge.dst, source, target, edge.depth
    for p in design.outputs:
        yield p.end, ("", p.name), kernels[p.end[0]].outputs[p.end[1]], p.port, p.depth


def estimate(design: Design) -> Resources:
    """The sum over kernels and FIFOs."""
    total = Resources()
    for kernel in design.kernels.values():
        total += kernel.resources()
    for link in links(design):
        if link.fifo is not None:
            total += link.fifo.resources()
    return total
