"""E2: the integer graph against the model file, and the account of every difference.

With float scales the reference adds float32 products in an order of its own, and where such a sum
falls beside a rounding tie the two may round to neighbouring codes. That, and nothing else, is
allowed. For each sample that differs, the first quantiser whose codes differ is looked up, in order
of execution; everything before it agrees, so its float input must agree up to float32 rounding, and
a tie must lie between the two values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler import analysis
from thresher.compiler.expr import evaluate
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ir import IntegerGraph, OutputPort
from thresher.compiler.integer.ports import quantised
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Closing, Streamlined

__all__ = ["Difference", "Equality", "compare_with_reference", "output_codes"]

_EXACT_SUM = 1 << 24  # integers that float32 holds, and so adds, without rounding
_FINEST = 16
_SUM_ERROR = 2.0**-19
"""Error of a float32 sum, relative to the greatest magnitude that the sum can reach."""


@dataclass(frozen=True)
class Difference:
    """The first place where a sample leaves the reference.

    :param tensor: the model's float tensor that is quantised there.
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

    :param differing: samples with any output code that differs.
    :param differences: the first difference of each.
    """

    samples: int
    engine: str
    differing: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> int:
        """Differences that no tie explains: must be 0."""
        return sum(d.tie is None for d in self.differences)


def compare_with_reference(
    model: Streamlined, reference: Reference, inputs: Mapping[str, np.ndarray]
) -> Equality:
    """Compare all outputs of golden and reference on arrays (N, *shape) by model input."""
    graph = model.graph
    codes = quantised(graph.inputs, inputs)
    ours = Golden(graph).run(codes)
    theirs = reference.run(_complete(reference, inputs))
    samples = len(next(iter(ours.values())))
    wrong = np.zeros(samples, dtype=bool)
    for port in graph.outputs:
        same = output_codes(port, theirs[port.name], ours[port.name]) == ours[port.name]
        wrong |= ~same.reshape(samples, -1).all(axis=1)
    differences = tuple(
        _explain(model, reference, {k: a[n] for k, a in inputs.items()}, int(n))
        for n in np.flatnonzero(wrong)
    )
    return Equality(samples, reference.engine, int(wrong.sum()), differences)


def _complete(
    reference: Reference, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The inputs, and zeros for those that no output depends on."""
    count = len(next(iter(inputs.values())))
    return {
        name: np.asarray(inputs[name])
        if name in inputs
        else np.zeros((count, *map(int, reference.shapes[name])), port.dtype)
        for name, port in reference.inputs.items()
    }


