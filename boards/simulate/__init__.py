"""Simulated boards: the Verilated board top behind the interfaces of real links."""

__all__: list[str] = []
