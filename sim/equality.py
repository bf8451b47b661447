"""E2: the integer graph against the model file, and the account of every difference.

With float scales the reference adds float32 products in an order of its own, and where such a sum
falls beside a rounding tie the two may round to neighbouring codes. That, and nothing else, is
allowed. For each sample that differs, the first quantiser whose codes differ is looked up, in order
of execution; everything before it agrees, so its float input must agree up to float32 rounding, and
a tie must lie between the two values. Outputs without a quantiser are floats on both sides, and
agree up to float32 rounding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thresher.compiler.expr import evaluate
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import OutputPort
from thresher.compiler.integer.ports import dequantised, quantised
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Closing, Streamlined
from thresher.sim.noise import rounding_noise

__all__ = ["Difference", "Equality", "agrees", "compare_with_reference"]

_ENOUGH = 10


@dataclass(frozen=True)
class Difference:
    """The first place where a sample leaves the reference.

    :param tensor: the model's float tensor that is quantised there, or an output of the model.
    :param at: index in the tensor; in a loop the step comes first.
    :param reference: its value in the reference.
    :param ours: its value as float32 of scale times integers.
    :param tie: the value between them at which the quantiser changes its code; None where there is
        none, and the difference has no excuse.
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
        return f"{where}: {values}, tie at {self.tie:.9g} between them"


@dataclass(frozen=True)
class Equality:
    """Outcome of E2.

    :param differing: samples with any output that differs.
    :param differences: the first difference of each, unexplained ones first; after ten that are
        unexplained no further sample is looked into.
    """

    samples: int
    engine: str
    differing: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> int:
        """Samples whose difference no tie explains: must be 0."""
        return self.differing - sum(d.tie is not None for d in self.differences)


def compare_with_reference(
    model: Streamlined, reference: Reference, inputs: Mapping[str, np.ndarray]
) -> Equality:
    """Compare all outputs of golden and reference on arrays (N, *shape) by model input.

    :raises ThresherError: the inputs do not fit the model.
    """
    graph = model.graph
    ours = Golden(graph).run(quantised(graph.inputs, inputs))
    samples = len(next(iter(ours.values())))
    feeds = _all_inputs(reference, inputs, samples)
    theirs = reference.run(feeds)
    wrong = np.zeros(samples, dtype=bool)
    for port in graph.outputs:
        same = agrees(port, theirs[port.name], ours[port.name])
        wrong |= ~same.reshape(samples, -1).all(axis=1)
    account = _Account(model, reference)
    found: list[Difference] = []
    for n in np.flatnonzero(wrong):
        if sum(d.tie is None for d in found) < _ENOUGH:
            one = slice(n, n + 1)
            found.append(
                account.of(
                    int(n),
                    {k: a[one] for k, a in feeds.items()},
                    {k: a[one] for k, a in theirs.items()},
                    {k: a[one] for k, a in ours.items()},
                )
            )
    found.sort(key=lambda d: d.tie is not None)
    return Equality(samples, reference.engine, int(wrong.sum()), tuple(found))


def _all_inputs(
    reference: Reference, inputs: Mapping[str, np.ndarray], samples: int
) -> dict[str, np.ndarray]:
    """The inputs, with zeros for those of the model file that no output depends on."""
    return {
        name: np.asarray(inputs[name])
        if name in inputs
        else np.zeros((samples, *(int(d) for d in reference.shapes[name])), item.dtype)
        for name, item in reference.inputs.items()
    }


