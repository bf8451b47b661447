"""Every board that is known: what the modules of `boards.platforms` hold, by name."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from thresher.boards import platforms
from thresher.boards.board import Board
from thresher.compiler.errors import ThresherError

__all__ = ["BOARDS", "get_board"]


def _boards() -> dict[str, Board]:
    found: dict[str, Board] = {}
    for module in pkgutil.iter_modules(platforms.__path__, platforms.__name__ + "."):
        for board in importlib.import_module(module.name).BOARDS:
            assert board.name not in found
            assert board.name == board.name.lower()
            found[board.name] = board
    return dict(sorted(found.items()))


BOARDS: Mapping[str, Board] = MappingProxyType(_boards())
"""Every board, by name."""


def get_board(name: str) -> Board:
    """The board of this name, upper and lower case alike.

    :raises ThresherError: there is none.
    """
    board = BOARDS.get(name.lower())
    if board is None:
        raise ThresherError(f"board must be one of {', '.join(BOARDS)}, not '{name}'")
    return board
