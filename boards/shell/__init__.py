"""Shells: what stands around the core on a board, between it and the links to the host."""

__all__: list[str] = []
