"""Foldings: how parallel each kernel is, from a file or by default."""

import json
from collections.abc import Mapping
from pathlib import Path

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.requests import Request

__all__ = ["Folding", "check_folding", "read_folding", "write_folding"]

Folding = Mapping[str, Mapping[str, int]]
"""Kernel name -> its parameters; their names tell the dataflow.

{"pe": .., "simd": ..} for an MVAU, {"rows": .., "lanes": ..} for one that broadcasts, and
{"lanes": ..} for all others; {"lanes": .., "fast": 1} asks for the least latency of a step.
"lut" asks for products built from LUTs: 1 for all of them, or of a broadcast the beats of a pass.
"""

_OPTIONAL = {"lut", "fast"}


def read_folding(path: Path) -> Folding:
    """The folding in a JSON file; `check_folding` compares it with the kernels.

    :raises ThresherError: the file cannot be read, or is not such an object.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as e:
        raise ThresherError(f"folding '{path}': it must be a readable file; {e}") from e
    except json.JSONDecodeError as e:
        raise ThresherError(f"folding '{path}': it must be JSON; {e}") from e
    if not isinstance(found, dict):
        raise ThresherError(
            f"folding '{path}': it must be an object of kernels, not {type(found).__name__}; "
            'write {"kernel": {"pe": 1, "simd": 1}}'
        )
    return found


def write_folding(path: Path, folding: Folding) -> None:
    """Write a folding that `read_folding` reads back."""
    path.write_text(json.dumps(folding, indent=2) + "\n")


def check_folding(requests: Mapping[str, Request], folding: Mapping[str, object]) -> Folding:
    """`folding`, every entry of which names a kernel and gives its parameters allowed values.

    Kernels may be missing: they are folded automatically.

    :raises ThresherError: names the kernel, the rule and the allowed values.
    """
    checked: dict[str, dict[str, int]] = {}
    for name, given in folding.items():
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
            raise ThresherError(
                f"folding of kernel '{name}': {broken}, not {json.dumps(given)}; "
                f"write {broken.split()[0]} as 1"
            )
    return checked


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
