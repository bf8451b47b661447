"""`schedule`: from an integer graph to a design."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import Lowered, Netlist, assemble, lower
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.cycles import Deadlock, Edge
from thresher.compiler.schedule.design import Design, Predicted, TopPort
from thresher.compiler.schedule.fifos import (
    TOP_DEPTH,
    Depths,
    draft_depths,
    least_depths,
    network_of,
)
from thresher.compiler.schedule.folding import Folding, check_folding
from thresher.compiler.schedule.links import estimate
from thresher.compiler.schedule.predict import predict, predict_shortly
from thresher.compiler.schedule.search import Choice, Space, last_true
from thresher.rtl.kernel import Resources

__all__ = ["ScheduleOptions", "schedule"]

DEFAULT_MULTIPLIERS = 64


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """What the design is to be.

    Without target and capacity, the fastest design with at most 64 multipliers in its MVAUs.

    :param clock_mhz: turns cycles into the units of the targets.
    :param target_fps: frames a second, one after the other without a pause, at least.
    :param max_latency_us: microseconds from a frame's first input to its last output, at most.
    :param capacity: the most that the design may take, or None.
    :param folding: kernel name -> its folding; kernels without one are folded automatically.
    """

    clock_mhz: float = 100.0
    target_fps: float | None = None
    max_latency_us: float | None = None
    capacity: Capacity | None = None
    folding: Folding | None = None

    def __post_init__(self) -> None:
        for name in ("clock_mhz", "target_fps", "max_latency_us"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ThresherError(f"{name} must be greater than 0, not {value!r}")

    @property
    def has_target(self) -> bool:
        """Whether a speed is asked for."""
        return self.target_fps is not None or self.max_latency_us is not None

    def misses(self, predicted: Predicted) -> str | None:
        """The target that these cycles miss, with the nearest figure; None where none."""
        mhz = self.clock_mhz
        fps, latency = mhz * 1e6 / predicted.interval, predicted.latency / mhz
        if self.target_fps is not None and fps < self.target_fps:
            return f"{self.target_fps:g} frames/s at {mhz:g} MHz; the nearest is {fps:.6g}"
        if self.max_latency_us is not None and latency > self.max_latency_us:
            return f"{self.max_latency_us:g} us at {mhz:g} MHz; the nearest is {latency:.6g}"
        return None


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A folding, and what follows from it."""

    lowered: Lowered
    folding: Folding

    @cached_property
    def netlist(self) -> Netlist:
        return assemble(self.lowered, self.folding)

    @cached_property
    def depths(self) -> Depths:
        return draft_depths(self.netlist)

    @cached_property
    def predicted(self) -> Predicted:
        return predict(network_of(self.netlist, self.depths))

    def design(self, depths: Depths, predicted: Predicted) -> Design:
        netlist, lowered = self.netlist, self.lowered
        return Design(
            lowered.graph.name,
            lowered.graph,
            netlist.kernels,
            netlist.origins,
            tuple(Edge(src, dst, depths[src, dst]) for src, dst, _ in netlist.edges),
            tuple(
                TopPort(name, port, end, TOP_DEPTH, lowered.inputs[name][0])
                for name, (end, port) in netlist.inputs.items()
            ),
            tuple(
                TopPort(name, port, end, TOP_DEPTH, lowered.outputs[name][0])
                for name, (end, port) in netlist.outputs.items()
            ),
            self.folding,
            predicted,
        )

    @cached_property
    def draft(self) -> Design:
        """The design with FIFOs that suffice, but could be smaller."""
        return self.design(self.depths, self.predicted)

    @cached_property
    def resources(self) -> Resources:
        return estimate(self.draft)

    @cached_property
    def final(self) -> Design:
        """The design with the least FIFOs."""
        depths = least_depths(self.netlist)
        return self.design(depths, predict(network_of(self.netlist, depths)))


def schedule(graph: IntegerGraph, options: ScheduleOptions | None = None) -> Design:
    """The design that meets the targets with the least area, or the fastest that fits.

    :raises ThresherError: a folding that does not fit the design, a target that no folding
        meets, or a capacity that no folding fits; the message gives the nearest figure.
    :raises ModelError: the graph breaks a rule of the integer graph.
    """
    options = options or ScheduleOptions()
    lowered = lower(graph)
    fixed = check_folding(lowered.requests, options.folding or {})
    space = Space(lowered, fixed)
    made: dict[int, _Candidate] = {}

    def at(budget: int) -> _Candidate:
        if budget not in made:
            made[budget] = _Candidate(lowered, space.under(budget))
        return made[budget]

    if options.has_target:
        return _for_target(space, at, options)
    if options.capacity is not None:
        return _fastest_within(space, at, options.capacity).final
    return _default(space, at).final


