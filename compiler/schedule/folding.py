"""Foldings: how parallel each kernel is, and where its memory."""

import json
from collections.abc import Mapping
from typing import Any

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.requests import MEMORY, Request
from thresher.rtl.binding import memory_styles

__all__ = ["FIFOS", "Folding", "check_folding", "parted"]

FIFOS = "fifos"
"""The one key of a folding that names no kernel."""

Folding = Mapping[str, Mapping[str, Any]]
"""Kernel name -> its parameters; their names tell the dataflow.

{"pe": .., "simd": ..} for an MVAU, {"rows": .., "lanes": ..} for one that broadcasts, and
{"lanes": ..} for all others; {"lanes": .., "fast": 1} asks for the least latency of a step.
"lut" asks for products built from LUTs: 1 for all of them, or of a broadcast the beats of a pass.
"pack" asks for so many of an MVAU's PEs in each DSP at most.
{.., "memory": "block"} tells where the kernel's memory is (`thresher.rtl.binding`), all else are
ints. Under `FIFOS` stands what `thresher.compiler.schedule.fifofolding` tells.
"""

_OPTIONAL = {"lut", "pack", "fast"}


def parted(folding: Folding) -> tuple[Folding, Mapping[str, Any]]:
    """What a folding says of kernels, and of FIFOs."""
    kernels = {name: entry for name, entry in folding.items() if name != FIFOS}
    return kernels, folding.get(FIFOS, {})


def check_folding(
    requests: Mapping[str, Request], folding: Mapping[str, object], ultra: bool = False
) -> Folding:
    """`folding`, every entry of which names a kernel and gives its parameters allowed values.

    Kernels may be missing: they are folded automatically. So may "memory" be; "auto" is the rule of
    `thresher.rtl.binding`.

    :param ultra: there is UltraRAM.
    :raises ThresherError: names the kernel, the rule and the allowed values.
    """
    checked: dict[str, dict[str, Any]] = {}
    for name, entry in folding.items():
        given, memory = _parted(entry)
        if name not in requests:
            known = ", ".join(sorted(requests))
            raise ThresherError(
                f"folding of kernel '{name}': the design has no such kernel; choose from {known}"
            )
        dataflows = requests[name].dataflows
        named = set(given) if isinstance(given, Mapping) else set()
        allowed = next((d for d in dataflows if named == set(d)), None)
        if allowed is None or not isinstance(given, Mapping):
            needed = [d for d in dataflows if not _OPTIONAL & set(d)]
            keys = ", or ".join(" and ".join(f"'{key}'" for key in d) for d in needed)
            more = sorted(_OPTIONAL & {key for d in dataflows for key in d})
            hint = "".join(f"'{key}' may be added; " for key in more)
            first = {key: values[0] for key, values in dataflows[0].items()}
            raise ThresherError(
                f"folding of kernel '{name}': it must give {keys}, not {json.dumps(given)}; "
                f"{hint}write {json.dumps(first)}"
            )
        checked[name] = {key: _checked(name, key, given[key], allowed[key]) for key in allowed}
        broken = requests[name].broken(checked[name])
        if broken:
            key = broken.split()[0]
            remedy = f"write {key} as 1" if 1 in allowed[key] else f"leave {key} out"
            raise ThresherError(
                f"folding of kernel '{name}': {broken}, not {json.dumps(given)}; {remedy}"
            )
        if memory is not None:
            _check_memory(name, requests[name], checked[name], memory, ultra)
            checked[name][MEMORY] = memory
    return checked


def _parted(entry: object) -> tuple[object, object]:
    """(the parameters, the memory's style or None) of what a folding says of a kernel."""
    if not isinstance(entry, Mapping):
        return entry, None
    rest = {key: value for key, value in entry.items() if key != MEMORY}
    return rest, entry.get(MEMORY)


def _check_memory(
    name: str, request: Request, folding: Mapping[str, int], memory: object, ultra: bool
) -> None:
    """The kernel can have its memory there."""
    styles = memory_styles(request.kernel(folding))
    if memory == "auto" or (memory in styles and (ultra or memory != "ultra")):
        return
    shown = json.dumps(memory)
    if not styles:
        raise ThresherError(
            f"folding of kernel '{name}': it has no memory that could be in {shown}; "
            f"leave '{MEMORY}' away"
        )
    reason = ""
    if memory == "ultra":
        lacks = "only UltraScale+ boards have UltraRAM" if memory in styles else (
            "UltraRAM cannot hold constants from the start"
        )  # fmt: skip
        reason = f", for {lacks}"
        styles = tuple(style for style in styles if style != "ultra")
    raise ThresherError(
        f"folding of kernel '{name}': {MEMORY} must be one of auto, {', '.join(styles)}, not "
        f"{shown}{reason}; choose one of these"
    )


def _checked(name: str, key: str, value: object, allowed: tuple[int, ...]) -> int:
    values = ", ".join(str(v) for v in allowed)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ThresherError(
            f"folding of kernel '{name}': {key} must be an int, not {json.dumps(value)}; "
            f"choose from {values}"
        )
    if value not in allowed:
        rule = "be left out or be allowed" if key in _OPTIONAL else "divide what it folds"
        raise ThresherError(
            f"folding of kernel '{name}': {key} must {rule}, not {value}; choose from {values}"
        )
    return value
