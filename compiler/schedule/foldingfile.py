"""`folding.json`: read, and what stands in it."""

import json
from pathlib import Path

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.fifofolding import written_fifos
from thresher.compiler.schedule.folding import FIFOS, Folding
from thresher.compiler.schedule.requests import MEMORY
from thresher.rtl.binding import memory_styles

__all__ = ["read_folding", "written"]


def read_folding(path: Path) -> Folding:
    """The folding in a JSON file; the scheduler compares it with the design.

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


def written(design: Design) -> Folding:
    """The design's folding as `folding.json` has it: what gives this very design again.

    The memory of every kernel that has a choice is told, "auto" where the rule chose; and every
    FIFO.
    """
    kernels = {
        name: {**entry, MEMORY: entry.get(MEMORY, "auto")}
        if name in design.kernels and memory_styles(design.kernels[name]) else dict(entry)
        for name, entry in design.folding.items()
    }  # fmt: skip
    return {**kernels, FIFOS: written_fifos(design)}
