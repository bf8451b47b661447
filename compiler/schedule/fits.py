"""Whether a design fits its limits: the excess, how it is told, what is left for the kernels."""

from collections.abc import Sequence

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.choice import Limits, figures
from thresher.compiler.schedule.choose import Family
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.folding import Folding
from thresher.compiler.schedule.links import estimate
from thresher.rtl.kernel import Resources

__all__ = ["excess", "scarcest", "tighten", "too_small"]


def tighten(
    spare: dict[str, int], family: Family, folding: Folding, excesses: Limits, attempt: int
) -> None:
    """Leave the kernels less than they take in this folding, by the excess and ever more."""
    choices = [family.space.choice(name, f) for name, f in folding.items()]
    for name, beyond in excesses.items():
        taken = sum(choice.used[name] for choice in choices)
        spare[name] = min(spare[name], taken) - (beyond << attempt)


def excess(used: Resources, limits: Limits) -> dict[str, int]:
    """By resource how much is used beyond the limit."""
    found = figures(used)
    return {n: found[n] - most for n, most in limits.items() if n in found and found[n] > most}


def _shown(name: str, limit: int, need: int) -> tuple[str, int, int]:
    """A resource as users call it: block RAMs in units of 36 Kbit."""
    return ("bram", limit // 2, -(-need // 2)) if name == "bram18" else (name, limit, need)


def scarcest(design: Design, limits: Limits) -> str:
    """The limited resource of which least is left."""
    used = figures(estimate(design))
    name = max(limits, key=lambda n: used[n] / max(1, limits[n]))
    label, limit, _ = _shown(name, limits[name], used[name])
    return f"{label} = {limit}"


def too_small(families: Sequence[Family], limits: Limits) -> ThresherError:
    """Nothing fits: the resource that even the most folded design exceeds."""
    figure = ""
    for family in families:
        folding = family.at(family.budgets[-1], {})
        assert folding is not None
        over = excess(family.candidate(folding).resources, limits)
        for name, beyond in over.items():
            label, limit, need = _shown(name, limits[name], limits[name] + beyond)
            figure = f"{label} = {limit}, not take {need} even folded the most; allow {need}"
            break
    figure = figure or "these limits together; allow more of the scarcest"
    return ThresherError(f"capacity: the design must fit {figure}")
