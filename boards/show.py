"""What the command line prints about boards and builds."""

from typing import Any

from thresher.boards.registry import BOARDS
from thresher.boards.vivado.build import Built, NotRun
from thresher.boards.vivado.project import Project
from thresher.gen.show import table

__all__ = ["boards", "built", "not_run"]

_TITLES = {
    "lut": "LUT",
    "lutram": "of them memory",
    "ff": "FF",
    "dsp": "DSP",
    "bram36": "BRAM36",
    "uram": "URAM",
}


def boards() -> str:
    """Every board: name, title, FPGA, link and clock."""
    return table(
        [
            (b.name, f"{b.title}: {b.part}, {b.link.kind}, {b.clock_mhz:g} MHz")
            for b in BOARDS.values()
        ]
    )


def not_run(done: NotRun, project: Project) -> str:
    """After a build that has only written the project."""
    return table(
        [
            ("project", str(done.folder)),
            ("not built", f"{done.why}; where it is, run"),
            ("command", done.command),
            ("leaves", ", ".join(project.outputs)),
        ]
    )


def built(done: Built) -> str:
    """After a build: the bitstream, slacks and areas."""
    result: dict[str, Any] = done.result
    rows = [
        ("board", f"{done.project.board.name} ({result['tool']})"),
        ("clock", f"{result['clock_mhz']:g} MHz, about {result['fmax_mhz_estimate']:g} reachable"),
        ("slack", f"WNS {result['wns_ns']:g} ns, WHS {result['whs_ns']:g} ns"),
    ]
    for name, title in _TITLES.items():
        area = result["utilisation"][name]
        if area["of"]:
            share = area["used"] / area["of"]
            rows.append((title, f"{area['used']:g} of {area['of']:g} ({share:.0%})"))
    rows.append(("bitstream", str(done.folder / done.project.outputs[0])))
    if not done.fresh:
        rows.append(("built", "before: nothing has changed"))
    return table(rows)
