"""Recorded vectors: inputs, their codes, and the codes that the golden model gives for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from thresher.boards.host.errors import InputError
from thresher.boards.host.model import Model

__all__ = ["Vectors", "load_vectors"]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Arrays (N, *shape) in the order of the model's inputs and outputs.

    :param values: what a user gives for each input; None where only codes can be given.
    :param codes: int64 of each input.
    :param outputs: int64 codes of each output.
    """

    values: tuple[np.ndarray | None, ...]
    codes: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """As a .npz names them: value<k>, code<k> by input, output<k> by output."""
        found: dict[str, np.ndarray] = {}
        for word, parts in (
            ("value", self.values), ("code", self.codes), ("output", self.outputs),
        ):  # fmt: skip
            found |= {f"{word}{k}": a for k, a in enumerate(parts) if a is not None}
        return found


def load_vectors(source: "str | Path | Vectors", model: Model) -> Vectors:
    """The vectors of a .npz.

    :raises InputError: it cannot be read, or its arrays are not of this model.
    """
    if isinstance(source, Vectors):
        return source
    try:
        with np.load(source, allow_pickle=False) as held:
            arrays: dict[str, Any] = dict(held)
    except (OSError, ValueError, EOFError, BadZipFile) as e:
        raise InputError(f"'{source}' cannot be read ({e}); give a driver's vectors.npz") from e
    try:
        found = Vectors(
            tuple(arrays.get(f"value{k}") for k, _ in enumerate(model.inputs)),
            tuple(arrays[f"code{k}"] for k, _ in enumerate(model.inputs)),
            tuple(arrays[f"output{k}"] for k, _ in enumerate(model.outputs)),
        )
    except KeyError as e:
        raise InputError(f"'{source}' lacks {e}; give the vectors.npz of this model") from e
    shapes = [p.shape for p in model.inputs] + [o.shape for o in model.outputs]
    for shape, array in zip(shapes, (*found.codes, *found.outputs), strict=True):
        if array.shape[1:] != shape or not len(array):
            raise InputError(
                f"'{source}' has an array {array.shape} where samples of {shape} are due; give "
                "the vectors.npz of this model"
            )
    return found
