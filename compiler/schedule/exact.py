"""The foldings of least area that meet a target, proven so by logic-based Benders decomposition.

An integer program (`knapsack`) takes a choice for each kernel, the least area within the limits. Is
one of its lower bounds on the cycles (`rounds`) beyond the target, then that bound, a sum over the
choices of all kernels, becomes a rule of the program. Else the solver counts: where it finds the
target missed, the program gets the rule that not all kernels may be as they are, in lanes and
timing; where the FIFOs and all else between the kernels are too much for the limits, that this
very combination is out. No rule excludes a combination that would do, so the first one that
does takes the least area of all.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.choice import Choice, Limits, Row, area, undominated
from thresher.compiler.schedule.design import Predicted
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.knapsack import Rule, cheapest
from thresher.compiler.schedule.paths import Path
from thresher.compiler.schedule.program import Program
from thresher.compiler.schedule.rounds import Rounds
from thresher.compiler.schedule.search import Space
from thresher.compiler.schedule.transfers import Arc, like

__all__ = ["Effort", "Exact", "Outcome", "Target"]

_PATHS = 6  # rules at most from one combination
_VOID = -(1 << 60)
_FINAL = 4  # runs of the solver for a final design, about


@dataclass(frozen=True)
class Target:
    """Cycles at most; None where it does not matter."""

    interval: int | None = None
    latency: int | None = None

    def is_met(self, cycles: Predicted) -> bool:
        """Whether these cycles will do."""
        late = self.interval is not None and cycles.interval > self.interval
        return not late and (self.latency is None or cycles.latency <= self.latency)


@dataclass
class Effort:
    """What may still be done, in units that do not depend on the machine.

    :param variables: of integer programs, each as often as its program is solved.
    :param elements: of streams, each as often as the solver runs over it.
    :param choices: that are estimated.
    :param finals: designs whose FIFOs are made.
    """

    variables: int = 8_000
    elements: int = 4_000_000
    choices: int = 3_000
    finals: int = 16

    @property
    def is_spent(self) -> bool:
        """Nothing more may be done."""
        return min(self.variables, self.elements, self.choices, self.finals) <= 0


@dataclass(frozen=True)
class Outcome:
    """What was found.

    :param candidate: the least area below the bound that was given, or None.
    :param least: no combination below that bound that does has less area than this.
    :param proven: `candidate` has the least area, or there is none.
    """

    candidate: Candidate | None
    least: int
    proven: bool


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """The first few with unlike arcs."""
    found: dict[Hashable, Path] = {}
    for path in paths:
        arcs = frozenset((n, arc) for n, a in path.terms.items() for arc in a if not arc.later)
        if len(found) < _PATHS:
            found.setdefault(arcs, path)
    return list(found.values())


def _numbers(cycles: Sequence[int | None]) -> np.ndarray:
    return np.array([_VOID if c is None else c for c in cycles], np.int64)


class Exact:
    """The combinations of one form of the network."""

    def __init__(self, space: Space) -> None:
        self.space, self.effort = space, Effort()
        self.rounds = Rounds(space.lowered)
        self.elements = sum(stream.elements for stream in space.lowered.streams.values())
        self._kinds: dict[int, Hashable] = {}
        self._transfers: dict[tuple[str, Hashable], dict[Arc, int]] = {}

    def least(
        self,
        target: Target,
        limits: Limits,
        below: int | None,
        fits: Callable[[Candidate], bool],
        effort: Effort,
    ) -> Outcome:
        """The combination of least area that meets the target.

        :param limits: that the kernels keep together.
        :param below: only combinations of less area are looked for.
        :param fits: whether a candidate that meets the target will do.
        :param effort: that is left.
        """
        self.effort = effort
        allowed = {name: self._allowed(name, target, limits) for name in self.space.choices}
        if not all(allowed.values()):
            return Outcome(None, below or 0, True)
        if Effort.elements < _FINAL * self.elements:  # no run of the solver, so no proof
            bounds = (min(area(c.least) for c in every) for every in allowed.values())
            return Outcome(None, sum(bounds), False)
        each = {name: undominated(every, {})[0].figures[0] for name, every in allowed.items()}
        least = sum(each.values())
        if below is not None and least >= below:
            return Outcome(None, below, True)
        spare = 1 << 60 if below is None else below - 1 - least
        program = self._program(allowed, limits, {name: a + spare for name, a in each.items()})
        if program is None:
            return Outcome(None, least, not effort.is_spent)
        while not self.effort.is_spent:
            self.effort.variables -= program.variables
            chosen = cheapest(
                program.groups, program.limits, rules=program.rules, pairs=program.pairs
            )
            if chosen is None:
                return Outcome(None, below or 0, True)
            taken = [found[k] for found, k in zip(program.choices.values(), chosen, strict=True)]
            least = sum(choice.area for choice in taken)
            if below is not None and least >= below:
                return Outcome(None, below, True)
            rules = self._beyond(program, chosen, target)
            if not rules:
                candidate = self._candidate(program, chosen)
                rule = self._missed(program, chosen, candidate, target, fits)
                if rule is None:
                    return Outcome(candidate, least, True)
                rules = [rule]
            program.rules += rules
        return Outcome(None, least, False)

    def _candidate(self, program: Program, chosen: Sequence[int]) -> Candidate:
        space = self.space
        folding: Folding = {
            name: found[k].folding
            for (name, found), k in zip(program.choices.items(), chosen, strict=True)
        }
        return Candidate(space.lowered, folding, space.capacity, space.fifos)

    def _missed(
        self,
        program: Program,
        chosen: Sequence[int],
        candidate: Candidate,
        target: Target,
        fits: Callable[[Candidate], bool],
    ) -> Rule | None:
        """The rule that a candidate which will not do gives; None where it will.

        Whether the cycles do follows from lanes and timings alone; FIFOs that suffice add none.
        """
        self.effort.elements -= self.elements
        met = target.is_met(candidate.ideal)
        if met:
            self.effort.elements -= _FINAL * self.elements
            self.effort.finals -= 1
            if fits(candidate):
                return None
            met = target.is_met(candidate.final.predicted) or bool(candidate.fifos)
        same: dict[int, np.ndarray] = {}
        for group, kinds in enumerate(program.kinds.values()):
            at = chosen[group]
            alike = np.arange(len(kinds)) == at if met else [kind == kinds[at] for kind in kinds]
            same[group] = np.array(alike, np.int64)
        return Rule(same, len(chosen) - 1)

    def _beyond(self, program: Program, chosen: Sequence[int], target: Target) -> list[Rule]:
        """The rules that lower bounds give which are beyond the target."""
        found = {
            name: self._transfer(name, choices[k])
            for (name, choices), k in zip(program.choices.items(), chosen, strict=True)
        }
        for pair, (name, lanes) in enumerate(program.links.items()):
            a, b = program.pairs[pair].of(chosen)
            found[name] = self._between(name, lanes[0][a], lanes[1][b])
        rules = []
        if target.interval is not None:
            paths = _distinct(
                p for p in self.rounds.round_loops(found) if p.cycles > target.interval
            )
            rules += [self._rule(program, found, path, target.interval) for path in paths]
        if target.latency is not None:
            paths = [p for p in self.rounds.through(found) if p.cycles > target.latency]
            rules += [self._rule(program, found, path, target.latency) for path in paths]
        return rules

    def _rule(
        self, program: Program, found: Mapping[str, Mapping[Arc, int]], path: Path, most: int
    ) -> Rule:
        """That a path takes no longer."""
        numbers: dict[int, np.ndarray] = {}
        together: dict[int, np.ndarray] = {}
        mine = {name: path.of(name, found[name]) or 0 for name in path.terms}
        most -= path.cycles - sum(mine.values())
        for group, (name, choices) in enumerate(program.choices.items()):
            if name in path.terms:
                cycles = [path.of(name, self._transfer(name, choice)) for choice in choices]
                numbers[group] = _numbers(cycles)
        for pair, (name, (inputs, outputs)) in enumerate(program.links.items()):
            if name in path.terms:
                cycles = [path.of(name, self._between(name, a, b)) for a in inputs for b in outputs]
                together[pair] = _numbers(cycles).reshape(len(inputs), len(outputs))
        every = [*numbers.values(), *together.values()]
        void = min(0, most - sum(int(n.max()) for n in every))  # allows all others
        for found_numbers in every:
            found_numbers[found_numbers == _VOID] = void
        return Rule(numbers, most, together)

    def _between(self, name: str, i_lanes: int, o_lanes: int) -> Mapping[Arc, int]:
        key = name, (i_lanes, o_lanes)
        if key not in self._transfers:
            self._transfers[key] = self.rounds.between(name, i_lanes, o_lanes)
        return self._transfers[key]

    def _kind(self, choice: Choice) -> Hashable:
        if id(choice) not in self._kinds:
            self._kinds[id(choice)] = like(choice.kernel)
        return self._kinds[id(choice)]

    def _transfer(self, name: str, choice: Choice) -> Mapping[Arc, int]:
        key = name, self._kind(choice)
        if key not in self._transfers:
            self._transfers[key] = self.rounds.transfers(name, choice.kernel)
        return self._transfers[key]

    def _program(
        self, allowed: Mapping[str, Sequence[Choice]], limits: Limits, most: Mapping[str, int]
    ) -> Program | None:
        """The choices of at most these areas; None where a kernel has none, or the effort ends."""
        kept = {name: self._kept(every, limits, most[name]) for name, every in allowed.items()}
        if not all(kept.values()):
            return None
        program = Program(
            {name: [row.choice for row in rows] for name, rows in kept.items()},
            {name: [self._kind(row.choice) for row in rows] for name, rows in kept.items()},
            [np.array([row.figures for row in rows], np.int64) for rows in kept.values()],
            [limits[key] for key in sorted(limits)],
        )
        for name, link in self.rounds.links.items():
            program.add(name, link)
        return program

    def _allowed(self, name: str, target: Target, limits: Limits) -> list[Choice]:
        """A kernel's choices that could keep the interval, with their memories anywhere."""
        most = target.interval
        found = [c for c in self.space.choices[name] if most is None or c.cycles <= most]
        if "dsp" not in limits and any(not c.sparing for c in found):
            found = [c for c in found if not c.sparing]
        return [d for c in found for d in (c, *self.space.moved(c, limits))]

    def _kept(self, choices: Sequence[Choice], limits: Limits, most: int) -> list[Row]:
        """Those of at most this area; of equals in lanes and timing those that none beats."""
        kinds: dict[Hashable, list[Choice]] = {}
        for choice in choices:
            if area(choice.least) <= most:
                self.effort.choices -= 1
                kinds.setdefault(self._kind(choice), []).append(choice)
        if self.effort.is_spent:
            return []
        rows = [row for alike in kinds.values() for row in undominated(alike, limits)]
        return sorted((row for row in rows if row.figures[0] <= most), key=lambda r: r.figures)
