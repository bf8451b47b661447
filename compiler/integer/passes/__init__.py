"""Rewrites of the integer graph, one a file; `driver.optimise` runs them all."""

__all__: list[str] = []
