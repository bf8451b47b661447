"""Kernels with their folding, and between them forks, width converters and sinks.

A stream from S lanes to several readers: readers of one width share one branch; a fork with one
branch per width (where there is more than one), in each branch a width converter (where its
lanes are not S), then a fork among the readers of that width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import lcm

from thresher.compiler.integer.frames import framed
from thresher.compiler.integer.ir import InputPort, IntegerGraph, OutputPort, Tensor
from thresher.compiler.schedule.cycles import End
from thresher.compiler.schedule.flatten import FlatGraph, Stream, flatten
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.makers import requests_of
from thresher.compiler.schedule.merge import merge
from thresher.compiler.schedule.requests import Names, Request
from thresher.compiler.schedule.simplify import simplify
from thresher.rtl.fork import Fork
from thresher.rtl.kernel import Kernel, Port
from thresher.rtl.route import Sink
from thresher.rtl.timing import Timing
from thresher.rtl.width import WidthConverter

__all__ = ["Lowered", "Netlist", "assemble", "lower"]

_RESERVED = ("clk", "rst", "reset", "design", "signature", "elaborate", "metadata")


@dataclass(frozen=True, eq=False)
class Lowered:
    """An integer graph as requests and streams; top ports are ends ("", name).

    :param graph: of one sample; all else is for a frame of `samples`.
    :param inputs: top input name -> (its port, its stream).
    :param outputs: top output name -> (its port, its stream).
    :param places: tensors of ports by name -> where the axis of samples stands.
    """

    graph: IntegerGraph
    requests: Mapping[str, Request]
    streams: Mapping[str, Stream]
    inputs: Mapping[str, tuple[InputPort, str]]
    outputs: Mapping[str, tuple[OutputPort, str]]
    samples: int
    places: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Netlist:
    """A design without FIFOs.

    :param edges: (from, to, beats a frame) in a fixed order.
    :param inputs: top input name -> (kernel port, the top port).
    :param outputs: top output name -> (kernel port, the top port).
    """

    kernels: Mapping[str, Kernel]
    origins: Mapping[str, str]
    edges: tuple[tuple[End, End, int], ...]
    inputs: Mapping[str, tuple[End, Port]]
    outputs: Mapping[str, tuple[End, Port]]

    @cached_property
    def timings(self) -> Mapping[str, Timing]:
        """Of each kernel, by name."""
        return {name: kernel.timing() for name, kernel in self.kernels.items()}


def lower(graph: IntegerGraph, samples: int = 1) -> Lowered:
    """Which kernels the graph needs for frames of `samples`; folding is still open.

    :raises ModelError: a node reads a tensor that is not of its block.
    :raises ThresherError: the graph has nothing that several samples could share.
    """
    frame = framed(graph, samples)
    flat: FlatGraph = simplify(flatten(frame.graph))
    names = Names(_RESERVED)
    sources = [port.source for port in graph.inputs]
    inputs, outputs = {}, {}
    for port, stream in zip(graph.inputs, flat.inputs, strict=True):
        shared = sources.count(port.source) > 1
        inputs[names.of(port.tensor.name if shared else port.source)] = (port, stream)
    for out, stream in zip(graph.outputs, flat.outputs, strict=True):
        outputs[names.of(out.name)] = (out, stream)
    requests = requests_of(flat, names)
    by_name = {r.name: r for r in requests}
    return Lowered(graph, by_name, flat.streams, inputs, outputs, samples, frame.places)


def assemble(lowered: Lowered, folding: Folding) -> Netlist:
    """The kernels under `folding`, which has an entry for each request, and all between them."""
    return _Assembler(lowered, folding).netlist()


class _Assembler:
    def __init__(self, lowered: Lowered, folding: Folding) -> None:
        self.lowered = lowered
        self.names = Names((*_RESERVED, *lowered.inputs, *lowered.outputs, *lowered.requests))
        self.kernels = {n: r.kernel(folding[n]) for n, r in lowered.requests.items()}
        self.origins = {n: r.origin for n, r in lowered.requests.items()}
        self.edges: list[tuple[End, End, int]] = []
        self.inputs: dict[str, tuple[End, Port]] = {}
        self.outputs: dict[str, tuple[End, Port]] = {}

    def netlist(self) -> Netlist:
        sources: dict[str, End] = {}
        readers: dict[str, list[End]] = {name: [] for name in self.lowered.streams}
        for name, request in self.lowered.requests.items():
            sources |= {s: (name, port) for port, s in request.outputs.items()}
            for port, stream in request.inputs.items():
                readers[stream].append((name, port))
            for port in self.kernels[name].outputs:
                if port not in request.outputs:
                    self.sink((name, port), request)
        sources |= {s: ("", name) for name, (_, s) in self.lowered.inputs.items()}
        for name, (_, stream) in self.lowered.outputs.items():
            readers[stream].append(("", name))
        for name, carried in self.lowered.streams.items():
            self.stream(carried, sources[name], readers[name])
        inner = [name for name, request in self.lowered.requests.items() if request.inner]
        merged = merge(self.kernels, self.edges, inner)
        outputs = {n: (merged.moved.get(end, end), p) for n, (end, p) in self.outputs.items()}
        return Netlist(
            merged.kernels,
            {name: self.origins[name] for name in merged.kernels},
            merged.edges,
            _ordered(self.inputs, self.lowered.inputs),
            _ordered(outputs, self.lowered.outputs),
        )

    def lanes(self, end: End, side: str) -> int | None:
        """Lanes of a kernel port; None for a port of the top, which takes any."""
        kernel, port = end
        return getattr(self.kernels[kernel], side)[port].lanes if kernel else None

    def stream(self, stream: Stream, source: End, targets: list[End]) -> None:
        """Join one producer to its readers."""
        wanted = [self.lanes(target, "inputs") for target in targets]
        lanes = self.lanes(source, "outputs")
        if lanes is None:
            lanes = max((w for w in wanted if w), default=1)
        groups: dict[int, list[End]] = {}
        for target, width in zip(targets, wanted, strict=True):
            groups.setdefault(width or lanes, []).append(target)
        if not groups:
            groups[lanes] = [(self.add("sink", stream, Sink, beats=1, lanes=lanes), "i")]
        if not source[0] and len(groups) == 1 and lanes in groups:
            direct = [t for t in groups[lanes] if not t[0]]
            if direct and len(targets) == 1:  # a register between two ports of the top
                fork = self.add("fork", stream, Fork, branches=1, lanes=lanes)
                self.join(stream, source, (fork, "i"), lanes)
                self.join(stream, (fork, "o0"), direct[0], lanes)
                return
        ends = self.fork(stream, source, len(groups), lanes)
        for end, (width, members) in zip(ends, groups.items(), strict=True):
            if width != lanes:
                elements = lcm(width, lanes)
                name = self.add(
                    "width", stream, WidthConverter,
                    elements=elements, i_lanes=lanes, o_lanes=width,
                )  # fmt: skip
                self.join(stream, end, (name, "i"), lanes)
                end = (name, "o")
            branches = self.fork(stream, end, len(members), width)
            for branch, member in zip(branches, members, strict=True):
                self.join(stream, branch, member, width)

    def fork(self, stream: Stream, source: End, branches: int, lanes: int) -> list[End]:
        """`branches` ends that carry what `source` does."""
        if branches == 1:
            return [source]
        name = self.add("fork", stream, Fork, branches=branches, lanes=lanes)
        self.join(stream, source, (name, "i"), lanes)
        return [(name, f"o{k}") for k in range(branches)]

    def add(
        self, kind: str, stream: Stream, kernel: Callable[..., Kernel], **parameters: int
    ) -> str:
        """A kernel that the integer graph does not know."""
        name = self.names.of(kind, stream.name)
        tensor = stream.tensor
        self.kernels[name] = kernel(lo=tensor.lo, hi=tensor.hi, **parameters)
        self.origins[name] = stream.name
        return name

    def sink(self, source: End, request: Request) -> None:
        """Drop what a kernel cannot help giving."""
        port = self.kernels[source[0]].outputs[source[1]]
        tensor = Tensor(f"{source[0]}_{source[1]}", (port.elements,), port.lo, port.hi)
        name = self.add("sink", Stream(tensor, port.elements), Sink, beats=1, lanes=port.lanes)
        elements = _frame_elements(self.lowered, request, self.kernels[source[0]], source[1])
        self.edges.append((source, (name, "i"), elements // port.lanes))

    def join(self, stream: Stream, source: End, target: End, lanes: int) -> None:
        """One edge, or the end of a top port."""
        beats = stream.elements // lanes
        tensor = stream.tensor
        if not source[0]:
            port = self.lowered.inputs[source[1]][0].tensor
            self.inputs[source[1]] = (target, Port(beats, lanes, port.lo, port.hi))
        elif not target[0]:
            self.outputs[target[1]] = (source, Port(beats, lanes, tensor.lo, tensor.hi))
        else:
            self.edges.append((source, target, beats))


def _frame_elements(lowered: Lowered, request: Request, kernel: Kernel, port: str) -> int:
    """Elements that a port without a stream gives in a frame."""
    known, stream = next(iter(request.inputs.items()))
    periods = lowered.streams[stream].elements // kernel.inputs[known].elements
    return periods * kernel.outputs[port].elements


def _ordered(
    found: Mapping[str, tuple[End, Port]], order: Mapping[str, object]
) -> dict[str, tuple[End, Port]]:
    return {name: found[name] for name in order}
