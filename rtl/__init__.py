"""Amaranth components on ready/valid streams, one file each."""

__all__: list[str] = []
