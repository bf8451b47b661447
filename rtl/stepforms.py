"""The forms of step functions in hardware, and which is the smallest for a function."""

from collections.abc import Mapping

from thresher.rtl.comparators import ComparatorStep
from thresher.rtl.searchstep import SearchStep
from thresher.rtl.stepfunction import StepFunction
from thresher.rtl.steppipeline import StepPipeline, TableStep, area_cost

__all__ = ["FORMS", "step_pipeline"]

_CLASSES: Mapping[str, type[StepPipeline]] = {
    "comparators": ComparatorStep,
    "table": TableStep,
    "search": SearchStep,
}

FORMS = ("auto", "fast", *_CLASSES)
"""How the hardware of a step function may be asked for."""


def step_pipeline(
    function: StepFunction, *, lanes: int, form: str = "auto", memory: str = "auto"
) -> StepPipeline:
    """The register stages of a minimal step function.

    :param form: one of `FORMS`; "auto" is the one that is estimated smallest, registers included
        (`area_cost`), and of equal ones that of least latency; "fast" that of least latency, and
        of equal ones the smallest.
    :raises ValueError: where the function cannot be made in this form.
    """
    if form not in ("auto", "fast"):
        pipeline = _CLASSES[form](function=function, lanes=lanes, memory=memory)
        if (refusal := pipeline.refusal) is not None:
            raise ValueError(refusal)
        return pipeline
    if function.out_lo == function.out_hi:
        return ComparatorStep(function=function, lanes=lanes, memory=memory)
    made = (kind(function=function, lanes=lanes, memory=memory) for kind in _CLASSES.values())
    possible = [pipeline for pipeline in made if pipeline.refusal is None]
    if form == "fast":
        return min(possible, key=lambda p: (p.latency, area_cost(p.resources())))
    return min(possible, key=lambda p: (area_cost(p.resources()), p.latency))
