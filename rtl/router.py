"""The common base of kernels that move whole beats from port to port in a fixed order."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import memory, wiring

from thresher.rtl.checks import check_int, check_interval, stream_rows
from thresher.rtl.elastic import Stages, elastic_stages
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.rom import pack_words
from thresher.rtl.sequencer import (
    Runs,
    Sequencer,
    cyclic_period,
    run_lengths,
    sequencer_resources,
)
from thresher.rtl.timing import Firing, Timing, register_stages

__all__ = ["Move", "Router", "RoutingKernel"]


@dataclass(frozen=True)
class Move:
    """`count` beats in a row.

    :param source: the input port that they come from, or None: the kernel's constant.
    :param target: the output port that they go to, or None: they are dropped.
    """

    source: str | None
    target: str | None
    count: int


@dataclass(frozen=True, kw_only=True)
class RoutingKernel(Kernel):
    """A kernel whose every firing moves one beat, as `moves` tells; subclasses say which.

    :param lanes: elements in one beat.
    :param lo: least value of an element.
    :param hi: greatest value of an element.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    lanes: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        check_int("lanes", self.lanes, 1)
        check_interval("element", self.lo, self.hi)

    @abstractmethod
    def moves(self) -> Iterable[Move]:
        """One period in order; ports are those that it names, in order of their first move."""

    def constant(self) -> np.ndarray | None:
        """int64 (elements): what the one move without a source gives, where there is one."""
        return None

    def _ports(self, names: Iterable[tuple[str | None, int]]) -> dict[str, Port]:
        beats: dict[str, int] = {}
        for name, count in names:
            if name is not None:
                beats[name] = beats.get(name, 0) + count
        return {name: self.port(count) for name, count in beats.items()}

    def port(self, beats: int) -> Port:
        """A port of this many beats a period."""
        return Port(beats, self.lanes, self.lo, self.hi)

    @property
    def inputs(self) -> Mapping[str, Port]:
        return self._ports((move.source, move.count) for move in self.moves())

    @property
    def outputs(self) -> Mapping[str, Port]:
        return self._ports((move.target, move.count) for move in self.moves())

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """See Kernel.compute; without any input, N is 1."""
        rows: dict[str | None, np.ndarray] = {
            name: stream_rows(name, array, port)
            for (name, port), array in zip(self.inputs.items(), inputs, strict=True)
        }
        periods = len(inputs[0]) if inputs else 1
        fixed = self.constant()
        if fixed is not None:
            rows[None] = np.broadcast_to(fixed, (periods, fixed.size))
        used = dict.fromkeys(rows, 0)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self.outputs}
        for move in self.moves():
            first = used[move.source]
            used[move.source] += move.count * self.lanes
            if move.target is not None:
                parts[move.target].append(rows[move.source][:, first : used[move.source]])
        return tuple(np.concatenate(part, axis=1) for part in parts.values())

    def timing(self) -> Timing:
        firings = [
            Firing(
                () if move.source is None else (move.source,),
                () if move.target is None else (move.target,),
                move.count,
            )
            for move in self.moves()
        ]
        return Timing.of(firings, **{name: register_stages(1) for name in self.outputs})

    def routes(self) -> tuple[tuple[tuple[str | None, str | None], ...], Runs]:
        """The distinct (source, target), and which of them each firing takes, shortest form."""
        table: dict[tuple[str | None, str | None], int] = {}
        moves = [(m.source, m.target, m.count) for m in self.moves()]
        symbols = [(table.setdefault((s, t), len(table)), count) for s, t, count in moves]
        runs = tuple(
            (symbol, sum(count for _, count in run))
            for symbol, run in groupby(symbols, key=lambda pair: pair[0])
        )
        words = self.constant_words()
        if words is None or len(set(words)) == 1:
            sequence = [symbol for symbol, count in runs for _ in range(count)]
            runs = run_lengths(cyclic_period(sequence))
        return tuple(table), runs

    def constant_words(self) -> list[int] | None:
        """The constant as payload bits, one int a beat."""
        fixed = self.constant()
        if fixed is None:
            return None
        return pack_words(fixed.reshape(-1, self.lanes), self.port(1).width)

    def resources(self) -> Resources:
        if not self.outputs:
            return Resources()
        pairs, runs = self.routes()
        bits = self.lanes * self.port(1).width
        lut = len(pairs) + len(self.outputs)
        for target in self.outputs:
            choices = len({source for source, to in pairs if to == target})
            lut += bits * -(-(choices - 1) // 3)  # a LUT6 chooses between four
        words = self.constant_words()
        if words is not None and len(set(words)) > 1:
            lut += bits * -(-len(words) // 64)
        registers = Resources(lut=lut, ff=len(self.outputs) * (bits + 1))
        return registers + sequencer_resources(runs)

    def create(self) -> wiring.Component:
        return Router(self)


class Router(wiring.Component):
    """One beat a firing, from the port whose turn it is to the port whose turn it is.

    Order, ports and what is dropped: `moves` of the kernel. Latency 1 cycle, a beat a cycle, no
    gap between periods. Every output has one register; a firing waits for the input whose turn
    it is and for the register of its output alone. Inputs whose turn it is not are not ready.
    Reset drops what the registers hold and starts a new period.
    """

    def __init__(self, kernel: RoutingKernel) -> None:
        self._kernel = kernel
        super().__init__(kernel.component_signature())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pairs, runs = self._kernel.routes()
        m.submodules.sequencer = sequencer = Sequencer(runs)
        valid, ready = Signal(), Signal()
        m.d.comb += sequencer.advance.eq(valid & ready)
        turns = {target: Signal(name=f"{target}_turn") for target in self._kernel.outputs}
        stages = {
            target: elastic_stages(
                m,
                count=1,
                i_valid=turn & valid,
                o_ready=getattr(self, target).ready,
                name=f"{target}_stage",
            )
            for target, turn in turns.items()
        }
        with m.Switch(sequencer.symbol):
            for symbol, (source, target) in enumerate(pairs):
                with m.Case(symbol):
                    if target is None:
                        m.d.comb += ready.eq(1)
                    else:
                        m.d.comb += [turns[target].eq(1), ready.eq(stages[target].ready)]
                    if source is None:
                        m.d.comb += valid.eq(1)
                    else:
                        i = getattr(self, source)
                        m.d.comb += [valid.eq(i.valid), i.ready.eq(ready)]
        self._connect_payloads(m, sequencer, turns, stages)
        return m

    def _connect_payloads(
        self,
        m: Module,
        sequencer: Sequencer,
        turns: Mapping[str, Signal],
        stages: Mapping[str, Stages],
    ) -> None:
        pairs, _ = self._kernel.routes()
        payloads: dict[str | None, Value] = {
            source: Value.cast(getattr(self, source).payload) for source in self._kernel.inputs
        }
        words = self._kernel.constant_words()
        if words is not None:
            payloads[None] = self._constant(m, sequencer, words)
        for target, stage in stages.items():
            o = getattr(self, target)
            following = Signal(len(Value.cast(o.payload)), name=f"{target}_next")
            *choices, other = ((s, source) for s, (source, to) in enumerate(pairs) if to == target)
            m.d.comb += [o.valid.eq(stage.valid), following.eq(payloads[other[1]])]
            with m.Switch(sequencer.symbol):
                for symbol, source in choices:
                    with m.Case(symbol):
                        m.d.comb += following.eq(payloads[source])
            with m.If(turns[target] & stage.ready):
                m.d.sync += Value.cast(o.payload).eq(following)

    def _constant(self, m: Module, sequencer: Sequencer, words: list[int]) -> Value:
        width = self._kernel.lanes * self._kernel.port(1).width
        if len(set(words)) == 1:
            return Const(words[0], width)
        # `left` counts down over the one run of the constant, so the memory holds it backwards
        m.submodules.rom = rom = memory.Memory(shape=width, depth=len(words), init=words[::-1])
        port = rom.read_port(domain="comb")
        m.d.comb += port.addr.eq(sequencer.left)
        return port.data
