"""Host side of a board: it needs Python and NumPy alone, and runs on the board itself."""

__all__: list[str] = []