def output_codes(port: OutputPort, values: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """int64 codes of the reference's values of an output.

    Where the output is scale * code + offset, that is undone. Other functions of the code are
    compared where they are: the result is `ours` where the values agree and `ours` + 1 elsewhere.
    """
    if port.dequantise is None:
        return np.where(values == np.rint(values), values, ours + 1).astype(np.int64)
    found = analysis.affine(port.dequantise)
    if found is not None and np.all(found[0]):
        scale, offset = found
        exact = (values.astype(np.float64) - offset) / scale
        codes = np.rint(exact)
        reach = max(-port.tensor.lo, port.tensor.hi, 1) + float(np.abs(offset / scale).max())
        near = np.abs(exact - codes) <= _SUM_ERROR * reach + 2.0**-20
        return np.where(near, codes, ours + 1).astype(np.int64)
    mine = evaluate(port.dequantise, ours)
    near = np.abs(values - mine) <= 2.0**-20 * np.maximum(np.abs(values), np.abs(mine))
    return np.where(near, ours, ours + 1).astype(np.int64)


def _explain(
    model: Streamlined, reference: Reference, sample: Mapping[str, np.ndarray], number: int
) -> Difference:
    closings = [c for c in model.closings if c.source in reference.tensors]
    whole = _complete(reference, {k: a[None] for k, a in sample.items()})
    single = {k: a[0] for k, a in whole.items()}
    theirs = reference.intermediates(single, list(dict.fromkeys(c.source for c in closings)))
    stacked = quantised(model.source.inputs, {k: a[None] for k, a in sample.items()})
    names = {t.name for c in closings for t in (c.before, c.after)}
    mine = Golden(model.source).intermediates(stacked, names)
    for closing, step, at in _first(closings, theirs, mine):
        return _difference(closing, step, at, theirs, mine, number)
    return Difference(number, _output_name(model.graph), (), float("nan"), float("nan"), None)


def _output_name(graph: IntegerGraph) -> str:
    return graph.outputs[0].name


def _first(
    closings: list[Closing], theirs: Mapping[str, np.ndarray], mine: Mapping[str, np.ndarray]
) -> Iterator[tuple[Closing, int | None, np.ndarray]]:
    """(closing, step, mask of elements) of the first differing codes in order of execution."""
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
    return evaluate(closing.codes, reference.reshape(codes.shape)) != codes


def _difference(
    closing: Closing,
    step: int | None,
    mask: np.ndarray,
    theirs: Mapping[str, np.ndarray],
    mine: Mapping[str, np.ndarray],
    number: int,
) -> Difference:
    """The first element of the mask, or the first of them that no tie explains."""
    before, after = mine[closing.before.name][0], mine[closing.after.name][0]
    reference = theirs[closing.source].reshape(after.shape)
    if step is not None:
        before, after, reference = before[step], after[step], reference[step]
    ours = evaluate(closing.expr, before)
    bound = np.broadcast_to(_noise(closing, ours, reference), after.shape)
    found = None
    for index in np.argwhere(mask):
        at = tuple(int(i) for i in index)
        tie = _tie(closing, at, float(ours[at]), float(reference[at]))
        excused = abs(float(ours[at]) - float(reference[at])) <= float(bound[at])
        place = at if step is None else (step, *at)
        difference = Difference(
            number,
            closing.source,
            place,
            float(reference[at]),
            float(ours[at]),
            tie if excused else None,
        )
        if found is None or difference.tie is None:
            found = difference
        if not excused:
            break
    assert found is not None
    return found


def _noise(closing: Closing, ours: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far float32 rounding may put the reference from ours; 0 where nothing is rounded."""
    found = analysis.affine(closing.expr)
    if found is None:
        return 2.0**-21 * np.maximum(np.abs(ours), np.abs(reference))
    scale, offset = found
    reach = max(-closing.before.lo, closing.before.hi, 1)
    if _exact_sum(scale, offset, reach):
        return np.zeros(())
    return _SUM_ERROR * (np.abs(scale) * reach + np.abs(offset))


def _exact_sum(scale: np.ndarray, offset: np.ndarray, reach: int) -> bool:
    """Whether float32 adds all terms without rounding: multiples of one power of two, all small."""
    if not (np.abs(np.frexp(scale)[0]) == 0.5).all():
        return False
    units = offset / scale
    fine = next((k for k in range(_FINEST) if (units * 2.0**k == np.rint(units * 2.0**k)).all()), 0)
    whole = bool((units * 2.0**fine == np.rint(units * 2.0**fine)).all())
    return whole and (reach + float(np.abs(units).max())) * 2.0**fine < _EXACT_SUM


def _tie(closing: Closing, at: tuple[int, ...], one: float, other: float) -> float:
    """The float32 value between the two at which the quantiser's code changes, by bisection."""
    rank = len(closing.after.shape)

    def code(value: np.float32) -> float:
        whole = np.full((1,) * rank, value, np.float32)
        codes = evaluate(closing.codes, whole)
        return float(
            np.broadcast_to(codes, np.broadcast_shapes(codes.shape, (1,) * rank))[
                tuple(i if n > 1 else 0 for i, n in zip(at, codes.shape, strict=True))
            ]
        )

    low, high = np.float32(min(one, other)), np.float32(max(one, other))
    start = code(low)
    while np.nextafter(low, high) < high:
        middle = np.float32((np.float64(low) + np.float64(high)) / 2)
        if middle in (low, high):
            break
        if code(middle) == start:
            low = middle
        else:
            high = middle
    return float(high) if code(low) == start and start != code(high) else float(low)
