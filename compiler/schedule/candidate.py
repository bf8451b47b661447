"""A folding, and what follows from it: kernels, FIFOs, cycles, area."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thresher.compiler.integer.ir import InputPort, OutputPort
from thresher.compiler.schedule.assemble import Lowered, Netlist, assemble
from thresher.compiler.schedule.cycles import Edge, End
from thresher.compiler.schedule.design import Design, Predicted, TopPort
from thresher.compiler.schedule.fifofolding import FifoFolding, finished, with_fifos
from thresher.compiler.schedule.fifomemory import bound_fifos
from thresher.compiler.schedule.fifos import (
    TOP_DEPTH,
    Depths,
    draft_depths,
    least_depths,
    network_of,
)
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.network import ENDLESS
from thresher.compiler.schedule.predict import predict_shortly
from thresher.compiler.schedule.readychain import closing_edges
from thresher.compiler.schedule.requests import MEMORY
from thresher.rtl.kernel import Port, Resources

__all__ = ["Candidate"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A folding of all kernels of a lowered graph.

    :param capacity: the most that the design may take: where it leaves a choice, FIFOs go there.
    :param fifos: what the user asks of FIFOs.
    """

    lowered: Lowered
    folding: Folding
    capacity: Mapping[str, int] = field(default_factory=dict)
    fifos: FifoFolding = field(default_factory=dict)

    @cached_property
    def netlist(self) -> Netlist:
        """Kernels and edges."""
        return assemble(self.lowered, self.folding)

    @cached_property
    def ideal(self) -> Predicted:
        """Cycles of two frames with FIFOs that never fill and take no cycle: no less is possible.

        Only the edges that close a loop keep theirs.
        """
        closing = closing_edges(self.netlist)
        depths = {
            (src, dst): ENDLESS + 3 * beats if (src, dst) in closing else -ENDLESS - 3 * beats - 64
            for src, dst, beats in self.netlist.edges
        }
        return predict_shortly(network_of(self.netlist, depths))

    def design(self, depths: Depths) -> Design:
        """The design with these FIFOs where the user asks for no others, and the ideal cycles."""
        netlist, lowered = self.netlist, self.lowered

        def top(name: str, io: InputPort | OutputPort, end: End, port: Port) -> TopPort:
            return TopPort(name, port, end, TOP_DEPTH, io, lowered.places[io.tensor.name])

        design = Design(
            lowered.graph.name,
            lowered.graph,
            netlist.kernels,
            netlist.origins,
            tuple(Edge(src, dst, depths[src, dst]) for src, dst, _ in netlist.edges),
            tuple(
                top(name, lowered.inputs[name][0], end, port)
                for name, (end, port) in netlist.inputs.items()
            ),
            tuple(
                top(name, lowered.outputs[name][0], end, port)
                for name, (end, port) in netlist.outputs.items()
            ),
            {name: _told(entry) for name, entry in self.folding.items()},
            self.ideal,
            samples=lowered.samples,
        )
        return with_fifos(design, self.fifos)

    @cached_property
    def resources(self) -> Resources:
        """The area with FIFOs that suffice, but could be smaller."""
        design = self.design(draft_depths(self.netlist))
        return estimate(bound_fifos(design, self.capacity))

    @cached_property
    def final(self) -> Design:
        """The design with the least FIFOs."""
        design = finished(self.design(least_depths(self.netlist)), self.fifos)
        return bound_fifos(design, self.capacity)


def _told(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kernel's folding; that its memory follows the rule need not be said."""
    return {key: value for key, value in entry.items() if (key, value) != (MEMORY, "auto")}
