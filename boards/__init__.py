"""Boards: platforms, the Vivado flow, host drivers."""

__all__: list[str] = []
