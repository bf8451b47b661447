"""Engines that run a design: golden, Amaranth, Verilator, cocotb."""

__all__: list[str] = []
