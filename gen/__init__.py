"""From a scheduled design to one Amaranth top and its Verilog; the command line."""

__all__: list[str] = []
