"""FIFOs in a folding: how deep, and where their memories are, of those for which it says so.

A FIFO has the name of its edge, "kernel.port -> kernel.port", a port of the top without a kernel.
What is left out follows the rules: the least depth (`thresher.compiler.schedule.fifos`) and the
memory that the budget leaves room for (`thresher.compiler.schedule.fifomemory`). As a depth, "auto"
is the same; as a memory it is the cheaper of LUTRAM and block RAM.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.cycles import Deadlock
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.fifos import MIN_DEPTH
from thresher.compiler.schedule.links import Link, links
from thresher.compiler.schedule.predict import predict
from thresher.compiler.schedule.requests import MEMORY
from thresher.rtl.binding import memory_styles
from thresher.rtl.fifo import Fifo
from thresher.rtl.lutram import RAMS

__all__ = ["FifoFolding", "check_fifos", "finished", "with_fifos", "written_fifos"]

FifoFolding = Mapping[str, Mapping[str, Any]]
"""Edge -> {"depth": beats, "memory": style}, either of which may be left out or "auto".

{.., "least": beats} tells the depth that would do, for the reader; nothing follows from it.
"""

_AUTO = "auto"
_MOST_DEPTH = 1 << 16
_EXAMPLE = {"depth": 64, MEMORY: _AUTO}


def check_fifos(fifos: object, ultra: bool = False) -> FifoFolding:
    """`fifos`, every entry of which asks for what a FIFO can be; `with_fifos` knows the edges.

    :param ultra: there is UltraRAM.
    :raises ThresherError: names the edge, the rule and the allowed values.
    """
    if not isinstance(fifos, Mapping):
        raise ThresherError(
            f"folding of 'fifos': it must be an object of edges, not {json.dumps(fifos)}; "
            f"write {json.dumps({'a.o -> b.i': _EXAMPLE})}"
        )
    for edge, entry in fifos.items():
        if not isinstance(entry, Mapping) or not set(entry) <= {"depth", MEMORY, "least"}:
            raise _refused(
                edge, f"it may give 'depth' and '{MEMORY}'", entry, f"write {json.dumps(_EXAMPLE)}"
            )
        _check_depth(edge, entry.get("depth", _AUTO))
        _check_memory(edge, entry.get(MEMORY, _AUTO), ultra)
    return fifos


def _refused(edge: str, rule: str, value: object, remedy: str) -> ThresherError:
    return ThresherError(f"folding of FIFO '{edge}': {rule}, not {json.dumps(value)}; {remedy}")


def _check_depth(edge: str, depth: object) -> None:
    whole = isinstance(depth, int) and not isinstance(depth, bool)
    if depth == _AUTO or (whole and depth in range(MIN_DEPTH, _MOST_DEPTH + 1)):
        return
    rule = f"depth must be auto or a whole number from {MIN_DEPTH} to {_MOST_DEPTH}"
    raise _refused(edge, rule, depth, "choose one of these")


def _check_memory(edge: str, memory: object, ultra: bool) -> None:
    styles = tuple(style for style in RAMS if ultra or style != "ultra")
    if memory not in styles:
        rule = f"{MEMORY} must be one of {', '.join(styles)}"
        known = ", for only UltraScale+ boards have UltraRAM" if memory == "ultra" else ""
        raise _refused(edge, rule, memory, f"choose one of these{known}")


def with_fifos(design: Design, fifos: FifoFolding) -> Design:
    """The design, whose FIFOs have the least depths, with those that the folding asks for.

    Its prediction is still the old one (`finished`). An entry that leaves all to the rules asks for
    nothing, and so its edge may be one that only another folding of the kernels has.

    :raises ThresherError: there is no such edge.
    """
    if not fifos:
        return design
    found = {link.edge: link for link in links(design)}
    for edge, entry in fifos.items():
        asks = {entry.get("depth", _AUTO), entry.get(MEMORY, _AUTO)} != {_AUTO}
        if asks and edge not in found:
            known = ", ".join(f"'{name}'" for name in found)
            raise ThresherError(
                f"folding of FIFO '{edge}': the design has no such edge; choose from {known}"
            )
    asked = {edge: fifos[edge].get("depth", _AUTO) for edge in found if edge in fifos}
    depths = {edge: depth for edge, depth in asked.items() if depth != _AUTO}
    deeper = _deeper(design, {(found[e].source, found[e].target): d for e, d in depths.items()})
    memory = {
        link.name: fifos[link.edge][MEMORY]
        for link in links(deeper)
        if MEMORY in fifos.get(link.edge, {}) and _has_memory(link)
    }
    least = {edge: found[edge].depth for edge in depths}
    return replace(deeper, fifo_memory=memory, fifo_least=least)


def _deeper(design: Design, depths: Mapping[tuple[object, object], int]) -> Design:
    """The design with these depths, by the two ends."""
    return replace(
        design,
        inputs=tuple(
            replace(p, depth=depths.get((("", p.name), p.end), p.depth)) for p in design.inputs
        ),
        edges=tuple(replace(e, depth=depths.get((e.src, e.dst), e.depth)) for e in design.edges),
        outputs=tuple(
            replace(p, depth=depths.get((p.end, ("", p.name)), p.depth)) for p in design.outputs
        ),
    )


def _has_memory(link: Link) -> bool:
    return link.fifo is not None and bool(memory_styles(link.fifo))


def finished(design: Design, fifos: FifoFolding) -> Design:
    """A design of `with_fifos` with its exact cycles.

    :raises ThresherError: a FIFO is asked for a memory that it has not, or the design stops, for
        one is not as deep as its least depth.
    """
    for link in links(design):
        style = fifos.get(link.edge, {}).get(MEMORY, _AUTO)
        if style != _AUTO and not _has_memory(link):
            raise ThresherError(
                f"folding of FIFO '{link.edge}': it has no memory that could be in "
                f"{json.dumps(style)}, for registers hold its {link.depth} beats; leave '{MEMORY}' "
                "away or give a 'depth' of 3 or more"
            )
    try:
        return replace(design, predicted=predict(design.network()))
    except Deadlock as e:
        for link in links(design):
            least = design.fifo_least.get(link.edge, 0)
            if link.depth < least:
                stops = str(e).split(";")[0]
                raise ThresherError(
                    f"folding of FIFO '{link.edge}': depth must let the design run, not "
                    f"{link.depth}, with which {stops}; write {least}, which costs no cycle"
                ) from e
        raise


def written_fifos(design: Design) -> FifoFolding:
    """What gives these FIFOs again, and the least depth of each."""
    found: dict[str, dict[str, Any]] = {}
    for link in links(design):
        if link.fifo is None:
            continue
        asked = link.edge in design.fifo_least
        found[link.edge] = {
            "depth": link.depth if asked else _AUTO,
            "least": design.fifo_least.get(link.edge, link.depth),
        }
        if isinstance(link.fifo, Fifo) and memory_styles(link.fifo):
            style, rule = link.fifo.bound, replace(link.fifo, memory=_AUTO).bound
            found[link.edge][MEMORY] = _AUTO if style == rule else style
    return found
