"""What Vivado's reports say: areas, slacks, and which Vivado it was."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from thresher.compiler.errors import ThresherError

__all__ = ["Slacks", "slacks", "tool_version", "utilisation"]

_SITES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lut": ("Slice LUTs", "CLB LUTs"),
        "lutram": ("LUT as Memory",),
        "ff": ("Slice Registers", "CLB Registers"),
        "bram36": ("Block RAM Tile",),
        "uram": ("URAM",),
        "dsp": ("DSPs",),
    }
)
"""Rows of `report_utilization`, as 7-series and UltraScale+ call them; 7-series has no URAM."""


@dataclass(frozen=True)
class Slacks:
    """Worst slacks over all paths, in ns: of setup and of hold. Negative is failed timing."""

    setup: float
    hold: float

    @property
    def met(self) -> bool:
        """Whether all paths meet their timing."""
        return self.setup >= 0 and self.hold >= 0

    def fmax_mhz(self, clock_mhz: float) -> float:
        """An estimate of the fastest clock: of the period without the slack that is left."""
        return 1000 / (1000 / clock_mhz - self.setup)


def utilisation(report: str) -> dict[str, dict[str, float]]:
    """Used and available of each resource, from `report_utilization`.

    :raises ThresherError: a row is missing.
    """
    rows: dict[str, dict[str, float]] = {}
    columns: list[str] = []
    for line in report.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if "Used" in cells:
            columns = cells
        elif columns and len(cells) == len(columns):
            found = dict(zip(columns, cells, strict=True))
            site = cells[0].rstrip("*")
            if "Available" in found and site not in rows:
                rows[site] = {"used": _number(found["Used"]), "of": _number(found["Available"])}
    result = {}
    for name, sites in _SITES.items():
        row = next((rows[site] for site in sites if site in rows), None)
        if row is None and name != "uram":
            raise _unreadable("utilisation report", f"no row '{sites[0]}'")
        result[name] = row or {"used": 0.0, "of": 0.0}
    return result


def slacks(report: str) -> Slacks:
    """The worst slacks of the whole design, from `report_timing_summary`.

    :raises ThresherError: they are not there.
    """
    lines = iter(report.splitlines())
    for line in lines:
        names = re.split(r"\s{2,}", line.strip())
        if "WNS(ns)" in names and "WHS(ns)" in names:
            next(lines, "")
            values = re.split(r"\s{2,}", next(lines, "").strip())
            found = dict(zip(names, values, strict=False))
            try:
                return Slacks(float(found["WNS(ns)"]), float(found["WHS(ns)"]))
            except (KeyError, ValueError) as e:
                raise _unreadable("timing report", "no slack") from e
    raise _unreadable("timing report", "no design timing summary")


def tool_version(report: str) -> str | None:
    """Vivado's own words about its version, from the head of any report."""
    found = re.search(r"^\| Tool Version\s*:\s*(.*?)\s*$", report, re.MULTILINE)
    return found[1] if found else None


def _number(text: str) -> float:
    text = text.removeprefix("<")
    return float(text) if text else 0.0


def _unreadable(what: str, why: str) -> ThresherError:
    return ThresherError(
        f"Vivado's {what} cannot be read ({why}); look at it and report its Vivado version"
    )
