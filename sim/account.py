"""The account of a difference in E2: where a sample first leaves the reference, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thresher.compiler import analysis
from thresher.compiler.expr import evaluate
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import OutputPort
from thresher.compiler.integer.ports import dequantised, quantised
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Closing, Streamlined
from thresher.sim.noise import rounding_noise

__all__ = ["Account", "Difference", "agrees"]

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """The first place where a sample leaves the reference.

    :param tensor: the model's float tensor that is quantised there (or whose greatest element is
        looked for), or an output of the model.
    :param at: index in the tensor; in a loop the step comes first.
    :param reference: its value in the reference.
    :param ours: its value as float32 of scale times integers.
    :param tie: the value between them at which the quantiser changes its code (or the other
        element that is as great); None where there is none, and the difference has no excuse.
    """

    sample: int
    tensor: str
    at: tuple[int, ...]
    reference: float
    ours: float
    tie: float | None

    def __str__(self) -> str:
        where = f"sample {self.sample}, tensor '{self.tensor}' at {self.at}"
        values = f"reference {self.reference:.9g}, integers {self.ours:.9g}"
        if self.tie is None:
            return f"{where}: {values}: no rounding tie explains this"
        return f"{where}: {values}: explained by the tie at {self.tie:.9g}"


def agrees(port: OutputPort, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which of the reference's values of an output are those that our codes stand for.

    Up to float32 rounding, but always nearer to our code than to any other.
    """
    if port.dequantise is None:
        return np.asarray(values == codes)
    found = analysis.affine(port.dequantise)
    half = np.inf if found is None else np.abs(found[0]) / 2
    return _distance(port, values, codes) <= np.minimum(_noise(port, codes), half)


