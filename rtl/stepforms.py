"""The forms of step functions in hardware, and which is the smallest for a function."""

from collections.abc import Mapping
from functools import lru_cache

from thresher.rtl.affinestep import AffineStep
from thresher.rtl.comparators import ComparatorStep
from thresher.rtl.memorysearch import MemorySearchStep
from thresher.rtl.multiplystep import MultiplyStep
from thresher.rtl.offsetstep import OffsetStep
from thresher.rtl.roundedstep import RoundedStep
from thresher.rtl.searchstep import SearchStep
from thresher.rtl.shiftstep import ShiftStep
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline, TableStep, area_cost

__all__ = ["FORMS", "step_pipeline"]

_CLASSES: Mapping[str, tuple[type[StepPipeline], ...]] = {
    "comparators": (ComparatorStep,),
    "table": (TableStep,),
    "search": (SearchStep, MemorySearchStep),
    "shift": (ShiftStep,),
    "rounded": (RoundedStep,),
    "offset": (OffsetStep,),
    "affine": (AffineStep, MultiplyStep),
}

FORMS = ("auto", "fast", *_CLASSES)
"""How the hardware of a step function may be asked for."""


def step_pipeline(
    function: StepFunction, *, lanes: int, form: str = "auto", memory: str = "auto"
) -> StepPipeline:
    """The register stages of a minimal step function.

    :param form: one of `FORMS`; "auto" is the one that is estimated smallest, registers included
        (`area_cost`), and of equal ones that of least latency; "fast" that of least latency
        without a block RAM, and of equal ones the smallest.
    :raises ValueError: where the function cannot be made in this form.
    """
    return _chosen(function, lanes, form, memory)


@lru_cache(maxsize=1024)
def _chosen(function: StepFunction, lanes: int, form: str, memory: str) -> StepPipeline:
    free = form in ("auto", "fast")
    kinds = sum(_CLASSES.values(), ()) if free else _CLASSES[form]
    if free and function.out_lo == function.out_hi:
        kinds = _CLASSES["comparators"]
    made = [kind(function=function, lanes=lanes, memory=memory) for kind in kinds]
    possible = [pipeline for pipeline in made if pipeline.refusal is None]
    if not possible:
        raise ValueError(made[-1 if function.channels > lanes else 0].refusal)
    if form == "fast":
        logic = [p for p in possible if p.area.bram18 == 0] or possible
        return min(logic, key=lambda p: (p.latency, area_cost(p.area + p.control)))
    return min(possible, key=lambda p: (area_cost(p.area + p.control), p.latency))
