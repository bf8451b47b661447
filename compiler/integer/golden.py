"""The golden interpreter: an integer graph on whole batches of samples, exact, in NumPy."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from thresher.compiler.integer import ports
from thresher.compiler.integer.edges import to_host, to_stream
from thresher.compiler.integer.ir import (
    Block,
    IntegerGraph,
    Loop,
    OutputPort,
    ScanOutput,
    Tensor,
)
from thresher.compiler.integer.kernels import kernel
from thresher.compiler.integer.loop_kernel import loop_kernel
from thresher.compiler.integer.memory import Env, Kernel, Memory, dtype_of

__all__ = ["Golden"]

_CHUNK = 1 << 23  # elements of all tensors, over all steps, in one go: bounds the memory


class Golden:
    """A compiled integer graph; arrays are stacked over samples, (N, *shape of the model).

    It keeps its working memory between runs, so that only one thread at a time may run it.

    :param graph: a legal integer graph.
    """

    def __init__(self, graph: IntegerGraph) -> None:
        self.graph = graph
        self._memory = Memory()
        self._env: Env = []
        self._elements = sum(p.tensor.size for p in graph.inputs) + 1
        self._kernels = self._compile(graph.block, 1)
        self._inputs = [(self._memory.slot(p.tensor), p) for p in graph.inputs]
        self._outputs = [(self._memory.slot(o.tensor), o) for o in graph.outputs]
        self._tapped: dict[frozenset[str], Golden] = {}

    def run(self, codes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """int64 codes of every output, by output name.

        :param codes: integers (N, *shape) by name of the input port's tensor.
        :raises ThresherError: an array is missing, has a wrong shape or type, or leaves its
            interval.
        """
        arrays = ports.checked_codes(self.graph.inputs, codes)
        count = len(next(iter(arrays.values()))) if arrays else 1
        chunk = max(1, min(count, _CHUNK // self._elements))
        parts = [
            self._run_chunk({n: a[i : i + chunk] for n, a in arrays.items()}, min(chunk, count - i))
            for i in range(0, count, chunk)
        ]
        if not parts:
            parts = [self._empty()]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def run_model(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The model's outputs, by name, in its own units and types.

        :param inputs: arrays (N, *shape) by name of the model's input.
        :raises ThresherError: as `run`; also for NaN, infinity, and values that no code stands
            for where the model has no quantiser on that input.
        """
        codes = self.run(ports.quantised(self.graph.inputs, inputs))
        return ports.dequantised(self.graph.outputs, codes)

    def intermediates(
        self, codes: Mapping[str, np.ndarray], names: Iterable[str]
    ) -> dict[str, np.ndarray]:
        """int64 codes of any tensors, by name; (N, steps, *shape) for those inside a loop.

        :raises KeyError: the graph has no tensor of that name.
        """
        wanted = frozenset(names)
        if wanted not in self._tapped:
            self._tapped[wanted] = Golden(tapped(self.graph, wanted))
        return self._tapped[wanted].run(codes)

    def _compile(self, block: Block, steps: int) -> list[Kernel]:
        kernels = []
        for node in block:
            self._elements += steps * sum(x.size for x in node.outputs)
            kernels.append(
                loop_kernel(node, self._compile(node.body, steps * node.steps), self._memory)
                if isinstance(node, Loop)
                else kernel(node, self._memory)
            )
        return kernels

    def _run_chunk(self, arrays: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        if not self._env or len(self._env[0]) != count:
            self._env = self._memory.environment(count)
        env = self._env
        for place, port in self._inputs:
            x = port.tensor
            env[place] = to_stream(arrays[x.name], port).astype(dtype_of(x.lo, x.hi), order="C")
        for run in self._kernels:
            run(env)
        return {
            port.name: to_host(env[place], port).astype(np.int64, order="C")
            for place, port in self._outputs
        }

    def _empty(self) -> dict[str, np.ndarray]:
        return {o.name: np.empty((0, *o.shape), np.int64) for o in self.graph.outputs}


def tapped(graph: IntegerGraph, names: Iterable[str]) -> IntegerGraph:
    """The graph with the named tensors as its outputs, those inside loops as scan outputs.

    :raises KeyError: the graph has no tensor of that name.
    """
    found: dict[str, Tensor] = {p.tensor.name: p.tensor for p in graph.inputs}
    block = _tap(graph.block, set(names), found)
    outputs = tuple(OutputPort(name, found[name], "int64", None) for name in sorted(set(names)))
    return replace(graph, block=block, outputs=outputs)


def _tap(block: Block, names: set[str], found: dict[str, Tensor]) -> Block:
    nodes = []
    for node in block:
        if isinstance(node, Loop):
            inside = {s.inner.name: s.inner for s in node.scans}
            inside |= {s.inner.name: s.inner for s in node.states}
            body = _tap(node.body, names, inside)
            taps = []
            for name in sorted(names & inside.keys()):
                x = inside[name]
                outer = replace(x, name=f"{name} of every step", shape=(node.steps, *x.shape))
                taps.append(ScanOutput(x, outer))
                found[name] = outer
            node = replace(node, body=body, scan_outputs=(*node.scan_outputs, *taps))
        found.update((x.name, x) for x in node.outputs)
        nodes.append(node)
    return Block(tuple(nodes))