def _distance(port: OutputPort, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    ours = codes if port.dequantise is None else evaluate(port.dequantise, codes)
    return np.asarray(np.abs(values.astype(np.float64) - ours))


def _noise(port: OutputPort, codes: np.ndarray) -> np.ndarray:
    if port.dequantise is None:
        return np.zeros(())
    return rounding_noise(port.dequantise, port.tensor, codes)


@dataclass(eq=False)
class Account:
    """Looks for the first difference of one sample after the other."""

    model: Streamlined
    reference: Reference

    @cached_property
    def closings(self) -> list[Closing]:
        """The quantisers whose float input the reference can show."""
        return [c for c in self.model.closings if c.source in self.reference.tensors]

    @cached_property
    def golden(self) -> Golden:
        """Before optimisation: one step for each quantiser of the model."""
        return Golden(self.model.source)

    def of(self, number: int, sample: Arrays, theirs: Arrays, ours: Arrays) -> Difference:
        """The first difference of sample `number`, whose outputs differ.

        :param sample: its inputs, (1, *shape).
        :param theirs: the reference's outputs, (1, *shape).
        :param ours: golden's codes of the outputs, (1, *shape).
        """
        ports = self.model.source.inputs
        codes = quantised(ports, {p.source: sample[p.source] for p in ports})
        source = self.golden.run(codes)
        sound = all((source[name] == array).all() for name, array in ours.items())
        if sound:
            names = list(dict.fromkeys(c.source for c in self.closings))
            inside = self.reference.intermediates({k: a[0] for k, a in sample.items()}, names)
            tensors = {t.name for c in self.closings for t in (c.before, c.after)}
            mine = {k: a[0] for k, a in self.golden.intermediates(codes, tensors).items()}
            first = next(_differing(self.closings, inside, mine), None)
            if first is not None:
                return _explained(first, number)
        return self._of_output(number, theirs, ours, sound)

    def _of_output(self, number: int, theirs: Arrays, ours: Arrays, sound: bool) -> Difference:
        """An output that differs although every quantiser agrees, or that optimising changed.

        Without a quantiser, float32 rounding may be greater than a code.

        :param sound: the graph gives what it gave before optimisation.
        """
        outputs = self.model.graph.outputs
        values = dequantised(outputs, ours)
        found = None
        for port in outputs:
            theirs_, codes = theirs[port.name], ours[port.name]
            wrong = ~agrees(port, theirs_, codes)
            far = wrong & (_distance(port, theirs_, codes) > _noise(port, codes))
            for mask in (far, wrong):
                if mask.any() and (found is None or found.tie is not None):
                    at = tuple(int(i) for i in np.argwhere(mask)[0])
                    one, other = float(theirs_[at]), float(values[port.name][at])
                    tie = (one + other) / 2 if sound and mask is wrong else None
                    found = Difference(number, port.name, at[1:], one, other, tie)
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class _Place:
    """One execution of a quantiser, or of a search for the greatest element.

    :param step: of the loop; None outside.
    :param before: our integers that go in.
    :param after: our codes that come out.
    :param reference: the reference's floats that go in, laid out as the codes.
    """

    closing: Closing
    step: int | None
    before: np.ndarray
    after: np.ndarray
    reference: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """What the reference's floats give."""
        closing = self.closing
        if closing.codes is not None:
            return evaluate(closing.codes, self.reference)
        floats = self.reference[..., ::-1] if closing.last else self.reference
        found = np.argsort(floats * -closing.sign, axis=-1, kind="stable")
        found = found[..., : self.after.shape[-1]]
        return floats.shape[-1] - 1 - found if closing.last else found


def _differing(closings: list[Closing], theirs: Arrays, mine: Arrays) -> Iterator[_Place]:
    """Places whose codes differ, in order of execution."""
    k = 0
    while k < len(closings):
        loop = closings[k].loop
        group = [closings[k]]
        while loop and k + len(group) < len(closings) and closings[k + len(group)].loop == loop:
            group.append(closings[k + len(group)])
        k += len(group)
        steps = len(mine[group[0].after.name]) if loop else 0
        for step in range(steps) if loop else [None]:
            for closing in group:
                place = _place(closing, step, theirs, mine)
                if (place.codes != place.after).any():
                    yield place


def _place(closing: Closing, step: int | None, theirs: Arrays, mine: Arrays) -> _Place:
    arrays = mine[closing.before.name], mine[closing.after.name], theirs[closing.source]
    before, after, reference = arrays if step is None else (a[step] for a in arrays)
    if closing.codes is None:
        floats = np.moveaxis(reference, closing.axis, -1).reshape(before.shape)
    else:
        floats = reference.reshape(after.shape)
    return _Place(closing, step, before, after, floats)


def _explained(place: _Place, number: int) -> Difference:
    """The first element that no tie explains, or else the first of those that differ."""
    closing = place.closing
    if closing.codes is None:
        return _other_greatest(place, number)
    ours = np.broadcast_to(evaluate(closing.expr, place.before), place.after.shape)
    mask = place.codes != place.after
    # Ours must give golden's code, and the reference's value another: then a tie lies between.
    sound = evaluate(closing.codes, ours) == place.after
    unexplained = mask & ~(sound & _near(place, ours))
    worst = unexplained if unexplained.any() else mask
    at = tuple(int(i) for i in np.argwhere(worst)[0])
    one, other = float(place.reference[at]), float(ours[at])
    tie = None if unexplained.any() else _tie(closing, at, one, other)
    return _difference(place, number, at, one, other, tie)


def _near(place: _Place, ours: np.ndarray) -> np.ndarray:
    noise = rounding_noise(place.closing.expr, place.closing.before, place.before)
    return np.asarray(np.abs(place.reference.astype(np.float64) - ours) <= noise)


def _other_greatest(place: _Place, number: int) -> Difference:
    """Our greatest element and the reference's must be equal but for rounding.

    With all elements near those of the reference they are; where nothing is rounded, the same one
    of equal elements must be taken.
    """
    ours = np.broadcast_to(evaluate(place.closing.expr, place.before), place.before.shape)
    noise = rounding_noise(place.closing.expr, place.closing.before, place.before)
    excused = bool(_near(place, ours).all() and (noise > 0).all())
    row = tuple(int(i) for i in np.argwhere(place.codes != place.after)[0])
    at, chosen = ((*row[:-1], int(a[row])) for a in (place.codes, place.after))
    ordered = np.sort(ours[row[:-1]] * -place.closing.sign)
    greatest = float(ours[chosen]) == -place.closing.sign * float(ordered[row[-1]])
    tie = float(ours[chosen]) if excused and greatest else None
    return _difference(place, number, at, float(place.reference[at]), float(ours[at]), tie)


def _difference(
    place: _Place,
    number: int,
    at: tuple[int, ...],
    reference: float,
    ours: float,
    tie: float | None,
) -> Difference:
    where = at if place.step is None else (place.step, *at)
    return Difference(number, place.closing.source, where, reference, ours, tie)


def _tie(closing: Closing, at: tuple[int, ...], one: float, other: float) -> float:
    """The least float32 above the lower value with another code than it, by bisection."""
    assert closing.codes is not None
    expr, shape = closing.codes, closing.after.shape

    def code(value: np.float32) -> float:
        return float(evaluate(expr, np.full(shape, value, np.float32))[at])

    low, high = np.float32(min(one, other)), np.float32(max(one, other))
    start = code(low)
    while np.nextafter(low, high) < high:
        middle = np.float32((np.float64(low) + np.float64(high)) / 2)
        if code(middle) == start:
            low = middle
        else:
            high = middle
    return float(high)