_At = Callable[[int], _Candidate]


def _for_target(space: Space, at: _At, options: ScheduleOptions) -> Design:
    """The slowest budget that meets the targets."""
    budgets = space.budgets
    budget = last_true(budgets, lambda b: options.misses(at(b).predicted) is None)
    meeting = budgets[: budgets.index(budget) + 1] if budget is not None else budgets[:1]
    for budget in reversed(meeting):
        chosen = at(budget)
        limit = _exceeded(chosen.resources, options.capacity)
        if limit is not None:
            assert options.capacity is not None
            fits = _fastest_within(space, at, options.capacity)
            missed = options.misses(fits.final.predicted)
            if missed is None:
                return fits.final
            raise ThresherError(
                f"target: the design must reach {missed} within {limit[0]}; "
                f"kernel '{space.slowest(fits.folding)}' limits it"
            )
        if options.misses(chosen.final.predicted) is None:
            slower = _relaxed(space, chosen, options).final
            return chosen.final if options.misses(slower.predicted) else slower
    fastest = at(budgets[0])
    raise ThresherError(
        f"target: the design must reach {options.misses(fastest.final.predicted)}; "
        f"kernel '{space.slowest(fastest.folding)}' limits it, even fully unrolled"
    )


def _relaxed(space: Space, chosen: _Candidate, options: ScheduleOptions) -> _Candidate:
    """Kernel by kernel, those with most to save first, the slowest folding that meets the targets.

    Judged by two frames, with FIFOs that never fill where the chosen design has one.
    """
    buffered = {edge.src: edge.depth > 0 for edge in chosen.final.edges}
    folding = dict(chosen.folding)

    def meets(name: str, choice: Choice) -> bool:
        netlist = assemble(chosen.lowered, {**folding, name: choice.folding})
        depths = {
            (src, dst): 3 * beats if buffered.get(src, True) else 0
            for src, dst, beats in netlist.edges
        }
        try:
            found = predict_shortly(network_of(netlist, depths))
        except Deadlock:
            return False
        return options.misses(found) is None

    slower = {name: space.cheaper(name, folding[name]) for name in folding}
    saved = {name: space.area_of(name, folding[name]) - found[-1].area
             for name, found in slower.items() if found}  # fmt: skip
    for name in sorted(saved, key=lambda n: (-saved[n], n)):
        choice = last_true(slower[name], partial(meets, name))
        if choice is not None:
            folding[name] = choice.folding
    return _Candidate(chosen.lowered, folding)


def _fastest_within(space: Space, at: _At, capacity: Capacity) -> _Candidate:
    """The fastest budget whose design fits."""
    budget = last_true(
        space.budgets[::-1], lambda b: _exceeded(at(b).resources, capacity) is None
    )
    if budget is None:
        limit = _exceeded(at(space.budgets[-1]).resources, capacity)
        assert limit is not None
        raise ThresherError(
            f"capacity: the design must fit {limit[0]}, not take {limit[1]} even folded the most; "
            f"allow {limit[1]}"
        )
    return at(budget)


def _exceeded(used: Resources, capacity: Capacity | None) -> tuple[str, int] | None:
    """The first limit that is exceeded, and the figure that exceeds it."""
    figures = {
        "lut": used.lut, "ff": used.ff, "lutram": used.lutram, "dsp": used.dsp,
        "bram36": -(-used.bram18 // 2),
    }  # fmt: skip
    for name, figure in figures.items():
        limit = getattr(capacity, name, None)
        if limit is not None and figure > limit:
            return f"{name} = {limit}", figure
    return None


def _default(space: Space, at: _At) -> _Candidate:
    """The fastest budget with at most 64 multipliers in all MVAUs together."""

    def few(budget: int) -> bool:
        foldings = space.under(budget).values()
        return sum(f["pe"] * f["simd"] for f in foldings if "pe" in f) <= DEFAULT_MULTIPLIERS

    budget = last_true(space.budgets[::-1], few)
    return at(space.budgets[-1] if budget is None else budget)
