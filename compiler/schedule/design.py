"""A scheduled design: kernels with their folding fixed, streams with their FIFO depths."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from thresher.compiler.integer.ir import InputPort, IntegerGraph, OutputPort
from thresher.compiler.schedule.cycles import Edge, End, Network
from thresher.rtl.kernel import Kernel, Port

__all__ = ["Design", "Predicted", "TopPort"]


@dataclass(frozen=True, eq=False)
class TopPort:
    """A stream of the top: one frame is the tensor of its samples in row-major order.

    :param name: the port's name in the Verilog (`<name>__payload`, `<name>__valid`,
        `<name>__ready`).
    :param port: beats a frame, lanes and interval.
    :param end: the kernel port behind it.
    :param depth: depth of the FIFO between the two, in beats.
    :param io: the edge of the integer graph, of one sample, that it carries.
    :param place: where the axis of a frame's samples stands in the tensor's shape: 0 for sample
        by sample, 1 for step t of every sample before step t + 1 of any.
    """

    name: str
    port: Port
    end: End
    depth: int
    io: InputPort | OutputPort
    place: int = 0


@dataclass(frozen=True)
class Predicted:
    """Cycles of the design at full rate, sources always valid and sinks always ready.

    :param latency: cycles from the first input transfer to the last output transfer of one frame
        alone, both included.
    :param interval: cycles between the last output transfers of two frames that follow each other,
        once the pipeline is full.
    """

    latency: int
    interval: int


@dataclass(frozen=True, eq=False)
class Design:
    """Everything that elaboration needs.

    :param kernels: kernel name -> parameters; names are Verilog identifiers.
    :param origins: kernel name -> the integer graph's tensor it computes, for reports.
    :param folding: kernel name -> folding parameters, of the kernels that have any: what
        `--folding` reads.
    :param limit: one line: what keeps the design from being faster.
    :param samples: in one frame; with more than one they take turns in each recurrence.
    :param fifo_memory: FIFO name -> where its memory is, of those that are not in LUTRAM.
    :param fifo_least: edge (`Link.edge`) -> the depth that would do, of FIFOs whose depth is asked
        for.
    :param edges: streams between kernels; both ends have equal lanes. Their intervals may differ:
        elements are extended or cut on the way, for both intervals hold them.
    """

    name: str
    graph: IntegerGraph
    kernels: Mapping[str, Kernel]
    origins: Mapping[str, str]
    edges: tuple[Edge, ...]
    inputs: tuple[TopPort, ...]
    outputs: tuple[TopPort, ...]
    folding: Mapping[str, Mapping[str, int]]
    predicted: Predicted
    limit: str = ""
    samples: int = 1
    fifo_memory: Mapping[str, str] = field(default_factory=dict)
    fifo_least: Mapping[str, int] = field(default_factory=dict)

    def network(self) -> Network:
        """The design as the cycle solver sees it."""
        return Network(
            {name: kernel.timing() for name, kernel in self.kernels.items()},
            self.edges,
            {p.name: (p.end, p.depth, p.port.beats) for p in self.inputs},
            {p.name: (p.end, p.depth, p.port.beats) for p in self.outputs},
        )
