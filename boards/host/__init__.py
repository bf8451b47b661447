"""Host side of a board: it needs Python and NumPy alone, and runs on the board itself.

`thresher build` copies this package into a driver folder, where it is called `thresher_driver`.
"""

from thresher.boards.host.accelerator import Accelerator, Check, Measurement
from thresher.boards.host.errors import HostError, InputError, LinkError
from thresher.boards.host.model import load_model
from thresher.boards.host.vectors import load_vectors

__all__ = [
    "Accelerator", "Check", "HostError", "InputError", "LinkError", "Measurement", "load_model",
    "load_vectors",
]  # fmt: skip