def agrees(port: OutputPort, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which of the reference's values of an output are those that our codes stand for."""
    if port.dequantise is None:
        return np.asarray(values == codes)
    tensor, ours = port.tensor, evaluate(port.dequantise, codes)
    noise = rounding_noise(port.dequantise, tensor, codes)
    return np.asarray(np.abs(values.astype(np.float64) - ours) <= noise)


@dataclass(eq=False)
class _Account:
    """Looks for the first difference of one sample after the other."""

    model: Streamlined
    reference: Reference

    @cached_property
    def closings(self) -> list[Closing]:
        return [c for c in self.model.closings if c.source in self.reference.tensors]

    @cached_property
    def golden(self) -> Golden:
        """Before optimisation: one step for each quantiser of the model."""
        return Golden(self.model.source)

    def of(
        self,
        number: int,
        sample: Mapping[str, np.ndarray],
        theirs: Mapping[str, np.ndarray],
        ours: Mapping[str, np.ndarray],
    ) -> Difference:
        """The first difference of sample `number`.

        :param sample: its inputs, (1, *shape).
        :param theirs: the reference's outputs.
        :param ours: golden's outputs.
        """
        used = {p.source: sample[p.source] for p in self.model.source.inputs}
        codes = quantised(self.model.source.inputs, used)
        source = self.golden.run(codes)
        if all((source[name] == array).all() for name, array in ours.items()):
            names = list(dict.fromkeys(c.source for c in self.closings))
            inside = self.reference.intermediates({k: a[0] for k, a in sample.items()}, names)
            tensors = {t.name for c in self.closings for t in (c.before, c.after)}
            mine = self.golden.intermediates(codes, tensors)
            first = next(_first(self.closings, inside, mine), None)
            if first is not None:
                return _difference(*first, inside, mine, number)
        return self._of_output(number, theirs, ours)

    def _of_output(
        self, number: int, theirs: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]
    ) -> Difference:
        """An output that differs although every quantiser agrees, or that optimising changed."""
        outputs = self.model.graph.outputs
        values = dequantised(outputs, ours)
        for port in outputs:
            wrong = ~agrees(port, theirs[port.name], ours[port.name])[0]
            if wrong.any():
                at = tuple(int(i) for i in np.argwhere(wrong)[0])
                one, other = (float(a[port.name][0][at]) for a in (theirs, values))
                return Difference(number, port.name, at, one, other, None)
        raise AssertionError("the sample does not differ")


def _first(
    closings: list[Closing], theirs: Mapping[str, np.ndarray], mine: Mapping[str, np.ndarray]
) -> Iterator[tuple[Closing, int | None, np.ndarray]]:
    """(closing, step, mask of elements) of differing codes, the first in order of execution."""
    k = 0
    while k < len(closings):
        loop = closings[k].loop
        group = [closings[k]]
        while loop and k + len(group) < len(closings) and closings[k + len(group)].loop == loop:
            group.append(closings[k + len(group)])
        masks = [_differs(c, theirs[c.source], mine) for c in group]
        if not loop:
            if masks[0].any():
                yield closings[k], None, masks[0]
        else:
            steps = [np.flatnonzero(m.reshape(len(m), -1).any(axis=1)) for m in masks]
            firsts = [(int(s[0]), j) for j, s in enumerate(steps) if len(s)]
            if firsts:
                step, j = min(firsts)
                yield group[j], step, masks[j][step]
        k += len(group)


def _differs(closing: Closing, reference: np.ndarray, mine: Mapping[str, np.ndarray]) -> np.ndarray:
    codes = mine[closing.after.name][0]
    return np.asarray(evaluate(closing.codes, reference.reshape(codes.shape)) != codes)


def _difference(
    closing: Closing,
    step: int | None,
    mask: np.ndarray,
    theirs: Mapping[str, np.ndarray],
    mine: Mapping[str, np.ndarray],
    number: int,
) -> Difference:
    """The first element of the mask that no tie explains, or else the first of them all."""
    before, after = mine[closing.before.name][0], mine[closing.after.name][0]
    reference = theirs[closing.source].reshape(after.shape)
    if step is not None:
        before, after, reference = before[step], after[step], reference[step]
    ours = np.broadcast_to(evaluate(closing.expr, before), after.shape)
    noise = rounding_noise(closing.expr, closing.before, before)
    # Ours must give golden's code, and the reference's value another: then a tie lies between.
    sound = evaluate(closing.codes, ours) == after
    near = np.abs(reference.astype(np.float64) - ours) <= noise
    unexplained = mask & ~(sound & near)
    worst = unexplained if unexplained.any() else mask
    at = tuple(int(i) for i in np.argwhere(worst)[0])
    one, other = float(reference[at]), float(ours[at])
    tie = None if unexplained.any() else _tie(closing, at, one, other)
    return Difference(number, closing.source, at if step is None else (step, *at), one, other, tie)


def _tie(closing: Closing, at: tuple[int, ...], one: float, other: float) -> float:
    """The least float32 above the lower value with another code than it, by bisection."""
    shape = closing.after.shape

    def code(value: np.float32) -> float:
        return float(evaluate(closing.codes, np.full(shape, value, np.float32))[at])

    low, high = np.float32(min(one, other)), np.float32(max(one, other))
    start = code(low)
    while np.nextafter(low, high) < high:
        middle = np.float32((np.float64(low) + np.float64(high)) / 2)
        if code(middle) == start:
            low = middle
        else:
            high = middle
    return float(high)
