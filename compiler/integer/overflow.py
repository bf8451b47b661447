"""Results that no accumulator holds, refused by name."""

from collections.abc import Callable

from thresher.compiler.errors import ModelError
from thresher.compiler.integer.intervals import ACCUMULATOR_BITS, AccumulatorOverflow, Bounds

__all__ = ["fit", "too_wide"]


def fit(name: str, op: str, bounds: Callable[[], Bounds]) -> Bounds:
    """What `bounds` gives; ModelError where it would take more bits than an accumulator has."""
    try:
        return bounds()
    except AccumulatorOverflow as e:
        raise too_wide(name, op, str(e)) from e


def too_wide(name: str, op: str, found: str) -> ModelError:
    """The error that says so."""
    return ModelError(
        name,
        op,
        f"the accumulator must fit {ACCUMULATOR_BITS} bits, not {found}",
        "use fewer bits or smaller integer constants",
    )
