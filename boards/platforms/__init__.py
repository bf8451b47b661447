"""One file a board: its platform and, in `BOARDS`, what Thresher has to know about it."""

__all__: list[str] = []
