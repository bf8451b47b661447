"""E2: the integer graph against the model file, and the account of every difference.

With float scales the reference adds float32 products in an order of its own, and where such a sum
falls beside a rounding tie the two may round to neighbouring codes. That, and nothing else, is
allowed. For each sample that differs, the first quantiser whose codes differ is looked up, in order
of execution; everything before it agrees, so its float input must agree up to float32 rounding, and
a tie must lie between the two values. So it is where the greatest of equal elements is sought.
Outputs without a quantiser are floats on both sides, and agree up to float32 rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.ports import quantised
from thresher.compiler.reference import Reference
from thresher.compiler.streamline import Streamlined
from thresher.sim.account import Account, Difference, agrees

__all__ = ["Difference", "Equality", "compare_with_reference"]

_ENOUGH = 10  # differences without an explanation


@dataclass(frozen=True)
class Equality:
    """Outcome of E2.

    :param engine: who computed the model file, "onnxruntime" or "onnx.reference".
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
    """Compare all outputs of golden and reference on arrays (N, *shape) by model input, N > 0.

    :raises ThresherError: the inputs do not fit the model.
    """
    graph = model.graph
    ours = Golden(graph).run(quantised(graph.inputs, inputs))
    samples = len(next(iter(ours.values())))
    whole = _all_inputs(reference, inputs, samples)
    theirs = reference.run(whole)
    wrong = np.zeros(samples, dtype=bool)
    for port in graph.outputs:
        same = agrees(port, theirs[port.name], ours[port.name])
        wrong |= ~same.reshape(samples, -1).all(axis=1)
    account = Account(model, reference)
    found: list[Difference] = []
    for n in np.flatnonzero(wrong):
        if sum(d.tie is None for d in found) < _ENOUGH:
            parts = ({k: a[n : n + 1] for k, a in all_.items()} for all_ in (whole, theirs, ours))
            found.append(account.of(int(n), *parts))
    found.sort(key=lambda d: d.tie is not None)
    return Equality(samples, reference.engine, int(wrong.sum()), tuple(found))


def _all_inputs(
    reference: Reference, inputs: Mapping[str, np.ndarray], samples: int
) -> dict[str, np.ndarray]:
    """The inputs, and zeros for those that no output depends on."""
    return {
        name: np.asarray(inputs[name])
        if name in inputs
        else np.zeros((samples, *map(int, reference.shapes[name])), port.dtype)
        for name, port in reference.inputs.items()
    }
